/* The scanner: one pass over each message of a batch, from its bytes to those that go out.
 *
 * It takes a message only where it is certain that the agents would make the very same bytes of it: one event of an
 * ordinary shape. Whatever else it meets (a repair, a batch body, an odd number, a repeated key) it does not take;
 * router/agents then decides as if there were no scanner. What it takes may leave a question open (`more`), which the
 * agents answer with the part of the event that it is about. Of an event that breaks its plan it gives a digest of how,
 * equal for all that break it in the same ways: what that means is for the agents to say, once for each.
 * So it knows no reason, no action and no verdict, and a rule it does not know costs time, never correctness.
 *
 * Nothing is allocated, no function recurses deeper than the limit of nesting, and every byte read is checked against
 * the end first. Tables come from router/native/tables.py, the structs are mirrored in router/native/scanner.py.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t i32;
typedef int64_t i64;

/* ---- tables: what events of one source, type and name must look like ---- */

enum { NULL_TYPE = 1, BOOLEAN = 2, INTEGER = 4, NUMBER = 8, STRING = 16, ARRAY = 32, OBJECT = 64 };
/* Flags of a node. BLURRED: of what it refuses it cannot be told which of its schemas does. */
enum { MINIMUM = 1, MAXIMUM = 2, ABOVE = 4, BELOW = 8, CLOSED = 16, BLURRED = 32 };
enum { ANYTHING = -1 };                                                /* in place of a node */

typedef struct { /* a schema; an index into the nodes stands for one inside it */
    double minimum, maximum;
    u64 required; /* bits of the properties that must be there */
    u32 types;    /* 0: all */
    u32 flags;
    i32 min_length, max_length; /* characters; -1: no maximum */
    i32 pattern;                /* index into the automata, -1: none */
    i32 items, additional;
    u32 first_property, properties;
    u32 first_word, words; /* of an enum, all texts; none: free */
    u32 unused;
} Node;

typedef struct { u64 hash; u32 name, size; i32 node, bit; } Property; /* bit: in `required`, -1 where it may be absent */
typedef struct { u32 text, size; } Word;
typedef struct { /* state 0 refuses, 1 begins; next = table[state * 128 + byte] */
    u32 table, accepting;
    u32 one_sided; /* what it refuses may be right all the same */
} Automaton;

typedef struct { /* what events of one source, call type and name have in common */
    u32 name, name_size;     /* of a track call; empty for the others */
    u32 plan, plan_size;     /* the plan's reference as a JSON text with its quotes; empty: no plan */
    u32 prefix, prefix_size; /* of the dedupe key */
    i32 node, context;       /* of `properties` or `traits`, and of the context */
    u8 source, type;         /* type: the first letter */
    u8 asks;                 /* the nodes do not say all that the plan does */
    u8 broken;               /* what becomes of events that break their plan: */
} Kind;

enum { LEFT, JUDGED, ALWAYS_JUDGED }; /* not taken; taken, with a digest; and so of every event: the plan has none such */

typedef struct {
    const Node *nodes;
    const Property *properties;
    const Word *words;
    const Automaton *automata;
    const u8 *states;
    const u8 *accepting;
    const u8 *text; /* that names, prefixes and words are in */
    const Kind *kinds;
    const i32 *slots; /* hash table: index into the kinds, -1 where empty */
    u32 mask;         /* slots - 1, a power of two */
    u32 most_bytes, most_levels, most_id;
    u32 refuses_metadata; /* an agent reads `_metadata` */
    u32 short_id;         /* bytes; ids that are not longer are looked at by the agents */
    const u8 *plain;      /* by its first byte, whether a longer id is certainly no placeholder */
} Tables;

/* ---- what is asked and answered ---- */

enum { NO_SOURCE = 255 }; /* in place of a source: a message that is not to be looked at */

/* What is left for the agents to say of a message that is taken: who it is about, where it goes, whether it conforms,
 * whether its messageId is one. LONG_IDS: userId and anonymousId are too long for a digest of both. BREAKS: it breaks
 * its plan, and has a digest of how. */
enum { IDENTIFIERS = 1, INTEGRATIONS_GIVEN = 2, ASK = 4, ODD_ID = 8, LONG_IDS = 16, BREAKS = 32 };

typedef struct { /* an answer; places are offsets into the input, `out` into the output */
    i32 kind;    /* -1: not taken */
    u32 more;
    u32 out, out_size;
    u32 user, user_size, anonymous, anonymous_size, id, id_size;
} Row;

typedef struct { u32 section, section_size, context, context_size, integrations, integrations_size; } Places;

void router_scan_sizes(u32 *sizes) {
    sizes[0] = sizeof(Node);
    sizes[1] = sizeof(Property);
    sizes[2] = sizeof(Word);
    sizes[3] = sizeof(Automaton);
    sizes[4] = sizeof(Kind);
    sizes[5] = sizeof(Tables);
    sizes[6] = sizeof(Row);
    sizes[7] = sizeof(Places);
}

/* ---- texts ---- */

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

/* ---- what a node refuses ---- */

enum { WRONG_TYPE = 1, NO_WORD = 2, TOO_LITTLE = 4, TOO_MUCH = 8, NO_MATCH = 16, UNSURE = 32 };

/* What is refused of an event, and where: all that a description of its violations is made of, since none holds a value.
 * A text of tokens, each a tag and what belongs to it. */
typedef struct { u8 text[1024]; u32 size; } Faults;
enum { PROPERTY = 'p', OTHER_NAME = 'o', ITEM = 'i', BACK = 'b', REFUSES = 'r', CLOSES = 'c', NAME = 'n', MISSES = 'm', SECTION = 's' };

typedef struct {
    const Tables *tables;
    const u8 *end;
    u32 not_empty;  /* a list whose items are at this level may not be empty: the reader may take it for an object */
    int uncertain;  /* a node refused what may be right, or it is not known how */
    Faults *faults; /* all that is refused; NULL: the first refusal is the end */
} Scan;

static u32 unsure(Scan *scan) {
    scan->uncertain = 1;
    return UNSURE;
}

static void tell(Scan *scan, u8 tag, const void *what, u32 size) {
    Faults *faults = scan->faults;
    if (size >= sizeof faults->text - faults->size) { /* too many to be told */
        scan->uncertain = 1;
        return;
    }
    faults->text[faults->size++] = tag;
    memcpy(faults->text + faults->size, what, size);
    faults->size += size;
}

/* A refusal: whether it is to be told, and the walk to go on. */
static int refused(Scan *scan, const Node *node) {
    if (scan->faults && node->flags & BLURRED) scan->uncertain = 1;
    return scan->faults != NULL;
}

static void tell_name(Scan *scan, u8 tag, const Text *name) {
    tell(scan, tag, &name->size, sizeof name->size);
    tell(scan, NAME, name->at, name->size);
}

/* Back from a step to a value inside, which was told from `before` to `after`; nothing stays of it if that is all. */
static void step_back(Scan *scan, u32 before, u32 after) {
    if (scan->faults->size == after) scan->faults->size = before;
    else tell(scan, BACK, "", 0);
}

static u32 wrong_type(const Node *node, u32 type) {
    return (node->types && !(node->types & type) ? WRONG_TYPE : 0) | (node->words && type != STRING ? NO_WORD : 0);
}

/* Whether to go on behind a value of this type that is `wrong` by what its node says of it as a whole. */
static int passes(Scan *scan, const Node *node, u32 type, u32 wrong) {
    u8 how[] = {(u8)type, (u8)wrong};
    if (!wrong) return 1;
    if (!refused(scan, node)) return 0;
    tell(scan, REFUSES, how, sizeof how);
    return 1;
}

/* ---- values, held against a node ---- */

static const u8 *value(Scan *scan, const u8 *p, i32 node, u32 level);

static const double POWERS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

typedef struct { u64 digits; int places, negative, round; } Number; /* round: its fraction is .0 */

/* A number written as orjson writes it: at most 15 digits, so that it is exact; no exponent, no zero at the end. */
static const u8 *number(const u8 *p, const u8 *end, Number *found) {
    const u8 *begin;
    int digits, places = 0;
    u64 all = 0;
    found->negative = p < end && *p == '-';
    p += found->negative;
    begin = p;
    while (p < end && *p >= '0' && *p <= '9' && p - begin <= 15) all = all * 10 + (u64)(*p++ - '0');
    digits = (int)(p - begin);
    if (!digits || digits > 15 || (digits > 1 && *begin == '0')) return NULL;
    if (p < end && *p == '.') {
        const u8 *first = ++p;
        while (p < end && *p >= '0' && *p <= '9' && p - first <= 15) all = all * 10 + (u64)(*p++ - '0');
        places = (int)(p - first);
        if (!places || digits + places > 15) return NULL;
        if (p[-1] == '0' && places > 1) return NULL;
        if (*begin == '0' && places > 3 && !memcmp(first, "000", 3)) return NULL; /* with an exponent, soon */
    }
    if (p < end && (*p == 'e' || *p == 'E' || *p == '.' || (*p >= '0' && *p <= '9'))) return NULL;
    if (found->negative && !all) return NULL;
    found->digits = all;
    found->places = places;
    found->round = places == 1 && p[-1] == '0';
    return p;
}

static u32 wrong_number(Scan *scan, const Node *node, const Number *found) {
    u32 wrong = wrong_type(node, found->places ? NUMBER : INTEGER | NUMBER);
    if (wrong & WRONG_TYPE && found->round) wrong |= unsure(scan); /* 1.0 is an integer too */
    double exact = (double)found->digits / POWERS[found->places];
    if (found->negative) exact = -exact;
    if ((node->flags & MINIMUM && exact < node->minimum) || (node->flags & ABOVE && exact <= node->minimum)) wrong |= TOO_LITTLE;
    if ((node->flags & MAXIMUM && exact > node->maximum) || (node->flags & BELOW && exact >= node->maximum)) wrong |= TOO_MUCH;
    return wrong;
}

static u32 wrong_text(Scan *scan, const Node *node, const Text *found) {
    const Tables *tables = scan->tables;
    u32 wrong = wrong_type(node, STRING);
    if (!node->words && node->min_length <= 0 && node->max_length < 0 && node->pattern < 0) return wrong;
    if (found->escaped) return unsure(scan);
    if (node->words) {
        const Word *word = tables->words + node->first_word, *last = word + node->words;
        while (word < last && (word->size != found->size || memcmp(tables->text + word->text, found->at, word->size))) word++;
        if (word == last) wrong |= NO_WORD;
    }
    i64 characters = (i64)found->size - found->more;
    if (characters < node->min_length) wrong |= TOO_LITTLE;
    if (node->max_length >= 0 && characters > node->max_length) wrong |= TOO_MUCH;
    if (node->pattern < 0) return wrong;
    if (found->more) return unsure(scan); /* automata are of ASCII */
    const Automaton *automaton = &tables->automata[node->pattern];
    u32 state = 1;
    for (u32 i = 0; i < found->size && state; i++) state = tables->states[automaton->table + state * 128 + found->at[i]];
    if (tables->accepting[automaton->accepting + state]) return wrong;
    return automaton->one_sided ? unsure(scan) : wrong | NO_MATCH;
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

/* The member of this name that a node has, or NULL. */
static const Property *property(const Tables *tables, const Node *node, const Text *name, u64 hash) {
    const Property *one = tables->properties + node->first_property, *last = one + node->properties;
    for (; one < last; one++)
        if (one->hash == hash && one->size == name->size && !memcmp(tables->text + one->name, name->at, name->size)) return one;
    return NULL;
}

/* A member's value, held against what the node says of this name. */
static const u8 *member(Scan *scan, const u8 *p, const Node *node, const Text *name, u64 hash, u64 *have, u32 level) {
    const Property *one = property(scan->tables, node, name, hash);
    i32 inner = one ? one->node : node->additional;
    if (one && one->bit >= 0) *have |= 1ull << one->bit;
    if (!one && node->flags & CLOSED) {
        if (!refused(scan, node)) return NULL;
        tell_name(scan, CLOSES, name);
    }
    if (!scan->faults || inner == ANYTHING) return value(scan, p, inner, level);
    u32 before = scan->faults->size, number = one ? (u32)(one - scan->tables->properties) : 0;
    if (one) tell(scan, PROPERTY, &number, sizeof number);
    else tell_name(scan, OTHER_NAME, name);
    u32 after = scan->faults->size;
    p = value(scan, p, inner, level);
    step_back(scan, before, after);
    return p;
}

static const u8 *object_end(Scan *scan, const u8 *p, const Node *node, u64 have) {
    u64 missing = node ? node->required & ~have : 0;
    if (!missing) return p + 1;
    if (!refused(scan, node)) return NULL;
    tell(scan, MISSES, &missing, sizeof missing);
    return p + 1;
}

static const u8 *object(Scan *scan, const u8 *p, const Node *node, u32 level) {
    const u8 *end = scan->end;
    u64 seen[MOST_NAMES], have = 0;
    u32 count = 0;
    if (p < end && *p == '}') return object_end(scan, p, node, 0);
    for (;;) {
        Text name;
        p = name_at(p, end, &name);
        if (!p) return NULL;
        u64 hash = hash_of(name.at, name.size);
        if (!is_new(seen, &count, hash)) return NULL;
        p = node ? member(scan, p, node, &name, hash, &have, level) : value(scan, p, ANYTHING, level);
        if (!p || p >= end) return NULL;
        if (*p == '}') return object_end(scan, p, node, have);
        if (*p++ != ',') return NULL;
    }
}

static const u8 *array(Scan *scan, const u8 *p, i32 items, u32 level) {
    if (p < scan->end && *p == ']') return level == scan->not_empty ? NULL : p + 1;
    for (u32 index = 0;; index++) {
        int told = scan->faults && items != ANYTHING;
        u32 before = told ? scan->faults->size : 0;
        if (told) tell(scan, ITEM, &index, sizeof index);
        u32 after = told ? scan->faults->size : 0;
        p = value(scan, p, items, level);
        if (told) step_back(scan, before, after);
        if (!p || p >= scan->end) return NULL;
        if (*p == ']') return p + 1;
        if (*p++ != ',') return NULL;
    }
}

static const u8 *word(Scan *scan, const u8 *p, const char *expected, u32 type, const Node *node) {
    size_t size = strlen(expected);
    if ((size_t)(scan->end - p) < size || memcmp(p, expected, size)) return NULL;
    return !node || passes(scan, node, type, wrong_type(node, type)) ? p + size : NULL;
}

/* A value without blanks around or in it; returns what is behind it, or NULL: not certain, or not what the node wants. */
static const u8 *value(Scan *scan, const u8 *p, i32 index, u32 level) {
    const Node *node = index >= 0 ? &scan->tables->nodes[index] : NULL;
    if (p >= scan->end) return NULL;
    switch (*p) {
    case '"': {
        Text found;
        p = text(p + 1, scan->end, &found);
        return p && (!node || passes(scan, node, STRING, wrong_text(scan, node, &found))) ? p + 1 : NULL;
    }
    case '{':
    case '[': {
        u32 type = *p == '{' ? OBJECT : ARRAY;
        if (level >= scan->tables->most_levels) return NULL;
        if (node && !passes(scan, node, type, wrong_type(node, type))) return NULL;
        return type == OBJECT ? object(scan, p + 1, node, level + 1) : array(scan, p + 1, node ? node->items : ANYTHING, level + 1);
    }
    case 't': return word(scan, p, "true", BOOLEAN, node);
    case 'f': return word(scan, p, "false", BOOLEAN, node);
    case 'n': return word(scan, p, "null", NULL_TYPE, node);
    default: {
        Number found;
        p = number(p, scan->end, &found);
        if (!p || !node) return p;
        return passes(scan, node, found.places ? NUMBER : INTEGER, wrong_number(scan, node, &found)) ? p : NULL;
    }
    }
}

/* ---- times: YYYY-MM-DDTHH:MM:SS, a fraction or none, and Z or an offset; from 1970 to 9999 ---- */

enum { TIME = 24 }; /* bytes of a time as the router writes it */
static const i64 LAST_TIME = 253402300799999ll;

static i64 digits(const u8 *p, u32 count) { /* -1 where there are others */
    i64 number = 0;
    for (u32 i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9') return -1;
        number = number * 10 + (p[i] - '0');
    }
    return number;
}

/* Days since 1970-01-01 and back: https://howardhinnant.github.io/date_algorithms.html, for years after 1 BC. */
static i64 days_of(i64 year, i64 month, i64 day) {
    year -= month <= 2;
    i64 era = year / 400, of_era = year - era * 400;
    i64 of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* Milliseconds since 1970, or -1. A fraction of more than three digits is cut off. */
static i64 time_of(const u8 *p, u32 size) {
    static const u8 DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (size < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':') return -1;
    i64 year = digits(p, 4), month = digits(p + 5, 2), day = digits(p + 8, 2);
    i64 hour = digits(p + 11, 2), minute = digits(p + 14, 2), second = digits(p + 17, 2), part = 0, offset = 0;
    u32 at = 19;
    if (p[at] == '.') {
        u32 first = ++at;
        while (at < size && p[at] >= '0' && p[at] <= '9') at++;
        u32 places = at - first;
        if (!places || places > 9) return -1;
        part = digits(p + first, places < 3 ? places : 3);
        for (u32 i = places; i < 3; i++) part *= 10;
    }
    if (size - at == 6 && (p[at] == '+' || p[at] == '-') && p[at + 3] == ':') {
        i64 hours = digits(p + at + 1, 2), minutes = digits(p + at + 4, 2);
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return -1;
        offset = (hours * 60 + minutes) * (p[at] == '+' ? 60000 : -60000);
    } else if (size - at != 1 || p[at] != 'Z') {
        return -1;
    }
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59) return -1;
    if (second < 0 || second > 59) return -1;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > DAYS[month - 1] + (month == 2 && leap)) return -1;
    i64 found = (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + part - offset;
    return found < 0 ? -1 : found;
}

static void put_digits(u8 *p, i64 number, u32 count) {
    while (count--) {
        p[count] = (u8)('0' + number % 10);
        number /= 10;
    }
}

static void put_time(u8 *p, i64 ms) {
    i64 days = ms / 86400000, rest = ms % 86400000;
    i64 shifted = days + 719468, era = shifted / 146097, of_era = shifted - era * 146097;
    i64 year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    i64 of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), at = (5 * of_year + 2) / 153;
    i64 day = of_year - (153 * at + 2) / 5 + 1, month = at < 10 ? at + 3 : at - 9;
    memcpy(p, "0000-00-00T00:00:00.000Z", TIME);
    put_digits(p, year_of_era + era * 400 + (month <= 2), 4);
    put_digits(p + 5, month, 2);
    put_digits(p + 8, day, 2);
    put_digits(p + 11, rest / 3600000, 2);
    put_digits(p + 14, rest / 60000 % 60, 2);
    put_digits(p + 17, rest / 1000 % 60, 2);
    put_digits(p + 20, rest % 1000, 3);
}

/* ---- the dedupe key: BLAKE2b of 16 bytes, for inputs of one block (RFC 7693) ---- */

enum { BLOCK = 128, DIGEST = 16 };
static const u64 IV[8] = {0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
                          0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull};
static const u8 SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static u64 rotated(u64 x, int bits) { return x >> bits | x << (64 - bits); }

static void mix(u64 *v, int a, int b, int c, int d, u64 x, u64 y) {
    v[a] += v[b] + x;
    v[d] = rotated(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = rotated(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotated(v[b] ^ v[c], 63);
}

/* Words are read and written as they lie: for little-endian machines, which router_scan_sizes' caller makes sure of. */
static void digest_of(const u8 *block, u32 size, u8 *digest) {
    u64 m[16], v[16], first = IV[0] ^ 0x01010000 ^ DIGEST;
    memcpy(m, block, BLOCK);
    for (int i = 0; i < 8; i++) v[i] = v[i + 8] = IV[i];
    v[0] = first;
    v[12] ^= size;
    v[14] = ~v[14];
    for (int round = 0; round < 12; round++) {
        const u8 *s = SIGMA[round % 10];
        for (int i = 0; i < 4; i++) mix(v, i, i + 4, i + 8, i + 12, m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
    }
    u64 out[2] = {first ^ v[0] ^ v[8], IV[1] ^ v[1] ^ v[9]};
    memcpy(digest, out, DIGEST);
}

/* ---- one message ---- */

/* Top-level fields that mean something here; all others are carried along. */
typedef enum {
    OTHER, TYPE, EVENT, MESSAGE_ID, USER_ID, ANONYMOUS_ID, GROUP_ID, PREVIOUS_ID, CONTEXT, PROPERTIES, TRAITS, INTEGRATIONS,
    SENT_AT, TIMESTAMP, ORIGINAL, RECEIVED_AT, METADATA, REFUSED, FIELDS
} Field;

static Field field_of(const Text *name) {
#define NAMED(name, field) {sizeof name - 1, name, field}
    static const struct { u32 size; char name[20]; Field field; } NAMES[] = {
        NAMED("type", TYPE), NAMED("event", EVENT), NAMED("messageId", MESSAGE_ID), NAMED("userId", USER_ID),
        NAMED("anonymousId", ANONYMOUS_ID), NAMED("context", CONTEXT), NAMED("properties", PROPERTIES),
        NAMED("traits", TRAITS), NAMED("integrations", INTEGRATIONS), NAMED("sentAt", SENT_AT),
        NAMED("timestamp", TIMESTAMP), NAMED("originalTimestamp", ORIGINAL), NAMED("receivedAt", RECEIVED_AT),
        NAMED("groupId", GROUP_ID), NAMED("previousId", PREVIOUS_ID), NAMED("_metadata", METADATA),
        /* read, or left out, by agents that look further than the scanner */
        NAMED("writeKey", REFUSED), NAMED("batch", REFUSED), NAMED("payload", REFUSED), NAMED("options", REFUSED),
        NAMED("profileId", REFUSED)};
#undef NAMED
    for (u32 i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (NAMES[i].size == name->size && !memcmp(NAMES[i].name, name->at, name->size)) return NAMES[i].field;
    return OTHER;
}

typedef struct { const u8 *begin, *value, *end; Field field; } Member; /* "name":value */
typedef struct { /* the parts of a message */
    Member members[MOST_NAMES];
    u32 count, more;
    const Member *field[FIELDS]; /* NULL where it is absent */
    const Kind *kind;
} Parts;

/* Levels of what is in the lists of traits, those of the event and those in its context. */
enum { IN_TRAITS = 3, IN_CONTEXT_TRAITS = 4 };

/* The context has no names that choose a version or destinations. Its traits and externalIds name people. */
static const u8 *context(Scan *scan, const u8 *p, u32 *more) {
    u64 seen[MOST_NAMES];
    u32 count = 0;
    if (scan->tables->most_levels < 2 || p >= scan->end || *p++ != '{') return NULL;
    if (p < scan->end && *p == '}') return p + 1;
    for (;;) {
        Text name;
        p = name_at(p, scan->end, &name);
        if (!p || !is_new(seen, &count, hash_of(name.at, name.size))) return NULL;
        if (is(name.at, name.size, "protocols") || is(name.at, name.size, "integrations")) return NULL;
        int traits = is(name.at, name.size, "traits");
        if (traits || is(name.at, name.size, "externalIds")) *more |= IDENTIFIERS;
        if (*p == '[' && scan->end - p > 1 && p[1] == ']') return NULL; /* the reader may take it for an object */
        scan->not_empty = traits ? IN_CONTEXT_TRAITS : 0;
        p = value(scan, p, ANYTHING, 2);
        scan->not_empty = 0;
        if (!p || p >= scan->end) return NULL;
        if (*p == '}') return p + 1;
        if (*p++ != ',') return NULL;
    }
}

/* A field's text without its quotes; size 0 where it is absent, null or empty. Returns 0 where it is anything else. */
static int plain(const Member *member, Text *found) {
    found->at = NULL;
    found->size = 0;
    if (!member || *member->value == 'n') return 1;
    if (*member->value != '"' || memchr(member->value, '\\', (size_t)(member->end - member->value))) return 0;
    found->at = member->value + 1;
    found->size = (u32)(member->end - member->value) - 2;
    return 1;
}

static int split(Scan *scan, const u8 *p, Parts *parts) {
    u64 seen[MOST_NAMES];
    u32 names = 0;
    memset(parts->field, 0, sizeof parts->field);
    parts->count = parts->more = 0;
    if (p >= scan->end || *p++ != '{') return 0;
    for (;;) {
        Text name;
        const u8 *begin = p;
        p = name_at(p, scan->end, &name);
        if (!p || !is_new(seen, &names, hash_of(name.at, name.size))) return 0;
        Member *member = &parts->members[parts->count++]; /* at most MOST_NAMES: is_new */
        member->begin = begin;
        member->value = p;
        member->field = field_of(&name);
        if (member->field == REFUSED || (member->field == METADATA && scan->tables->refuses_metadata)) return 0;
        if (member->field >= PROPERTIES && member->field <= INTEGRATIONS && *p != '{') return 0;
        scan->not_empty = member->field == TRAITS ? IN_TRAITS : 0;
        p = member->field == CONTEXT ? context(scan, p, &parts->more) : value(scan, p, ANYTHING, 1);
        scan->not_empty = 0;
        if (!p || p >= scan->end) return 0;
        member->end = p;
        if (member->field != OTHER) parts->field[member->field] = member;
        if (*p == '}') return p + 1 == scan->end;
        if (*p++ != ',') return 0;
    }
}

/* The kind of a source's event, or NULL. */
static const Kind *kind_of(const Tables *tables, u8 source, u8 type, const Text *name) {
    u32 slot = (u32)(hash_of(name->at, name->size) ^ (source * 0x9E37u + type)) & tables->mask;
    for (; tables->slots[slot] >= 0; slot = (slot + 1) & tables->mask) {
        const Kind *kind = &tables->kinds[tables->slots[slot]];
        if (kind->source == source && kind->type == type && kind->name_size == name->size &&
            !memcmp(tables->text + kind->name, name->at, name->size))
            return kind;
    }
    return NULL;
}

typedef struct { u8 received[TIME], stamp[TIME]; const u8 *original; u32 original_size; } Times; /* as texts */

/* As `normalise` in router/events/event.py, for times of these forms. */
static int times_of(const Parts *parts, i64 received, Times *times) {
    Text original, sent;
    if (received < 0 || received > LAST_TIME) return 0;
    put_time(times->received, received);
    if (!plain(parts->field[ORIGINAL], &original) || !plain(parts->field[SENT_AT], &sent)) return 0;
    if (!original.size && !plain(parts->field[TIMESTAMP], &original)) return 0;
    if (!original.size) {
        memcpy(times->stamp, times->received, TIME);
        times->original = times->received;
        times->original_size = TIME;
        return 1;
    }
    i64 happened = time_of(original.at, original.size);
    if (happened < 0) return 0;
    if (sent.at) { /* an empty text is no time */
        i64 at = time_of(sent.at, sent.size);
        if (at < 0) return 0;
        happened += received - at;
    }
    if (happened < 0 || happened > LAST_TIME) return 0;
    times->original = original.at;
    times->original_size = original.size;
    put_time(times->stamp, happened);
    return 1;
}

static u8 *put(u8 *out, const void *from, size_t size) {
    memcpy(out, from, size);
    return out + size;
}

static u8 *put_member(u8 *out, const char *name, const void *from, size_t size) {
    *out++ = '"';
    out = put(out, name, strlen(name));
    out = put(out, "\":\"", 3);
    out = put(out, from, size);
    *out++ = '"';
    return out;
}

/* Where the profile will be written: ROOM in router/agents/events.py. */
static const char ROOM[] = ",\"profileId\":\"                                  \"}";

/* The event with its times and its plan's reference, each where Python's dict has it: in its place, or at the end. */
static u8 *put_event(u8 *out, const Tables *tables, const Parts *parts, const Times *times) {
    const Kind *kind = parts->kind;
    const u8 *reference = tables->text + kind->plan;
    *out++ = '{';
    for (u32 i = 0; i < parts->count; i++) {
        const Member *member = &parts->members[i];
        if (out[-1] != '{') *out++ = ',';
        if (member->field == RECEIVED_AT) out = put_member(out, "receivedAt", times->received, TIME);
        else if (member->field == ORIGINAL) out = put_member(out, "originalTimestamp", times->original, times->original_size);
        else if (member->field == TIMESTAMP) out = put_member(out, "timestamp", times->stamp, TIME);
        else out = put(out, member->begin, (size_t)(member->end - member->begin));
        if (member->field == CONTEXT && kind->plan_size) {
            out--; /* its closing brace */
            if (out[-1] != '{') *out++ = ',';
            out = put(out, "\"protocols\":{\"plan\":", 20);
            out = put(out, reference, kind->plan_size);
            out = put(out, "}}", 2);
        }
    }
    if (!parts->field[RECEIVED_AT]) *out++ = ',', out = put_member(out, "receivedAt", times->received, TIME);
    if (!parts->field[ORIGINAL]) *out++ = ',', out = put_member(out, "originalTimestamp", times->original, times->original_size);
    if (!parts->field[TIMESTAMP]) *out++ = ',', out = put_member(out, "timestamp", times->stamp, TIME);
    if (!parts->field[CONTEXT] && kind->plan_size) {
        out = put(out, ",\"context\":{\"protocols\":{\"plan\":", 32);
        out = put(out, reference, kind->plan_size);
        out = put(out, "}}", 2);
    }
    return put(out, ROOM, sizeof ROOM - 1);
}

/* The first letter of the call type; 0 for those that are not taken. */
static u8 letter_of(const Text *type) {
    static const char *const TYPES[] = {"track", "page", "screen", "identify", "group"};
    for (u32 i = 0; type->size && i < sizeof TYPES / sizeof *TYPES; i++)
        if (is(type->at, type->size, TYPES[i])) return type->at[0];
    return 0;
}

/* What a call of this type must have beside a person: a track call its name, a group call its group. */
static int is_whole(const Parts *parts, u8 letter, Text *name) {
    Text group, previous;
    if (letter == 't') return plain(parts->field[EVENT], name) && name->size;
    if (letter != 'g') return 1;
    return plain(parts->field[GROUP_ID], &group) && group.size && plain(parts->field[PREVIOUS_ID], &previous);
}

/* Whether a section is as the node wants it; one that is absent counts as empty. */
static int conforms(Scan *scan, const Member *section, i32 node) {
    static const u8 EMPTY[] = "{}";
    if (node < 0) return 1;
    const u8 *end = scan->end, *at = section ? section->value : EMPTY;
    scan->end = section ? section->end : EMPTY + 2;
    at = value(scan, at, node, 1);
    scan->end = end;
    return at != NULL;
}

/* A digest of the ways in which an event breaks its plan. Returns 0 where it is not certain that these are all. */
static int faults_of(const Tables *tables, const Kind *kind, const Member *section, const Member *context, u8 *digest) {
    Faults faults;
    faults.size = 0;
    Scan scan = {tables, NULL, 0, 0, &faults};
    if (!conforms(&scan, section, kind->node)) return 0;
    tell(&scan, SECTION, "", 0);
    if (!conforms(&scan, context, kind->context) || scan.uncertain) return 0;
    memset(digest, 0, DIGEST);
    for (u32 at = 0, size; at < faults.size; at += size) { /* a chain of blocks, each with the digest of those before */
        u8 block[BLOCK] = {0};
        size = faults.size - at < BLOCK - DIGEST ? faults.size - at : BLOCK - DIGEST;
        memcpy(block, digest, DIGEST);
        memcpy(block + DIGEST, faults.text + at, size);
        digest_of(block, DIGEST + size, digest);
    }
    return kind->broken == ALWAYS_JUDGED || faults.size > 1;
}

static void place(const u8 *input, const Member *member, u32 *at, u32 *size) {
    *at = member ? (u32)(member->value - input) : 0;
    *size = member ? (u32)(member->end - member->value) : 0;
}

/* A digest of both ids, which stands for them in memory. Returns 0 where they are too long. */
static int person_of(const Text *user, const Text *anonymous, u8 *person) {
    u8 block[BLOCK] = {0};
    u32 size = user->size, all = (u32)sizeof size + user->size + anonymous->size;
    if (user->size > BLOCK || anonymous->size > BLOCK || all > BLOCK) return 0;
    memcpy(block, &size, sizeof size);
    if (user->size) memcpy(block + sizeof size, user->at, user->size);
    if (anonymous->size) memcpy(block + sizeof size + user->size, anonymous->at, anonymous->size);
    digest_of(block, all, person);
    return 1;
}

enum { NOT_TAKEN, TAKEN, UNREAD }; /* UNREAD: not in the spelling that is read here */

/* Of a message that is taken, the row, its places, both digests and the output are complete; `faults` where it BREAKS. */
static int take(const Tables *tables, const u8 *input, u32 begin, u32 size, i64 received, u8 source, Row *row, Places *places, u8 *digest, u8 *person, u8 *faults, u8 *out) {
    const u8 *at = input + begin;
    Scan scan = {tables, at + size, 0, 0, NULL};
    Parts parts;
    Times times;
    Text type, name = {at, 0, 0, 0}, id, user, anonymous;
    if (!split(&scan, at, &parts)) return UNREAD;
    if (!plain(parts.field[TYPE], &type) || !plain(parts.field[MESSAGE_ID], &id)) return NOT_TAKEN;
    if (!plain(parts.field[USER_ID], &user) || !plain(parts.field[ANONYMOUS_ID], &anonymous)) return NOT_TAKEN;
    if (!id.size || id.size > tables->most_id || !(user.size || anonymous.size)) return NOT_TAKEN;
    u8 letter = letter_of(&type);
    if (!letter || !is_whole(&parts, letter, &name)) return NOT_TAKEN;
    const Kind *kind = parts.kind = kind_of(tables, source, letter, &name);
    if (!kind || !times_of(&parts, received, &times)) return NOT_TAKEN;
    const Member *integrations = parts.field[INTEGRATIONS];
    const Member *section = parts.field[letter == 'i' || letter == 'g' ? TRAITS : PROPERTIES];
    row->more = parts.more | (kind->asks ? ASK : 0);
    if (integrations && integrations->end - integrations->value > 2) row->more |= INTEGRATIONS_GIVEN;
    if (letter == 'i' && section && section->end - section->value > 2) row->more |= IDENTIFIERS;
    const Member *of_context = parts.field[CONTEXT];
    int broken = kind->broken == ALWAYS_JUDGED;
    if (broken || !conforms(&scan, section, kind->node) || !conforms(&scan, of_context, kind->context)) {
        if (!scan.uncertain && (kind->broken == LEFT || !faults_of(tables, kind, section, of_context, faults))) return NOT_TAKEN;
        row->more |= scan.uncertain ? ASK : BREAKS;
    }
    u8 block[BLOCK] = {0};
    u32 prefix = kind->prefix_size;
    if (prefix + id.size > BLOCK) return NOT_TAKEN;
    for (u32 i = 0; i < id.size; i++)
        if (id.at[i] >= 0x80) return NOT_TAKEN; /* its length is counted in characters */
    if (id.size <= tables->short_id || !tables->plain[id.at[0]]) row->more |= ODD_ID;
    memcpy(block, tables->text + kind->prefix, prefix);
    memcpy(block + prefix, id.at, id.size);
    digest_of(block, prefix + id.size, digest);
    if (!person_of(&user, &anonymous, person)) row->more |= LONG_IDS;
    row->out_size = (u32)(put_event(out, tables, &parts, &times) - out);
    row->id = (u32)(id.at - input), row->id_size = id.size;
    row->user = user.size ? (u32)(user.at - input) : 0, row->user_size = user.size;
    row->anonymous = anonymous.size ? (u32)(anonymous.at - input) : 0, row->anonymous_size = anonymous.size;
    place(input, section, &places->section, &places->section_size);
    place(input, of_context, &places->context, &places->context_size);
    place(input, integrations, &places->integrations, &places->integrations_size);
    row->kind = (i32)(kind - tables->kinds);
    return TAKEN;
}

u32 router_respell(u8 *text, u32 size); /* respell.c */

/* Scans `count` messages that lie one behind the other in `input`, message i up to ends[i]; one in another spelling of
 * JSON is respelled there. `out` has room for all of them and, for each, for what put_event adds:
 * router/native/scanner.py has the sum. Returns the bytes written to it. */
u32 router_scan(const Tables *tables, u8 *input, const u32 *ends, const i64 *received, const u8 *sources, u32 count, Row *rows, Places *places, u8 *digests, u8 *persons, u8 *faults, u8 *out) {
    u32 written = 0, begin = 0;
    for (u32 i = 0; i < count; begin = ends[i++]) {
        Row *row = &rows[i];
        u32 size = ends[i] - begin;
        u8 *digest = digests + (size_t)i * DIGEST, *person = persons + (size_t)i * DIGEST, *fault = faults + (size_t)i * DIGEST;
        row->kind = -1;
        if (sources[i] == NO_SOURCE || size > tables->most_bytes) continue;
        row->out = written;
        int taken = take(tables, input, begin, size, received[i], sources[i], row, &places[i], digest, person, fault, out + written);
        if (taken == UNREAD && (size = router_respell(input + begin, size)))
            taken = take(tables, input, begin, size, received[i], sources[i], row, &places[i], digest, person, fault, out + written);
        if (taken == TAKEN) written += row->out_size;
        else row->kind = -1;
    }
    return written;
}
