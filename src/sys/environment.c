#include "sys/environment.h"

#include <string.h>
#include <unistd.h>

snug_status snug_environment_copy(snug_arena *arena, int64_t more, snug_environment *out,
                                  snug_error *err)
{
    snug_environment made = {0};
    void *memory = NULL;
    while (environ != NULL && environ[made.count] != NULL) {
        made.count++;
    }
    made.capacity = made.count + more;
    SNUG_TRY(snug_arena_array(arena, made.capacity + 1, sizeof(char *), &memory, err));
    made.entries = memory;
    for (int64_t i = 0; i < made.count; i++) {
        made.entries[i] = environ[i];
    }
    *out = made;
    return SNUG_OK;
}

snug_status snug_environment_set(snug_environment *environment, const char *text, snug_arena *arena,
                                 snug_error *err)
{
    const size_t name_bytes = strcspn(text, "=") + 1;
    const size_t bytes = strlen(text) + 1;
    void *memory = NULL;
    int64_t at = 0;
    while (at < environment->count && strncmp(environment->entries[at], text, name_bytes) != 0) {
        at++;
    }
    if (at == environment->capacity) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "no room in the environment for '%.60s'", text);
    }
    SNUG_TRY(snug_arena_alloc(arena, (int64_t)bytes, &memory, err));
    memcpy(memory, text, bytes);
    environment->entries[at] = memory;
    environment->count += at == environment->count ? 1 : 0;
    return SNUG_OK;
}
