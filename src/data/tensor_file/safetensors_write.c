/* Writing safetensors files: a header from the items, then their data through a small block. */
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "data/tensor_file/elements.h"

enum { ENTRY_BYTES_MAX = 2 * SNUG_SAFETENSORS_NAME_BYTES + 64 + 24 * (SNUG_RANK_MAX + 2) };

static snug_file_dtype written_dtype(const snug_safetensors_item *item)
{
    return item->memory == SNUG_F32 ? item->file_type : snug_file_dtype_of(item->memory);
}

static int64_t element_count(const snug_safetensors_item *item)
{
    const snug_shape shape = snug_tensor_layout_shape(&item->layout);
    const int64_t count = snug_shape_count(&shape);
    SNUG_ASSERT(count >= 0);
    return count;
}

int64_t snug_safetensors_item_bytes(const snug_safetensors_item *item)
{
    return element_count(item) * snug_file_dtype_bytes(written_dtype(item));
}

int64_t snug_safetensors_header_bytes(const snug_safetensors_item *items, int64_t count)
{
    SNUG_UNUSED(items);
    return 8192 + count * ENTRY_BYTES_MAX;
}

/* Larger elements come first: then every tensor begins at a multiple of its element, as readers
 * that map the file expect. */
static const int64_t PASSES[] = {8, 4, 2, 1};

static void write_entry(snug_json_writer *json, const snug_safetensors_item *item, int64_t offset)
{
    snug_json_key(json, item->name);
    snug_json_object_begin(json);
    snug_json_put_string(json, "dtype", snug_file_dtype_name(written_dtype(item)));
    snug_json_key(json, "shape");
    snug_json_array_begin(json);
    for (int32_t axis = 0; axis < item->layout.rank; axis++) {
        snug_json_i64(json, item->layout.extent[axis]);
    }
    snug_json_array_end(json);
    snug_json_key(json, "data_offsets");
    snug_json_array_begin(json);
    snug_json_i64(json, offset);
    snug_json_i64(json, offset + snug_safetensors_item_bytes(item));
    snug_json_array_end(json);
    snug_json_object_end(json);
}

static void write_header(snug_text *text, const snug_safetensors_item *items, int64_t count,
                         const char *const *metadata)
{
    snug_json_writer json;
    int64_t offset = 0;
    snug_json_writer_init(&json, text, false);
    snug_json_object_begin(&json);
    if (metadata != NULL) {
        snug_json_key(&json, "__metadata__");
        snug_json_object_begin(&json);
        for (; metadata[0] != NULL; metadata += 2) {
            snug_json_put_string(&json, metadata[0], metadata[1]);
        }
        snug_json_object_end(&json);
    }
    for (int64_t pass = 0; pass < SNUG_COUNT(PASSES); pass++) {
        for (int64_t i = 0; i < count; i++) {
            if (snug_file_dtype_bytes(written_dtype(&items[i])) == PASSES[pass]) {
                write_entry(&json, &items[i], offset);
                offset += snug_safetensors_item_bytes(&items[i]);
            }
        }
    }
    snug_json_object_end(&json);
    while (text->length % 8 != 0) {
        snug_text_add(text, " ");
    }
}

/** Gathers one tensor in file order through a small block on the stack. */
static snug_status write_tensor(snug_file_writer *writer, const snug_safetensors_item *item,
                                snug_error *err)
{
    enum { BLOCK_BYTES = 8192 };
    unsigned char block[BLOCK_BYTES];
    const snug_file_dtype dtype = written_dtype(item);
    const int64_t item_bytes = snug_file_dtype_bytes(dtype);
    const int64_t count = element_count(item);
    if (snug_layout_is_plain(&item->layout) && dtype == snug_file_dtype_of(item->memory)) {
        return snug_file_writer_add(writer, item->data, count * item_bytes, err);
    }
    snug_element_walk walk = {.layout = &item->layout};
    for (int64_t first = 0; first < count; first += BLOCK_BYTES / item_bytes) {
        const int64_t now = snug_min_i64(BLOCK_BYTES / item_bytes, count - first);
        snug_elements_gather(&walk, item->data, item->memory, dtype, now, block);
        SNUG_TRY(snug_file_writer_add(writer, block, now * item_bytes, err));
    }
    return SNUG_OK;
}

snug_status snug_safetensors_write(const char *path, const snug_safetensors_item *items,
                                   int64_t count, const char *const *metadata, void *buffer,
                                   int64_t buffer_bytes, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_file_writer writer = {0};
    snug_text header;
    unsigned char length[8];
    const int64_t header_room = snug_safetensors_header_bytes(items, count);
    SNUG_ASSERT(buffer_bytes >= header_room + SNUG_SAFETENSORS_BUFFER_BYTES_MIN);

    /* The header is built behind the part of the buffer that the writer bounces through. */
    const int64_t bounce_bytes = buffer_bytes - header_room;
    snug_text_init(&header, (char *)buffer + bounce_bytes, header_room);
    write_header(&header, items, count, metadata);
    SNUG_ASSERT(!header.truncated);
    for (int i = 0; i < 8; i++) {
        length[i] = (unsigned char)((uint64_t)header.length >> (8 * i));
    }
    SNUG_TRY(snug_file_writer_open(path, buffer, bounce_bytes, &writer, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer, length, sizeof length, err));
    SNUG_TRY_DONE(snug_file_writer_add(&writer, header.data, header.length, err));
    for (int64_t pass = 0; pass < SNUG_COUNT(PASSES); pass++) {
        for (int64_t i = 0; i < count; i++) {
            if (snug_file_dtype_bytes(written_dtype(&items[i])) == PASSES[pass]) {
                SNUG_TRY_DONE(write_tensor(&writer, &items[i], err));
            }
        }
    }
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));

done:
    if (snug_failed(status)) {
        snug_file_writer_abort(&writer);
    }
    return status;
}
