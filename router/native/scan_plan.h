/* What a plan says of values, as tables; and a value held against it, to the first refusal or with all of them told.
 *
 * Tables come from router/native/tables.py, the structs are mirrored in router/native/scanner.py. */

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
    u32 format; /* of which it takes what is certainly of it: its number; 0: a pattern's, which is exact */
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

/* ---- what a node refuses ---- */

enum { WRONG_TYPE = 1, NO_WORD = 2, TOO_LITTLE = 4, TOO_MUCH = 8, NO_MATCH = 16, UNSURE = 32 };

enum { MOST_ASKED = 4 };
typedef struct { u32 at, size, format; } Asked; /* a text with its quotes, which may be of the format or not */

/* What is refused of an event, and where: all that a description of its violations is made of, since none holds a value.
 * A text of tokens, each a tag and what belongs to it. Whether what is asked is of its format belongs to it too. */
typedef struct { u8 text[1024]; u32 size, refusals, asks; Asked asked[MOST_ASKED]; } Faults;
enum { PROPERTY = 'p', OTHER_NAME = 'o', ITEM = 'i', BACK = 'b', REFUSES = 'r', CLOSES = 'c', NAME = 'n', MISSES = 'm', ASKS = 'a', SECTION = 's' };

typedef struct {
    const Tables *tables;
    const u8 *input, *end;
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
    if (!scan->faults) return 0;
    if (node->flags & BLURRED) scan->uncertain = 1;
    scan->faults->refusals++;
    return 1;
}

/* A text that is perhaps of a format is left to be asked. */
static u32 ask(Scan *scan, const Text *found, u32 format, u32 wrong) {
    Faults *faults = scan->faults;
    if (!faults || faults->asks == MOST_ASKED) return unsure(scan);
    faults->asked[faults->asks++] = (Asked){(u32)(found->at - scan->input) - 1, found->size + 2, format};
    tell(scan, ASKS, &format, sizeof format);
    return wrong;
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
    u32 format = node->pattern < 0 ? 0 : tables->automata[node->pattern].format;
    int plain_format = format && !node->words && node->min_length <= 0 && node->max_length < 0;
    if (found->escaped) return plain_format ? ask(scan, found, format, wrong) : unsure(scan);
    if (node->words) {
        const Word *word = tables->words + node->first_word, *last = word + node->words;
        while (word < last && (word->size != found->size || memcmp(tables->text + word->text, found->at, word->size))) word++;
        if (word == last) wrong |= NO_WORD;
    }
    i64 characters = (i64)found->size - found->more;
    if (characters < node->min_length) wrong |= TOO_LITTLE;
    if (node->max_length >= 0 && characters > node->max_length) wrong |= TOO_MUCH;
    if (node->pattern < 0) return wrong;
    if (found->more) return format ? ask(scan, found, format, wrong) : unsure(scan); /* automata are of ASCII */
    const Automaton *automaton = &tables->automata[node->pattern];
    u32 state = 1;
    for (u32 i = 0; i < found->size && state; i++) state = tables->states[automaton->table + state * 128 + found->at[i]];
    if (tables->accepting[automaton->accepting + state]) return wrong;
    return format ? ask(scan, found, format, wrong) : wrong | NO_MATCH;
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
