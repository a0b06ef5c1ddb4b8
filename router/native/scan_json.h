/* JSON as the scanner reads it: texts, and names of members. Every byte read is checked against the end first. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

/* As hash_of in tables.py. Two names with one hash in an object look like a repeated name: not taken. */
static u64 hash_of(const u8 *at, u32 size) {
    u64 hash = size;
    for (u32 i = 0; i < size; i += 8) {
        u64 eight = 0;
        if (size - i >= 8) memcpy(&eight, at + i, 8);
        else
            for (u32 k = 0; k < size - i; k++) eight |= (u64)at[i + k] << 8 * k;
        hash = (hash ^ eight) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 32;
    }
    return hash;
}

static int is(const u8 *at, u32 size, const char *word) { return strlen(word) == size && !memcmp(at, word, size); }

typedef struct { const u8 *at; u32 size; u32 more; int escaped; } Text; /* more: bytes of UTF-8 beyond one a character */

/* The first of eight bytes that is a quote, a backslash, below 0x20 or above 0x7F; 8 where none is. The lowest bit that
 * is found is exact, what is above it may be of a byte beside one.
 */
static u32 first_special(u64 eight) {
    const u64 ones = 0x0101010101010101ull, high = 0x8080808080808080ull;
    u64 quote = eight ^ ones * '"', backslash = eight ^ ones * '\\';
    u64 found = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) | ((eight - ones * 0x20) & ~eight) | eight) & high;
    return found ? (u32)__builtin_ctzll(found) >> 3 : 8;
}

/* The text behind an opening quote; returns its closing quote, or NULL. Escapes are those that orjson writes. */
static const u8 *text(const u8 *p, const u8 *end, Text *found) {
    found->at = p;
    found->more = 0;
    found->escaped = 0;
    while (p < end) {
        while (end - p >= 8) { /* eight bytes at once, while all are plain */
            u64 eight;
            memcpy(&eight, p, 8);
            u32 plain = first_special(eight);
            p += plain;
            if (plain < 8) break;
        }
        if (p == end) return NULL;
        u8 c = *p;
        if (c == '"') {
            found->size = (u32)(p - found->at);
            return p;
        }
        if (c < 0x20) return NULL;
        if (c == '\\') {
            if (end - p < 2 || !memchr("\"\\bfnrt", p[1], 7)) return NULL;
            found->escaped = 1;
            p += 2;
        } else if (c < 0x80) {
            p++;
        } else { /* UTF-8, strictly: no overlong form, no surrogate, nothing beyond U+10FFFF */
            u32 more = c < 0xC2 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : 0;
            if (!more || end - p <= (ptrdiff_t)more) return NULL;
            u8 low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
            if (p[1] < low || p[1] > high) return NULL;
            for (u32 i = 2; i <= more; i++)
                if ((p[i] & 0xC0) != 0x80) return NULL;
            found->more += more;
            p += more + 1;
        }
    }
    return NULL;
}

enum { MOST_NAMES = 64 }; /* in one object */

/* Whether a name has not been in the object before. */
static int is_new(u64 *seen, u32 *count, u64 hash) {
    for (u32 i = 0; i < *count; i++)
        if (seen[i] == hash) return 0;
    if (*count == MOST_NAMES) return 0;
    seen[(*count)++] = hash;
    return 1;
}

/* `"name":` at p; returns where the value begins, or NULL. */
static const u8 *name_at(const u8 *p, const u8 *end, Text *name) {
    if (p >= end || *p != '"') return NULL;
    p = text(p + 1, end, name);
    if (!p || name->escaped || end - p < 3 || p[1] != ':') return NULL;
    return p + 2;
}
