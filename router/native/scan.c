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
 * the end first. The structs are mirrored in router/native/scanner.py.
 */

#include "scan_json.h"
#include "scan_digest.h"
#include "scan_plan.h"
#include "scan_times.h"

/* ---- what is asked and answered ---- */

enum { NO_SOURCE = 255 }; /* in place of a source: a message that is not to be looked at */

/* What is left for the agents to say of a message that is taken: who it is about, where it goes, whether it conforms,
 * whether its messageId is one. LONG_IDS: userId and anonymousId are too long for a digest of both. BREAKS: it breaks
 * its plan; ASKS_FORMAT: or does so if texts are not of their formats. Either has a Breach. */
enum { IDENTIFIERS = 1, INTEGRATIONS_GIVEN = 2, ASK = 4, ODD_ID = 8, LONG_IDS = 16, BREAKS = 32, ASKS_FORMAT = 64 };

typedef struct { /* an answer; places are offsets into the input, `out` into the output */
    i32 kind;    /* -1: not taken */
    u32 more;
    u32 out, out_size;
    u32 user, user_size, anonymous, anonymous_size, id, id_size;
} Row;

typedef struct { u8 digest[DIGEST]; u32 asks; Asked asked[MOST_ASKED]; } Breach; /* the digest is of all ways in which a plan is broken */

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
    sizes[8] = sizeof(Breach);
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

/* The ways in which an event breaks its plan, for `more`: BREAKS, ASKS_FORMAT or both. 0 where it is not certain that these
 * are all. */
static u32 breach_of(const Tables *tables, const Kind *kind, const u8 *input, const Member *section, const Member *context, Breach *breach) {
    Faults faults;
    faults.size = faults.refusals = faults.asks = 0;
    Scan scan = {tables, input, NULL, 0, 0, &faults};
    if (!conforms(&scan, section, kind->node)) return 0;
    tell(&scan, SECTION, "", 0);
    if (!conforms(&scan, context, kind->context) || scan.uncertain) return 0;
    memset(breach->digest, 0, DIGEST);
    for (u32 at = 0, size; at < faults.size; at += size) { /* a chain of blocks, each with the digest of those before */
        u8 block[BLOCK] = {0};
        size = faults.size - at < BLOCK - DIGEST ? faults.size - at : BLOCK - DIGEST;
        memcpy(block, breach->digest, DIGEST);
        memcpy(block + DIGEST, faults.text + at, size);
        digest_of(block, DIGEST + size, breach->digest);
    }
    breach->asks = faults.asks;
    memcpy(breach->asked, faults.asked, faults.asks * sizeof *faults.asked);
    return (faults.refusals || kind->broken == ALWAYS_JUDGED ? BREAKS : 0) | (faults.asks ? ASKS_FORMAT : 0);
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

/* Of a message that is taken, the row, its places, both digests and the output are complete; `breach` where it has one. */
static int take(const Tables *tables, const u8 *input, u32 begin, u32 size, i64 received, u8 source, Row *row, Places *places, u8 *digest, u8 *person, Breach *breach, u8 *out) {
    const u8 *at = input + begin;
    Scan scan = {tables, input, at + size, 0, 0, NULL};
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
    if (kind->broken == ALWAYS_JUDGED || !conforms(&scan, section, kind->node) || !conforms(&scan, of_context, kind->context)) {
        u32 how = breach_of(tables, kind, input, section, of_context, breach);
        if (how ? how & BREAKS && kind->broken == LEFT : !scan.uncertain) return NOT_TAKEN;
        row->more |= how ? how : ASK;
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
u32 router_scan(const Tables *tables, u8 *input, const u32 *ends, const i64 *received, const u8 *sources, u32 count, Row *rows, Places *places, u8 *digests, u8 *persons, Breach *breaches, u8 *out) {
    u32 written = 0, begin = 0;
    for (u32 i = 0; i < count; begin = ends[i++]) {
        Row *row = &rows[i];
        u32 size = ends[i] - begin;
        u8 *digest = digests + (size_t)i * DIGEST, *person = persons + (size_t)i * DIGEST;
        row->kind = -1;
        if (sources[i] == NO_SOURCE || size > tables->most_bytes) continue;
        row->out = written;
        int taken = take(tables, input, begin, size, received[i], sources[i], row, &places[i], digest, person, &breaches[i], out + written);
        if (taken == UNREAD && (size = router_respell(input + begin, size)))
            taken = take(tables, input, begin, size, received[i], sources[i], row, &places[i], digest, person, &breaches[i], out + written);
        if (taken == TAKEN) written += row->out_size;
        else row->kind = -1;
    }
    return written;
}
