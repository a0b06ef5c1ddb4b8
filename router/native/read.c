/* The read loops, which take messages from queues of librdkafka: of a search, that of a few among millions, and of a
 * worker, that of a batch as columns.
 *
 * Most of what a message costs by confluent_kafka is the Python object that is made of it. These loops make none and run
 * outside of Python's lock. They use public functions of librdkafka only, by the addresses that Python hands over, and
 * remember nothing between two calls.
 */

#define _DEFAULT_SOURCE /* ssize_t */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

/* ---- librdkafka, as far as it is used: https://github.com/confluentinc/librdkafka, src/rdkafka.h ---- */

typedef struct { /* rd_kafka_message_t */
    int error;   /* not 0: this is no message but, say, the end of the partition */
    void *topic;
    int32_t partition;
    const uint8_t *value; /* NULL for none, which is not the same as an empty one */
    size_t value_size;
    const uint8_t *key; /* as the value */
    size_t key_size;
    int64_t offset;
    void *internals;
} Taken;

typedef struct { /* the functions, each by its name without `rd_kafka_` */
    ssize_t (*consume_batch_queue)(void *queue, int wait_ms, Taken **messages, size_t room);
    void (*message_destroy)(Taken *message);
    int64_t (*message_timestamp)(const Taken *message, int *kind);
    int (*message_headers)(const Taken *message, void **headers); /* not 0: it has none */
    int (*header_get_all)(const void *headers, size_t at, const char **name, const void **value, size_t *size);
} Reading;

/* ---- a search: router/kafka/native_consumer.py has the same structs ---- */

typedef struct { /* bytes somewhere */
    const uint8_t *at;
    uint64_t size;
} Bytes;

typedef struct { /* what makes a message wanted: any of these */
    const Bytes *keys; /* its key is one of them */
    uint64_t key_count;
    const Bytes *needles; /* its value has one of them in it; none is empty */
    uint64_t needle_count;
    int64_t value_size; /* its value has this size; below 0 for no such size */
    uint64_t all;       /* not 0: every message is wanted */
} Picks;

typedef struct { /* a partition */
    void *queue;     /* made by rd_kafka_queue_get_partition, and forwarded to no other */
    uint64_t looked; /* messages looked at, added up */
} Lane;

/* Sizes of the structs that Python mirrors, in the order above; it refuses the library where they differ. */
void router_pick_sizes(uint32_t *sizes) {
    sizes[0] = sizeof(Taken);
    sizes[1] = sizeof(Reading);
    sizes[2] = sizeof(Bytes);
    sizes[3] = sizeof(Picks);
    sizes[4] = sizeof(Lane);
}

static int holds(const uint8_t *value, size_t size, const Bytes *needle) {
    /* memchr is the fastest of all searches. An id begins and ends with a quotation mark, of which JSON is full, so the
     * byte that is looked for is the one before the last. */
    size_t probe = needle->size > 1 ? needle->size - 2 : 0;
    while (size >= needle->size) {
        const uint8_t *hit = memchr(value + probe, needle->at[probe], size - needle->size + 1);
        if (!hit) return 0;
        const uint8_t *begin = hit - probe;
        if (!memcmp(begin, needle->at, needle->size)) return 1;
        size -= (size_t)(begin - value) + 1;
        value = begin + 1;
    }
    return 0;
}

static int is_wanted(const Picks *picks, const Taken *message) {
    if (picks->all) return 1;
    for (uint64_t i = 0; message->key && i < picks->key_count; i++)
        if (message->key_size == picks->keys[i].size && !memcmp(message->key, picks->keys[i].at, message->key_size))
            return 1;
    if (!message->value) return 0;
    if (picks->value_size >= 0 && message->value_size == (uint64_t)picks->value_size) return 1;
    for (uint64_t i = 0; i < picks->needle_count; i++)
        if (holds(message->value, message->value_size, &picks->needles[i])) return 1;
    return 0;
}

/* Messages taken at a time: what the client says of them is still in the processor's cache when they are looked at. */
#define PIECE 512
/* So many messages ahead their keys and values are asked of the memory, where the client's thread has put them. */
#define AHEAD 8

static void ask_for(const Picks *picks, const Taken *message) {
    if (picks->key_count && message->key) __builtin_prefetch(message->key);
    if (picks->needle_count && message->value) __builtin_prefetch(message->value);
}

/* Keeps those of `taken` messages that are wanted, and errors, at the front; destroys the others. Returns how many. */
static uint64_t keep(const Reading *reading, const Picks *picks, Lane *lane, Taken **messages, uint64_t taken) {
    uint64_t count = 0;
    for (uint64_t t = 0; t < taken; t++) {
        Taken *message = messages[t];
        if (t + AHEAD < taken) ask_for(picks, messages[t + AHEAD]);
        lane->looked += !message->error;
        if (message->error || is_wanted(picks, message)) messages[count++] = message;
        else reading->message_destroy(message);
    }
    return count;
}

/* Takes up to `room` messages of the lanes, from one after the other what it has; where none has any, waits up to
 * `wait_ms` for a message of the first. Says how many are kept, at the front of `messages` in the order of each lane:
 * the wanted ones and the errors, which the caller has to destroy. All others are destroyed here. */
void router_pick(const Reading *reading, const Picks *picks, Lane *lanes, uint64_t count, int wait_ms, Taken **messages,
                 uint64_t room, uint64_t *kept_count) {
    uint64_t kept = 0, left = room;
    for (uint64_t i = 0; i <= count && left && count; i++) {
        int waits = i == count; /* a call that waits does so until all its room is filled: so for one alone */
        if (waits && left < room) break;
        Lane *lane = &lanes[i % count];
        ssize_t taken;
        uint64_t wanted;
        do {
            wanted = waits ? 1 : left < PIECE ? left : PIECE;
            taken = reading->consume_batch_queue(lane->queue, waits ? wait_ms : 0, messages + kept, wanted);
            if (taken <= 0) break;
            kept += keep(reading, picks, lane, messages + kept, (uint64_t)taken);
            left -= (uint64_t)taken;
        } while (!waits && left && (uint64_t)taken == wanted);
    }
    *kept_count = kept;
}

/* ---- a batch as columns: router/kafka/native_reader.py has the same structs ---- */

typedef struct { /* what was taken, and what laying it out takes */
    uint64_t count;  /* of messages */
    uint64_t errors; /* in a list of their own */
    uint64_t value_bytes;
    uint64_t rest_bytes; /* of keys and headers */
} Amount;

typedef struct { /* a partition that messages of a batch are of */
    Taken *first; /* its first message, which says its name; the caller destroys it */
    uint64_t last; /* index of its last */
} Place;

enum { KIND_OF_TIME = 3, HAS_VALUE = 4, HAS_KEY = 8 }; /* of `marks` */

typedef struct { /* an entry for each message; ends are offsets, each part begins where the one before it ends */
    uint8_t *values;
    uint32_t *value_ends;
    uint8_t *rest; /* of each message its key, and its headers as `put_headers` writes them */
    uint32_t *key_ends;
    uint32_t *rest_ends;
    int64_t *offsets;
    int64_t *times; /* ms since 1970 */
    uint32_t *places;
    uint8_t *marks;
} Columns;

void router_read_sizes(uint32_t *sizes) {
    sizes[0] = sizeof(Taken);
    sizes[1] = sizeof(Reading);
    sizes[2] = sizeof(Amount);
    sizes[3] = sizeof(Place);
    sizes[4] = sizeof(Columns);
}

/* The headers of a message: of each the size of its name and, as a signed number, of its value, -1 for none, both of 32
 * bits, and both texts. Written to `into` unless that is NULL; returns the bytes. */
static uint64_t put_headers(const Reading *reading, const Taken *message, uint8_t *into) {
    void *headers;
    const char *name;
    const void *value;
    size_t size;
    uint64_t bytes = 0;
    if (reading->message_headers(message, &headers)) return 0;
    for (size_t i = 0; !reading->header_get_all(headers, i, &name, &value, &size); i++) {
        uint32_t name_size = (uint32_t)strlen(name), value_size = value ? (uint32_t)size : 0;
        if (into) {
            int32_t said = value ? (int32_t)value_size : -1;
            memcpy(into + bytes, &name_size, 4);
            memcpy(into + bytes + 4, &said, 4);
            memcpy(into + bytes + 8, name, name_size);
            if (value_size) memcpy(into + bytes + 8 + name_size, value, value_size);
        }
        bytes += 8 + (uint64_t)name_size + value_size;
    }
    return bytes;
}

/* Takes messages from a queue, up to `room` or until their values have `most_bytes`, and waits up to `wait_ms` for the
 * first. Errors go to a list of their own, which has as much room. The caller lays out the messages, and destroys the
 * errors. */
void router_take(const Reading *reading, void *queue, int wait_ms, Taken **messages, Taken **errors, uint64_t room,
                 uint64_t most_bytes, Amount *amount) {
    Amount all = {0, 0, 0, 0};
    ssize_t taken;
    uint64_t wanted;
    do {
        int first = !all.count && !all.errors; /* a call that waits does so until all its room is filled */
        uint64_t left = room - all.count - all.errors;
        wanted = first ? 1 : left < PIECE ? left : PIECE;
        if (!wanted) break;
        Taken **piece = messages + all.count;
        taken = reading->consume_batch_queue(queue, first ? wait_ms : 0, piece, wanted);
        for (ssize_t t = 0; t < taken; t++) {
            Taken *message = piece[t];
            if (message->error) {
                errors[all.errors++] = message;
                continue;
            }
            messages[all.count++] = message;
            all.value_bytes += message->value_size;
            all.rest_bytes += message->key_size + put_headers(reading, message, NULL);
        }
    } while (taken > 0 && (uint64_t)taken == wanted && all.value_bytes < most_bytes);
    *amount = all;
}

/* The place of a message among those `known`; a new one is written behind them. */
static uint64_t place_of(Place *places, uint64_t *known, Taken *message) {
    for (uint64_t i = 0; i < *known; i++)
        if (places[i].first->topic == message->topic && places[i].first->partition == message->partition) return i;
    places[*known].first = message;
    return (*known)++;
}

/* Lays out messages that were taken, and destroys them but for the first of each place. Returns how many places there
 * are; `places` has room for `count`. */
uint64_t router_lay(const Reading *reading, Taken **messages, uint64_t count, const Columns *columns, Place *places) {
    uint64_t known = 0;
    uint32_t value_end = 0, rest_end = 0;
    for (uint64_t i = 0; i < count; i++) {
        Taken *message = messages[i];
        if (i + AHEAD < count) __builtin_prefetch(messages[i + AHEAD]->value);
        uint64_t place = place_of(places, &known, message);
        places[place].last = i;
        int kind = 0;
        columns->times[i] = reading->message_timestamp(message, &kind);
        columns->marks[i] =
            (uint8_t)((kind & KIND_OF_TIME) | (message->value ? HAS_VALUE : 0) | (message->key ? HAS_KEY : 0));
        columns->offsets[i] = message->offset;
        columns->places[i] = (uint32_t)place;
        if (message->value_size) memcpy(columns->values + value_end, message->value, message->value_size);
        columns->value_ends[i] = value_end += (uint32_t)message->value_size;
        if (message->key_size) memcpy(columns->rest + rest_end, message->key, message->key_size);
        columns->key_ends[i] = rest_end += (uint32_t)message->key_size;
        columns->rest_ends[i] = rest_end += (uint32_t)put_headers(reading, message, columns->rest + rest_end);
        if (places[place].first != message) reading->message_destroy(message);
    }
    return known;
}
