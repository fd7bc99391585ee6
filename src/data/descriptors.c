#include "data/descriptors.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/limits.h"
#include "sys/thread.h"

typedef struct open_file {
    snug_file file;
    int64_t id;
    int64_t used; /* Stamp of the last acquire. */
    int32_t pins;
} open_file;

struct snug_descriptors {
    snug_mutex mutex;
    int64_t stamp;
    int32_t count;
    open_file files[SNUG_DESCRIPTORS_MAX];
};

int64_t snug_descriptors_size(void)
{
    return snug_align_up((int64_t)sizeof(snug_descriptors), SNUG_ALIGN);
}

snug_status snug_descriptors_open(snug_arena *arena, snug_descriptors **out, snug_error *err)
{
    void *memory = NULL;
    SNUG_TRY(snug_arena_alloc(arena, (int64_t)sizeof(snug_descriptors), &memory, err));
    snug_descriptors *const made = memory;
    snug_mutex_init(&made->mutex);
    *out = made;
    return SNUG_OK;
}

void snug_descriptors_close(snug_descriptors *descriptors)
{
    if (descriptors == NULL) {
        return;
    }
    for (int32_t i = 0; i < descriptors->count; i++) {
        SNUG_ASSERT(descriptors->files[i].pins == 0);
        snug_file_close(&descriptors->files[i].file);
    }
    descriptors->count = 0;
    snug_mutex_deinit(&descriptors->mutex);
}

static open_file *find_file(snug_descriptors *descriptors, int64_t id)
{
    for (int32_t i = 0; i < descriptors->count; i++) {
        if (descriptors->files[i].id == id) {
            return &descriptors->files[i];
        }
    }
    return NULL;
}

/* An entry for one more file: a fresh one, or the least recently used of those nobody holds. */
static open_file *find_room(snug_descriptors *descriptors)
{
    if (descriptors->count < SNUG_DESCRIPTORS_MAX) {
        return &descriptors->files[descriptors->count];
    }
    open_file *oldest = NULL;
    for (int32_t i = 0; i < descriptors->count; i++) {
        open_file *const one = &descriptors->files[i];
        if (one->pins == 0 && (oldest == NULL || one->used < oldest->used)) {
            oldest = one;
        }
    }
    SNUG_ASSERT(oldest != NULL);
    return oldest;
}

static snug_status open_entry(snug_descriptors *descriptors, int64_t id, const char *path,
                              int64_t bytes, open_file **out, snug_error *err)
{
    snug_file file = {0};
    SNUG_TRY(snug_file_open(path, &file, err));
    if (file.bytes != bytes) {
        const int64_t now_bytes = file.bytes;
        snug_file_close(&file);
        return SNUG_FAIL(err, SNUG_CODE_DATA,
                         "'%s' changed since it was indexed: %" PRId64 " bytes then, %" PRId64
                         " now",
                         path, bytes, now_bytes);
    }
    open_file *const room = find_room(descriptors);
    if (room == &descriptors->files[descriptors->count]) {
        descriptors->count++;
    } else {
        snug_file_close(&room->file);
    }
    *room = (open_file){.file = file, .id = id};
    *out = room;
    return SNUG_OK;
}

snug_status snug_descriptors_acquire(snug_descriptors *descriptors, int64_t id, const char *path,
                                     int64_t bytes, const snug_file **out_file, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_mutex_lock(&descriptors->mutex);
    open_file *one = find_file(descriptors, id);
    if (one == NULL) {
        SNUG_TRY_DONE(open_entry(descriptors, id, path, bytes, &one, err));
    }
    one->pins++;
    one->used = ++descriptors->stamp;
    *out_file = &one->file;

done:
    snug_mutex_unlock(&descriptors->mutex);
    return status;
}

void snug_descriptors_release(snug_descriptors *descriptors, const snug_file *file)
{
    snug_mutex_lock(&descriptors->mutex);
    for (int32_t i = 0; i < descriptors->count; i++) {
        open_file *const one = &descriptors->files[i];
        if (&one->file == file) {
            SNUG_ASSERT(one->pins > 0);
            one->pins--;
        }
    }
    snug_mutex_unlock(&descriptors->mutex);
}
