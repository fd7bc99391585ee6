/* safetensors files: opening with every claim checked, tensors in and out through one buffer. */
#include "data/tensor_file/safetensors.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"
#include "data/tensor_file/safetensors_header.h"

snug_tensor_layout snug_tensor_layout_plain(const snug_shape *shape)
{
    snug_tensor_layout layout = {.rank = shape->rank};
    int64_t stride = 1;
    for (int32_t axis = shape->rank - 1; axis >= 0; axis--) {
        layout.extent[axis] = shape->extent[axis];
        layout.stride[axis] = stride;
        stride *= shape->extent[axis];
    }
    return layout;
}

static snug_status read_length(const snug_file *file, int64_t *out_bytes, snug_error *err)
{
    unsigned char raw[8];
    uint64_t length = 0;
    if (file->bytes < 8) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "%lld bytes are too few for a safetensors file",
                         (long long)file->bytes);
    }
    SNUG_TRY(snug_file_read_at(file, 0, raw, sizeof raw, err));
    for (int i = 7; i >= 0; i--) {
        length = length << 8 | raw[i];
    }
    if (length > (uint64_t)(file->bytes - 8)) {
        return SNUG_FAIL(
            err, SNUG_CODE_FORMAT,
            "the header claims %llu bytes, but %lld follow: truncated, or not safetensors",
            (unsigned long long)length, (long long)(file->bytes - 8));
    }
    if (length > SNUG_SAFETENSORS_HEADER_BYTES_MAX) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT,
                         "a header of %llu bytes is more than the %d that are read",
                         (unsigned long long)length, SNUG_SAFETENSORS_HEADER_BYTES_MAX);
    }
    *out_bytes = (int64_t)length;
    return SNUG_OK;
}

snug_status snug_safetensors_open(const char *path, snug_arena *arena, snug_safetensors *out,
                                  snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark start = snug_arena_mark(arena);
    snug_file file = {0};
    int64_t header_bytes = 0, count = 0;
    void *header = NULL;
    snug_safetensors_entry *entries = NULL;

    SNUG_TRY_DONE(snug_file_open(path, &file, err));
    SNUG_TRY_DONE(read_length(&file, &header_bytes, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, header_bytes + 1, &header, err));
    SNUG_TRY_DONE(snug_file_read_at(&file, 8, header, header_bytes, err));
    const int64_t data_start = 8 + header_bytes;
    SNUG_TRY_DONE(snug_safetensors_parse(header, header_bytes, file.bytes - data_start, arena,
                                         &entries, &count, err));
    for (int64_t i = 0; i < count; i++) {
        entries[i].begin += data_start;
        entries[i].end += data_start;
    }
    *out = (snug_safetensors){.file = file, .entries = entries, .entry_count = count};

done:
    if (snug_failed(status)) {
        snug_arena_rewind(arena, start);
        snug_file_close(&file);
        if (status != SNUG_CODE_IO) { /* I/O errors name the path themselves. */
            (void)snug_error_prefix(err, "%s", path);
        }
    }
    return status;
}

void snug_safetensors_close(snug_safetensors *file)
{
    if (file != NULL) {
        snug_file_close(&file->file);
        *file = (snug_safetensors){0};
    }
}

const snug_safetensors_entry *snug_safetensors_find(const snug_safetensors *file, const char *name)
{
    for (int64_t i = 0; i < file->entry_count; i++) {
        if (strcmp(file->entries[i].name, name) == 0) {
            return &file->entries[i];
        }
    }
    return NULL;
}

/** Walks the elements of a layout in file order and says where each stands in memory. */
typedef struct layout_walk {
    const snug_tensor_layout *layout;
    int64_t index[SNUG_RANK_MAX];
    int64_t place;
} layout_walk;

static inline void walk_next(layout_walk *walk)
{
    for (int32_t axis = walk->layout->rank - 1; axis >= 0; axis--) {
        walk->place += walk->layout->stride[axis];
        if (++walk->index[axis] < walk->layout->extent[axis]) {
            return;
        }
        walk->place -= walk->layout->stride[axis] * walk->layout->extent[axis];
        walk->index[axis] = 0;
    }
}

static int64_t layout_count(const snug_tensor_layout *layout)
{
    snug_shape shape = {.rank = layout->rank};
    memcpy(shape.extent, layout->extent, sizeof shape.extent);
    const int64_t count = snug_shape_count(&shape);
    SNUG_ASSERT(count >= 0);
    return count;
}

/** Spreads `count` converted elements to their places in `out`. */
static void scatter(layout_walk *walk, const unsigned char *raw, snug_dtype dtype, int64_t count,
                    float *out)
{
    for (int64_t i = 0; i < count; i++) {
        float value = 0.0F;
        if (dtype == SNUG_F32) {
            memcpy(&value, raw + 4 * i, 4);
        } else if (dtype == SNUG_F64) {
            double wide = 0.0;
            memcpy(&wide, raw + 8 * i, 8);
            value = (float)wide;
        } else {
            uint32_t bits = (uint32_t)raw[2 * i] << 16 | (uint32_t)raw[2 * i + 1] << 24;
            memcpy(&value, &bits, 4);
        }
        out[walk->place] = value;
        walk_next(walk);
    }
}

snug_status snug_safetensors_read_f32(const snug_safetensors *file,
                                      const snug_safetensors_entry *entry,
                                      const snug_tensor_layout *layout, float *out, void *buffer,
                                      int64_t buffer_bytes, snug_error *err)
{
    snug_shape wanted = {.rank = layout->rank};
    char has[96], wants[96];
    memcpy(wanted.extent, layout->extent, sizeof wanted.extent);
    SNUG_ASSERT(buffer_bytes >= SNUG_SAFETENSORS_BUFFER_BYTES_MIN);
    if (!snug_shape_equal(&wanted, &entry->shape)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s: tensor '%s' has shape %s, the model wants %s",
                         file->file.path, entry->name, snug_shape_text(&entry->shape, has),
                         snug_shape_text(&wanted, wants));
    }
    if (entry->dtype != SNUG_F32 && entry->dtype != SNUG_F64 && entry->dtype != SNUG_BF16) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s: tensor '%s' holds %s, not floating point",
                         file->file.path, entry->name, snug_dtype_name(entry->dtype));
    }
    const int64_t item_bytes = snug_dtype_bytes(entry->dtype);
    const int64_t per_read = buffer_bytes / item_bytes;
    const int64_t count = layout_count(layout);
    layout_walk walk = {.layout = layout};
    for (int64_t first = 0; first < count; first += per_read) {
        const int64_t now = snug_min_i64(per_read, count - first);
        SNUG_TRY(snug_file_read_at(&file->file, entry->begin + first * item_bytes, buffer,
                                   now * item_bytes, err));
        scatter(&walk, buffer, entry->dtype, now, out);
    }
    snug_file_drop_cache(&file->file, entry->begin, entry->end - entry->begin);
    return SNUG_OK;
}

enum { ENTRY_BYTES_MAX = 2 * SNUG_NAME_BYTES + 64 + 24 * (SNUG_RANK_MAX + 2) };

int64_t snug_safetensors_header_bytes(const snug_safetensors_item *items, int64_t count)
{
    SNUG_UNUSED(items);
    return 8192 + count * ENTRY_BYTES_MAX;
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
    for (int64_t i = 0; i < count; i++) {
        const snug_tensor_layout *layout = &items[i].layout;
        const int64_t bytes = 4 * layout_count(layout);
        snug_json_key(&json, items[i].name);
        snug_json_object_begin(&json);
        snug_json_put_string(&json, "dtype", "F32");
        snug_json_key(&json, "shape");
        snug_json_array_begin(&json);
        for (int32_t axis = 0; axis < layout->rank; axis++) {
            snug_json_i64(&json, layout->extent[axis]);
        }
        snug_json_array_end(&json);
        snug_json_key(&json, "data_offsets");
        snug_json_array_begin(&json);
        snug_json_i64(&json, offset);
        snug_json_i64(&json, offset + bytes);
        snug_json_array_end(&json);
        snug_json_object_end(&json);
        offset += bytes;
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
    enum { BLOCK = 2048 };
    float block[BLOCK];
    const int64_t count = layout_count(&item->layout);
    layout_walk walk = {.layout = &item->layout};
    for (int64_t first = 0; first < count; first += BLOCK) {
        const int64_t now = snug_min_i64(BLOCK, count - first);
        for (int64_t i = 0; i < now; i++) {
            block[i] = item->data[walk.place];
            walk_next(&walk);
        }
        SNUG_TRY(snug_file_writer_add(writer, block, now * 4, err));
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
    for (int64_t i = 0; i < count; i++) {
        SNUG_TRY_DONE(write_tensor(&writer, &items[i], err));
    }
    SNUG_TRY_DONE(snug_file_writer_commit(&writer, err));

done:
    if (snug_failed(status)) {
        snug_file_writer_abort(&writer);
    }
    return status;
}
