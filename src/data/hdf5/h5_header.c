#include "data/hdf5/h5_internal.h"

static snug_status add_block(snug_h5_header *header, uint64_t address, uint64_t bytes,
                             snug_error *err)
{
    if (header->block_count == SNUG_H5_BLOCKS_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "an object header has more than %d pieces",
                         (int)SNUG_H5_BLOCKS_MAX);
    }
    for (int32_t i = 0; i < header->block_count; i++) {
        if (header->blocks[i].address == address) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                             "the object header piece at %llu is linked twice",
                             (unsigned long long)address);
        }
    }
    if (address == SNUG_H5_NO_ADDRESS || !snug_h5_inside(header->file, address, bytes)) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "an object header piece (%llu bytes at %llu) lies outside the file",
                         (unsigned long long)bytes, (unsigned long long)address);
    }
    header->blocks[header->block_count].address = address;
    header->blocks[header->block_count].bytes = bytes;
    header->block_count++;
    return SNUG_OK;
}

/* Sets the walk to block `header->block`; version 2 blocks end in a checksum. */
static void enter_block(snug_h5_header *header)
{
    const uint64_t address = header->blocks[header->block].address;
    header->position = address;
    header->block_end = address + header->blocks[header->block].bytes;
}

static snug_status open_version1(snug_h5_header *header, uint64_t address, snug_error *err)
{
    unsigned char prefix[16];
    SNUG_TRY(snug_h5_read(header->file, address, (int64_t)sizeof prefix, prefix, err));
    header->version = 1;
    header->messages_left = (int64_t)snug_h5_little(prefix + 2, 2);
    return add_block(header, address + 16, snug_h5_little(prefix + 8, 4), err);
}

static snug_status open_version2(snug_h5_header *header, uint64_t address, snug_error *err)
{
    unsigned char prefix[6];
    unsigned char size[8];
    SNUG_TRY(snug_h5_read(header->file, address, (int64_t)sizeof prefix, prefix, err));
    if (prefix[4] != 2) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED, "object header version %d", prefix[4]);
    }
    header->version = 2;
    header->flags = prefix[5];
    header->messages_left = INT64_MAX;
    uint64_t position = address + 6;
    position += (header->flags & 0x20) != 0 ? 16 : 0;
    position += (header->flags & 0x10) != 0 ? 4 : 0;
    const int64_t width = INT64_C(1) << (header->flags & 3);
    SNUG_TRY(snug_h5_read(header->file, position, width, size, err));
    return add_block(header, position + (uint64_t)width, snug_h5_little(size, width), err);
}

snug_status snug_h5_header_open(snug_h5_file *file, uint64_t address, snug_h5_slot slot,
                                snug_h5_header *out, snug_error *err)
{
    unsigned char start[4];
    out->file = file;
    out->slot = slot;
    out->flags = 0;
    out->block = 0;
    out->block_count = 0;
    SNUG_TRY(snug_h5_read(file, address, (int64_t)sizeof start, start, err));
    if (memcmp(start, "OHDR", 4) == 0) {
        SNUG_TRY(open_version2(out, address, err));
    } else if (start[0] == 1) {
        SNUG_TRY(open_version1(out, address, err));
    } else {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "no object header at address %llu",
                         (unsigned long long)address);
    }
    enter_block(out);
    return SNUG_OK;
}

/* A continuation: the block goes to the end of the queue. Version 2 wraps it in OCHK and a sum. */
static snug_status add_continuation(snug_h5_header *header, const snug_h5_message *message,
                                    snug_error *err)
{
    snug_h5_cursor cursor = {.at = message->data, .left = message->bytes};
    uint64_t address = snug_h5_take_address(&cursor, header->file);
    uint64_t bytes = snug_h5_take_length(&cursor, header->file);
    if (cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an object header continuation is cut short");
    }
    if (header->version == 2) {
        unsigned char start[4];
        SNUG_TRY(snug_h5_read(header->file, address, (int64_t)sizeof start, start, err));
        if (memcmp(start, "OCHK", 4) != 0 || bytes < 8) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "no object header piece at address %llu",
                             (unsigned long long)address);
        }
        address += 4;
        bytes -= 8;
    }
    return add_block(header, address, bytes, err);
}

/* The next message of any type, payload read; padding at a block's end is passed over. */
static snug_status next_raw(snug_h5_header *header, snug_h5_message *out, bool *out_more,
                            snug_error *err)
{
    unsigned char prefix[8];
    const bool old = header->version == 1;
    const uint64_t prefix_bytes = old ? 8 : (header->flags & 0x04) != 0 ? 6 : 4;

    while (header->position + prefix_bytes > header->block_end) {
        if (header->block + 1 >= header->block_count) {
            *out_more = false;
            return SNUG_OK;
        }
        header->block++;
        enter_block(header);
    }
    if (header->messages_left == 0) {
        *out_more = false;
        return SNUG_OK;
    }
    header->messages_left--;
    SNUG_TRY(snug_h5_read(header->file, header->position, (int64_t)prefix_bytes, prefix, err));
    out->type = old ? (int32_t)snug_h5_little(prefix, 2) : prefix[0];
    out->bytes = (int64_t)snug_h5_little(prefix + (old ? 2 : 1), 2);
    out->shared = (prefix[old ? 4 : 3] & 0x02) != 0;
    out->address = header->position + prefix_bytes;
    out->data = header->file->slots[header->slot];
    if (out->address + (uint64_t)out->bytes > header->block_end) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                         "a header message of type %d at %llu is longer than its header", out->type,
                         (unsigned long long)out->address);
    }
    SNUG_TRY(snug_h5_read(header->file, out->address, out->bytes, header->file->slots[header->slot],
                          err));
    header->position = out->address + (uint64_t)out->bytes;
    *out_more = true;
    return SNUG_OK;
}

snug_status snug_h5_header_next(snug_h5_header *header, snug_h5_message *out, bool *out_more,
                                snug_error *err)
{
    snug_h5_message message = {0};
    bool more = true;
    do {
        SNUG_TRY(next_raw(header, &message, &more, err));
        if (more && message.type == SNUG_H5_MESSAGE_CONTINUATION) {
            SNUG_TRY(add_continuation(header, &message, err));
        }
    } while (more && (message.type == SNUG_H5_MESSAGE_CONTINUATION || message.type == 0));
    if (more) {
        *out = message;
    }
    *out_more = more;
    return SNUG_OK;
}

snug_status snug_h5_message_resolve(snug_h5_file *file, snug_h5_message *message, snug_error *err)
{
    if (!message->shared) {
        return SNUG_OK;
    }
    snug_h5_cursor cursor = {.at = message->data, .left = message->bytes};
    const int32_t version = (int32_t)snug_h5_take(&cursor, 1);
    const int32_t kind = (int32_t)snug_h5_take(&cursor, 1);
    snug_h5_skip(&cursor, version == 1 ? 6 : 0);
    const uint64_t address = snug_h5_take_address(&cursor, file);
    if (version < 1 || version > 3 || cursor.bad) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "a shared header message is damaged");
    }
    if (version == 3 && kind == 1) {
        return SNUG_FAIL(err, SNUG_CODE_UNSUPPORTED,
                         "the file keeps header messages in a shared message table");
    }
    snug_h5_header header;
    bool more = true;
    SNUG_TRY(snug_h5_header_open(file, address, SNUG_H5_SLOT_SHARED, &header, err));
    while (more) {
        snug_h5_message found = {0};
        SNUG_TRY(snug_h5_header_next(&header, &found, &more, err));
        if (more && found.type == message->type && !found.shared) {
            *message = found;
            return SNUG_OK;
        }
    }
    return SNUG_FAIL(err, SNUG_CODE_FORMAT,
                     "a shared header message of type %d points at %llu, which has none",
                     message->type, (unsigned long long)address);
}
