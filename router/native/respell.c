/* JSON in the spelling that the scanner reads, which is the one that orjson writes: no blanks, and characters as they
 * are but for the escapes that must be. Many clients escape more (`\/`, `\u00e9`) or write a blank behind each comma.
 *
 * It is no check of the grammar: the scanner reads the result as strictly as any other text. It only never makes JSON
 * of what is none: a blank goes where JSON may have one, half a surrogate pair stays away.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;

static int is_blank(u8 c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static int hex_digit(u8 c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/* The number of `\uXXXX` at p, or -1. */
static int32_t unit_at(const u8 *p, const u8 *end) {
    int32_t unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Writes a character in UTF-8, or as the short escape that it must have. Returns what is behind it, or NULL. */
static u8 *put_character(u8 *out, u32 code) {
    static const u8 ESCAPED[] = "\"\\\b\f\n\r\t", LETTERS[] = "\"\\bfnrt";
    const u8 *found = code < 0x80 ? memchr(ESCAPED, (int)code, 7) : NULL;
    if (found) {
        *out++ = '\\';
        *out++ = LETTERS[found - ESCAPED];
    } else if (code < 0x20) {
        return NULL; /* stays an escape, which the scanner does not read */
    } else if (code < 0x80) {
        *out++ = (u8)code;
    } else if (code < 0x800) {
        *out++ = (u8)(0xC0 | code >> 6);
        *out++ = (u8)(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
        *out++ = (u8)(0xE0 | code >> 12);
        *out++ = (u8)(0x80 | (code >> 6 & 0x3F));
        *out++ = (u8)(0x80 | (code & 0x3F));
    } else {
        *out++ = (u8)(0xF0 | code >> 18);
        *out++ = (u8)(0x80 | (code >> 12 & 0x3F));
        *out++ = (u8)(0x80 | (code >> 6 & 0x3F));
        *out++ = (u8)(0x80 | (code & 0x3F));
    }
    return out;
}

/* An escape at p; returns what is behind it, or NULL. Never writes more than it reads. */
static const u8 *escape(const u8 *p, const u8 *end, u8 **out) {
    if (end - p < 2) return NULL;
    if (p[1] == '/') {
        *(*out)++ = '/';
        return p + 2;
    }
    if (p[1] != 'u') {
        *(*out)++ = p[0];
        *(*out)++ = p[1];
        return p + 2;
    }
    int32_t unit = unit_at(p, end), low;
    if (unit < 0) return NULL;
    p += 6;
    u32 code = (u32)unit;
    if (unit >= 0xD800 && unit < 0xE000) {
        low = unit_at(p, end);
        if (unit >= 0xDC00 || low < 0xDC00 || low >= 0xE000) return NULL;
        code = 0x10000u + ((u32)(unit - 0xD800) << 10) + (u32)(low - 0xDC00);
        p += 6;
    }
    *out = put_character(*out, code);
    return *out ? p : NULL;
}

/* A text from its opening quote on; returns what is behind it, or NULL. */
static const u8 *respelled_text(const u8 *p, const u8 *end, u8 **out) {
    *(*out)++ = *p++;
    while (p < end && *p != '"') {
        if (*p == '\\') {
            p = escape(p, end, out);
            if (!p) return NULL;
        } else {
            *(*out)++ = *p++;
        }
    }
    if (p == end) return NULL;
    *(*out)++ = *p++;
    return p;
}

/* Respells a JSON text in place, where it becomes shorter. Returns its new size; 0: there is nothing to be done, or it
 * is none (what is there then is of no use).
 */
u32 router_respell(u8 *text, u32 size) {
    const u8 *p = text, *end = text + size;
    u8 *out = text, last = ',';
    while (p < end) {
        if (is_blank(*p)) { /* beside a bracket, a comma or a colon, or at an end */
            while (p < end && is_blank(*p)) p++;
            if (p < end && !memchr("{[,:", last, 4) && !memchr("}],:", *p, 4)) return 0;
        } else if (*p == '"') {
            p = respelled_text(p, end, &out);
            if (!p) return 0;
            last = '"';
        } else {
            *out++ = last = *p++;
        }
    }
    return (u32)(out - text) == size ? 0 : (u32)(out - text);
}
