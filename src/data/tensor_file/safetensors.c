/* safetensors files: opening with every claim checked, tensors read in pieces to their places. */
#include "data/tensor_file/safetensors.h"

#include <string.h>

#include "base/assert.h"
#include "base/checked.h"
#include "data/tensor_file/elements.h"
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

snug_shape snug_tensor_layout_shape(const snug_tensor_layout *layout)
{
    snug_shape shape = {.rank = layout->rank};
    memcpy(shape.extent, layout->extent, sizeof shape.extent);
    return shape;
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
    int64_t header_bytes = 0;
    void *header = NULL;
    snug_safetensors index = {0};

    SNUG_TRY_DONE(snug_file_open(path, &file, err));
    SNUG_TRY_DONE(read_length(&file, &header_bytes, err));
    SNUG_TRY_DONE(snug_arena_alloc(arena, header_bytes + 1, &header, err));
    SNUG_TRY_DONE(snug_file_read_at(&file, 8, header, header_bytes, err));
    const int64_t data_start = 8 + header_bytes;
    SNUG_TRY_DONE(
        snug_safetensors_parse(header, header_bytes, file.bytes - data_start, arena, &index, err));
    for (int64_t i = 0; i < index.entry_count; i++) {
        index.entries[i].begin += data_start;
        index.entries[i].end += data_start;
    }
    index.file = file;
    *out = index;

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
    int64_t low = 0;
    int64_t high = file->entry_count;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const snug_safetensors_entry *entry = &file->entries[file->by_name[middle]];
        const int order = strcmp(name, entry->name);
        if (order == 0) {
            return entry;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static snug_status check_wish(const snug_safetensors *file, const snug_safetensors_entry *entry,
                              const snug_shape *wanted, snug_dtype memory, snug_error *err)
{
    char has[96], wants[96];
    if (!snug_shape_equal(wanted, &entry->shape)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s: tensor '%s' has shape %s, the model wants %s",
                         file->file.path, entry->name, snug_shape_text(&entry->shape, has),
                         snug_shape_text(wanted, wants));
    }
    if (!snug_elements_readable(entry->dtype, memory)) {
        return SNUG_FAIL(err, SNUG_CODE_DATA, "%s: tensor '%s' holds %s, the model wants %s",
                         file->file.path, entry->name, snug_file_dtype_name(entry->dtype),
                         memory == SNUG_F32 ? "floating point (F32, F64, F16, BF16)"
                                            : snug_dtype_name(memory));
    }
    return SNUG_OK;
}

snug_status snug_safetensors_read(const snug_safetensors *file, const snug_safetensors_entry *entry,
                                  const snug_tensor_layout *layout, snug_dtype memory, void *out,
                                  void *buffer, int64_t buffer_bytes, snug_error *err)
{
    /* A piece of the page cache, not of memory: what lies straight is read without the buffer. */
    enum { STRAIGHT_BYTES = 8 << 20 };
    const snug_shape wanted = snug_tensor_layout_shape(layout);
    SNUG_ASSERT(buffer_bytes >= SNUG_SAFETENSORS_BUFFER_BYTES_MIN);
    SNUG_TRY(check_wish(file, entry, &wanted, memory, err));
    const bool straight =
        snug_layout_is_plain(layout) && (memory != SNUG_F32 || entry->dtype == SNUG_FILE_F32);
    const int64_t item_bytes = snug_file_dtype_bytes(entry->dtype);
    const int64_t per_read = (straight ? STRAIGHT_BYTES : buffer_bytes) / item_bytes;
    const int64_t count = snug_shape_count(&wanted);
    snug_element_walk walk = {.layout = layout};
    for (int64_t first = 0; first < count; first += per_read) {
        const int64_t now = snug_min_i64(per_read, count - first);
        const int64_t begin = entry->begin + first * item_bytes;
        unsigned char *to = straight ? (unsigned char *)out + first * item_bytes : buffer;
        SNUG_TRY(snug_file_read_at(&file->file, begin, to, now * item_bytes, err));
        if (!straight) {
            snug_elements_scatter(&walk, to, entry->dtype, memory, now, out);
        }
        snug_file_drop_cache(&file->file, begin, now * item_bytes);
    }
    return SNUG_OK;
}

snug_status snug_safetensors_read_f32(const snug_safetensors *file,
                                      const snug_safetensors_entry *entry,
                                      const snug_tensor_layout *layout, float *out, void *buffer,
                                      int64_t buffer_bytes, snug_error *err)
{
    return snug_safetensors_read(file, entry, layout, SNUG_F32, out, buffer, buffer_bytes, err);
}
