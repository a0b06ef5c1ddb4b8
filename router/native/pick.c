/* The read loop of a search: takes messages from partitions' queues of librdkafka and gives back those that are wanted.
 *
 * A search reads millions of messages for a handful. Most of what each costs by confluent_kafka is the Python object
 * that is made of it and thrown away. This loop makes none and runs outside of Python's lock. It uses public functions
 * of librdkafka only, by the addresses that Python hands over, and remembers nothing between two calls.
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
} Reading;

/* ---- what Python hands over: router/kafka/native_consumer.py has the same structs ---- */

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
