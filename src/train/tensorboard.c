#include "train/tensorboard.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/text.h"

enum {
    FRAME_BYTES = 16,  /* Length and two checksums. */
    EVENT_BYTES = 256, /* Of one event without its frame: tag and at most 60 bytes more. */
    NAMES_MAX = 1000,  /* Files that began in the same second. */
    FIELD_WALL_TIME = 1,
    FIELD_STEP = 2,
    FIELD_VERSION = 3,
    FIELD_SUMMARY = 5,
    WIRE_VARINT = 0,
    WIRE_DOUBLE = 1,
    WIRE_BYTES = 2,
    WIRE_FLOAT = 5
};

/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), four bits at a time. */
static uint32_t checksum(const unsigned char *data, int64_t bytes)
{
    static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                       0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                       0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                       0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    uint32_t crc = 0xffffffff;
    for (int64_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    crc ^= 0xffffffff;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8;
}

/** Bytes being put together; callers see to the room. */
typedef struct message {
    unsigned char data[EVENT_BYTES];
    int64_t bytes;
} message;

static int64_t put_little(unsigned char *out, uint64_t value, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i++) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
    return bytes;
}

static void put_varint(message *to, uint64_t value)
{
    while (value >= 0x80) {
        to->data[to->bytes++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    to->data[to->bytes++] = (unsigned char)value;
}

static void put_key(message *to, int field, int wire)
{
    put_varint(to, (uint64_t)(field << 3 | wire));
}

static void put_double(message *to, int field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_key(to, field, WIRE_DOUBLE);
    to->bytes += put_little(to->data + to->bytes, bits, 8);
}

static void put_float(message *to, int field, float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    put_key(to, field, WIRE_FLOAT);
    to->bytes += put_little(to->data + to->bytes, bits, 4);
}

static void put_bytes(message *to, int field, const void *data, int64_t bytes)
{
    put_key(to, field, WIRE_BYTES);
    put_varint(to, (uint64_t)bytes);
    memcpy(to->data + to->bytes, data, (size_t)bytes);
    to->bytes += bytes;
}

snug_status snug_tensorboard_flush(snug_tensorboard *board, snug_error *err)
{
    if (board->buffered > 0) {
        SNUG_TRY(snug_file_append(&board->file, board->buffer, board->buffered, err));
        board->buffered = 0;
    }
    return SNUG_OK;
}

static snug_status add_record(snug_tensorboard *board, const message *event, snug_error *err)
{
    if (board->buffered + event->bytes + FRAME_BYTES > SNUG_TENSORBOARD_BUFFER_BYTES) {
        SNUG_TRY(snug_tensorboard_flush(board, err));
    }
    unsigned char *at = board->buffer + board->buffered;
    at += put_little(at, (uint64_t)event->bytes, 8);
    at += put_little(at, checksum(at - 8, 8), 4);
    memcpy(at, event->data, (size_t)event->bytes);
    at += event->bytes;
    (void)put_little(at, checksum(event->data, event->bytes), 4);
    board->buffered += event->bytes + FRAME_BYTES;
    return SNUG_OK;
}

/* A name in the folder that nobody has yet. */
static snug_status choose_path(const char *folder, double wall_time, char out[SNUG_PATH_BYTES],
                               snug_error *err)
{
    const int64_t seconds = isfinite(wall_time) && fabs(wall_time) < 1e12 ? (int64_t)wall_time : 0;
    for (int64_t i = 0; i < NAMES_MAX; i++) {
        char name[64];
        snug_text text;
        snug_text_init(&text, name, sizeof name);
        snug_text_add(&text, "events.out.tfevents.%010" PRId64 ".snug", seconds + i);
        SNUG_TRY(snug_path_join(folder, name, out, err));
        if (snug_path_look(out) == SNUG_PATH_NONE) {
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_LIMIT, "%s has more than %d event files of this second", folder,
                     NAMES_MAX);
}

snug_status snug_tensorboard_open(const char *folder, double wall_time, snug_tensorboard *out,
                                  snug_error *err)
{
    static const char version[] = "brain.Event:2";
    snug_status status = SNUG_OK;
    message event = {.bytes = 0};
    *out = (snug_tensorboard){0};
    SNUG_TRY(snug_folder_make(folder, err));
    SNUG_TRY(choose_path(folder, wall_time, out->path, err));
    SNUG_TRY(snug_file_open_append(out->path, &out->file, err));
    put_double(&event, FIELD_WALL_TIME, wall_time);
    put_bytes(&event, FIELD_VERSION, version, (int64_t)sizeof version - 1);
    SNUG_TRY_DONE(add_record(out, &event, err));
    SNUG_TRY_DONE(snug_tensorboard_flush(out, err));

done:
    if (snug_failed(status)) {
        snug_file_close(&out->file);
        *out = (snug_tensorboard){0};
    }
    return status;
}

snug_status snug_tensorboard_scalar(snug_tensorboard *board, const char *tag, int64_t step,
                                    double wall_time, double value, snug_error *err)
{
    message inner = {.bytes = 0};
    message summary = {.bytes = 0};
    message event = {.bytes = 0};
    const int64_t tag_bytes = (int64_t)strlen(tag);
    if (tag_bytes >= SNUG_TENSORBOARD_TAG_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the tag '%.40s...' has more than %d bytes", tag,
                         SNUG_TENSORBOARD_TAG_BYTES - 1);
    }
    put_bytes(&inner, 1, tag, tag_bytes);
    put_float(&inner, 2, (float)value);
    put_bytes(&summary, 1, inner.data, inner.bytes);
    put_double(&event, FIELD_WALL_TIME, wall_time);
    put_key(&event, FIELD_STEP, WIRE_VARINT);
    put_varint(&event, (uint64_t)step);
    put_bytes(&event, FIELD_SUMMARY, summary.data, summary.bytes);
    return add_record(board, &event, err);
}

void snug_tensorboard_close(snug_tensorboard *board)
{
    if (board == NULL || board->file.handle == 0) {
        return;
    }
    /* Who must know asks for a flush before. */
    (void)snug_failed(snug_tensorboard_flush(board, NULL));
    snug_file_close(&board->file);
    *board = (snug_tensorboard){0};
}
