/* Takes values out of events and keeps them under `context.protocols.omitted`, as router/agents/verdict.py does where a
 * plan's action is `omit`, on the events' JSON.
 *
 * An event is as the scanner wrote it: JSON without blanks, no name with an escape in it, and the plan's reference in
 * `context.protocols`, which is an object. What to take out comes from router/native/omit.py as a text of its own, its
 * numbers of 32 bits: of each value the number of its parts; of each part the size of a name and the name, or INDEX and
 * the number of an item; the size of a label and the label, `"/properties/total":`.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

enum { MOST = 128, INDEX = 0xFFFFFFFF };

typedef struct { const u8 *begin, *value, *end; } Found; /* a member with its name, or an item; begin NULL: there is none */
typedef struct { const u8 *label; u32 size; Found found; } Omitted;

static u32 number_at(const u8 **at) {
    u32 found;
    memcpy(&found, *at, sizeof found);
    *at += sizeof found;
    return found;
}

static const u8 *behind_text(const u8 *p, const u8 *end) { /* p: behind the opening quote */
    while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    return p + 1;
}

static const u8 *behind(const u8 *p, const u8 *end) {
    u32 depth = 0;
    while (p < end) {
        u8 c = *p;
        if (!depth && (c == ',' || c == '}' || c == ']')) return p;
        if (c == '"') {
            p = behind_text(p + 1, end);
            continue;
        }
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        p++;
    }
    return end;
}

/* The member of this name of the object at p. */
static Found member(const u8 *p, const u8 *end, const u8 *name, u32 size) {
    Found found = {NULL, NULL, NULL};
    if (*p != '{') return found;
    for (p++; p < end && *p == '"';) {
        const u8 *begin = p, *value = behind_text(p + 1, end) + 1, *after = behind(value, end);
        if ((u32)(value - begin) == size + 3 && !memcmp(begin + 1, name, size)) return (Found){begin, value, after};
        p = after + 1; /* the comma */
    }
    return found;
}

static Found item(const u8 *p, const u8 *end, u32 index) {
    Found found = {NULL, NULL, NULL};
    if (*p != '[' || p[1] == ']') return found;
    for (p++; p < end; index--) {
        const u8 *after = behind(p, end);
        if (!index) return (Found){p, p, after};
        if (*after != ',') return found;
        p = after + 1;
    }
    return found;
}

/* Reads what to take out, one value after the other, and finds each; returns how many there are, MOST where too many.
 * The first part of most is that of the one before. */
static u32 find(const u8 *event, const u8 *end, const u8 *at, const u8 *last, Omitted *omitted) {
    Found section = {NULL, NULL, NULL};
    const u8 *named = NULL;
    u32 named_size = 0, count = 0;
    for (; at < last && count < MOST; count++) {
        Found found = {event, event, end};
        u32 parts = number_at(&at);
        for (u32 i = 0; i < parts; i++) {
            u32 size = number_at(&at);
            if (size == INDEX) {
                u32 index = number_at(&at);
                if (found.begin) found = item(found.value, end, index);
                continue;
            }
            if (!i && named && named_size == size && !memcmp(named, at, size)) found = section;
            else if (found.begin) found = member(found.value, end, at, size);
            if (!i) section = found, named = at, named_size = size;
            at += size;
        }
        omitted[count].size = number_at(&at);
        omitted[count].label = at;
        omitted[count].found = found;
        at += omitted[count].size;
    }
    return count;
}

static u8 *put(u8 *out, const u8 *from, size_t size) {
    memcpy(out, from, size);
    return out + size;
}

static u8 *put_omitted(u8 *out, const Omitted *omitted, u32 count) {
    out = put(out, (const u8 *)"\"omitted\":{", 11);
    for (u32 i = 0, some = 0; i < count; i++) {
        const Omitted *one = &omitted[i];
        if (!one->found.begin) continue;
        if (some++) *out++ = ',';
        out = put(out, one->label, one->size);
        out = put(out, one->found.value, (size_t)(one->found.end - one->found.value));
    }
    return put(out, (const u8 *)"},", 2);
}

/* The next value to be left out that begins at p or behind it, or NULL. They do not overlap. */
static const Found *next_one(const Omitted *omitted, u32 count, const u8 *p) {
    const Found *next = NULL;
    for (u32 i = 0; i < count; i++) {
        const Found *found = &omitted[i].found;
        if (found->begin && found->begin >= p && (!next || found->begin < next->begin)) next = found;
    }
    return next;
}

/* The event without what is omitted, and with it behind `place`; returns the end of it. */
static u8 *without(u8 *out, const u8 *p, const u8 *end, const u8 *place, const Omitted *omitted, u32 count) {
    const Found *next = next_one(omitted, count, p);
    while (p < end) {
        const u8 *until = next ? next->begin : end;
        if (p <= place && place < until) until = place;
        out = put(out, p, (size_t)(until - p));
        p = until;
        if (p == place) {
            out = put_omitted(out, omitted, count);
            *out++ = *p++; /* the reference of the plan follows */
        } else if (next && p == next->begin) {
            p = next->end;
            if (*p == ',' && (out[-1] == '{' || out[-1] == '[' || out[-1] == ',')) p++;
            else if (*p != ',' && out[-1] == ',') out--;
            next = next_one(omitted, count, p);
        }
    }
    return out;
}

/* Of each of `count` rows the event at its place in `block` is written anew into the `room` bytes behind the first
 * `used`, without the values of its set, which ends at ends[sets[i]] of `texts`; starts and sizes of the row then say so.
 * An event that has none of them stays. Returns how many rows are done: fewer where there is no room, or where one is
 * of another form. `used` is brought up to date.
 */
u32 router_omit(u8 *block, u64 *used, u64 room, const u8 *texts, const u32 *ends, const u32 *sets, const u32 *rows, u32 count, i64 *starts, i64 *sizes) {
    static const u8 CONTEXT[] = "context", PROTOCOLS[] = "protocols";
    Omitted omitted[MOST];
    for (u32 i = 0; i < count; i++) {
        u32 row = rows[i], set = sets[i], begin = set ? ends[set - 1] : 0, some = 0;
        const u8 *event = block + starts[row], *end = event + sizes[row];
        u32 found = find(event, end, texts + begin, texts + ends[set], omitted);
        Found context = member(event, end, CONTEXT, sizeof CONTEXT - 1);
        if (found == MOST || !context.begin) return i;
        Found protocols = member(context.value, end, PROTOCOLS, sizeof PROTOCOLS - 1);
        if (!protocols.begin || *protocols.value != '{' || protocols.value[1] != '"') return i;
        u64 needed = (u64)sizes[row] + 16 + (ends[set] - begin); /* a value is left out where it is put in */
        for (u32 k = 0; k < found; k++) some += omitted[k].found.begin != NULL;
        if (!some) continue;
        if (needed > room) return i;
        u8 *out = block + *used, *last = without(out, event, end, protocols.value + 1, omitted, found);
        starts[row] = (i64)*used;
        sizes[row] = last - out;
        *used += (u64)(last - out);
        room -= (u64)(last - out);
    }
    return count;
}
