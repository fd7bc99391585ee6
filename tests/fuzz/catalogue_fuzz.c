/* A catalogue of messages of arbitrary bytes: what is let in can be searched and stays inside. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "base/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const keys[] = {"", "%d of '%s'", "memory", "\xff"};
    snug_catalogue catalogue = {0};
    const char *const start = (const char *)data;
    if (!snug_catalogue_open(data, (int64_t)size, &catalogue)) {
        return 0;
    }
    for (int64_t i = 0; i < SNUG_COUNT(keys); i++) {
        const char *found = snug_catalogue_find(&catalogue, keys[i]);
        SNUG_ASSERT(found == NULL || (found >= start && found + strlen(found) < start + size));
        if (found != NULL) {
            (void)snug_formats_agree(keys[i], found);
        }
    }
    return 0;
}
