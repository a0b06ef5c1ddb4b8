/* The produce loop: hands a batch of messages to librdkafka, each to every topic of its group, in one call.
 *
 * Producing by confluent_kafka costs 0.7 us of Python's lock for each message and topic; this loop costs 0.3 us and runs
 * outside of the lock (ctypes gives it up for the call). It uses public functions of librdkafka only, by the addresses
 * that Python hands over: the library is linked against nothing.
 *
 * Nothing here is remembered between two calls but the handle of the client that was made last.
 */

#include <stddef.h>
#include <stdint.h>

/* A checksum of the sources: router/native/library.py compares it with that of the files beside the library. */
uint32_t router_sources(void) { return ROUTER_SOURCES; }

/* ---- librdkafka, as far as it is used: https://github.com/confluentinc/librdkafka, src/rdkafka.h ---- */

enum { VTYPE_RKT = 2, VTYPE_VALUE = 4, VTYPE_KEY = 5, VTYPE_MSGFLAGS = 7, VTYPE_HEADERS = 10 }; /* rd_kafka_vtype_t */
enum { MSG_F_COPY = 2 };
enum { MOST_LENT = 32768 }; /* bytes; a request may point to a value of more than 65535, even when its message is gone */

typedef struct { /* rd_kafka_vu_t: one property of a message to produce */
    int vtype;
    union {
        void *pointer;
        int number;
        struct { const void *at; size_t size; } memory;
        char room[64];
    } u;
} Property;

typedef struct { /* the functions, each by its name without `rd_kafka_` */
    void *(*produceva)(void *producer, const Property *properties, size_t count);
    int (*error_code)(const void *error);
    void (*error_destroy)(void *error);
    void *(*topic_new)(void *producer, const char *name, void *settings);
    void (*topic_destroy)(void *topic);
    void *(*headers_new)(size_t expected);
    int (*header_add)(void *headers, const char *name, ptrdiff_t name_size, const void *value, ptrdiff_t value_size);
    void *(*headers_copy)(const void *headers);
    void (*headers_destroy)(void *headers);
} Client;

/* ---- what Python hands over: router/kafka/native_producer.py has the same structs ---- */

typedef struct { /* messages of a group go to the same topics with the same headers */
    void **topics; /* made by rd_kafka_topic_new */
    void *first;   /* headers in the first topic, made by rd_kafka_headers_new; NULL for none */
    void *others;  /* the same in all other topics; may be those of the first */
    uint64_t count;  /* of topics */
} Group;

typedef struct { /* a batch, message by message: where its value and its key begin in their blocks, and their sizes */
    const uint8_t *values;
    const uint64_t *value_starts;
    const uint64_t *value_sizes;
    const uint8_t *keys;
    const uint64_t *key_starts;
    const uint64_t *key_sizes;
    const uint32_t *groups; /* index into the groups */
    uint64_t count;
} Messages;

typedef struct { /* where to go on: this topic of this message */
    uint64_t message;
    uint64_t topic;
} Position;

/* Sizes of the structs that Python mirrors, in the order above; it refuses the library where they differ. */
void router_fan_sizes(uint32_t *sizes) {
    sizes[0] = sizeof(Client);
    sizes[1] = sizeof(Group);
    sizes[2] = sizeof(Messages);
    sizes[3] = sizeof(Position);
}

/* Queues messages from `position` on, in order, and moves it on. Returns 0 when all are queued, otherwise librdkafka's
 * code for the first refusal: a full queue (go on later, from there), or what ends the transaction. Keys are copied, and
 * values of more than MOST_LENT bytes; all others have to stay where they are until the transaction is over. The messages
 * carry no opaque, so confluent_kafka, whose report callback will see them, passes over them. */
int router_fan(const Client *client, void *producer, const Group *groups, const Messages *messages, Position *position) {
    Property properties[5] = {
        {.vtype = VTYPE_RKT}, {.vtype = VTYPE_VALUE}, {.vtype = VTYPE_KEY}, {.vtype = VTYPE_MSGFLAGS}, {.vtype = VTYPE_HEADERS}};
    for (uint64_t i = position->message; i < messages->count; i++) {
        const Group *group = &groups[messages->groups[i]];
        properties[1].u.memory.at = messages->values + messages->value_starts[i];
        properties[1].u.memory.size = messages->value_sizes[i];
        properties[3].u.number = messages->value_sizes[i] > MOST_LENT ? MSG_F_COPY : 0;
        properties[2].u.memory.at = messages->keys + messages->key_starts[i];
        properties[2].u.memory.size = messages->key_sizes[i];
        for (uint64_t t = position->topic; t < group->count; t++) {
            const void *wanted = t ? group->others : group->first;
            void *headers = wanted ? client->headers_copy(wanted) : NULL;
            properties[0].u.pointer = group->topics[t];
            properties[4].u.pointer = headers;
            void *error = client->produceva(producer, properties, headers ? 5 : 4);
            if (error) { /* the headers stay ours, as all of a refused message */
                int code = client->error_code(error);
                client->error_destroy(error);
                if (headers) client->headers_destroy(headers);
                position->message = i;
                position->topic = t;
                return code;
            }
        }
        position->topic = 0;
    }
    position->message = messages->count;
    return 0;
}

/* ---- the handle of confluent_kafka's own client ----
 *
 * librdkafka loads what `plugin.library.paths` of a client names and calls its `conf_init`, which asks to be called
 * when the client is made: that is its interface for interceptors. router/kafka/native_handle.py makes one client at
 * a time (a lock) and takes the handle at once.
 */

typedef int (*OnNew)(void *client, const void *settings, void *opaque, char *reason, size_t reason_size);
typedef int (*AddOnNew)(void *settings, const char *name, OnNew on_new, void *opaque);

static AddOnNew add_on_new;
static void *made_last;

/* The address of rd_kafka_conf_interceptor_add_on_new. */
void router_prepare(AddOnNew address) { add_on_new = address; }

static int note(void *client, const void *settings, void *opaque, char *reason, size_t reason_size) {
    (void)settings, (void)opaque, (void)reason, (void)reason_size;
    made_last = client;
    return 0;
}

int conf_init(void *settings, void **opaque, char *reason, size_t reason_size) {
    (void)opaque, (void)reason, (void)reason_size;
    return add_on_new ? add_on_new(settings, "router", note, NULL) : 0;
}

/* The client made last, once. */
void *router_take_made(void) {
    void *client = made_last;
    made_last = NULL;
    return client;
}
