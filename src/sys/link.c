/* Links are made under a temporary name and renamed, so that a reader never sees none. */
#include "sys/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/translate.h"
#include "sys/file.h"

static snug_status link_failed(const char *path, snug_error *err)
{
    const snug_status code = errno == ENOSPC || errno == EDQUOT ? SNUG_CODE_FULL : SNUG_CODE_IO;
    return SNUG_FAIL(err, code, "cannot make the link '%s': %s", path,
                     snug_translated(strerror(errno)));
}

snug_status snug_link_replace(const char *target, const char *path, snug_error *err)
{
    char temporary[SNUG_PATH_BYTES], folder[SNUG_PATH_BYTES];
    const char *name = snug_path_name(path);
    if (strlen(path) + sizeof ".partial" > sizeof temporary) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%s' is too long", path);
    }
    (void)snprintf(temporary, sizeof temporary, "%s.partial", path);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(name - path), path);
    (void)unlink(temporary);
    if (symlink(target, temporary) != 0) {
        return link_failed(path, err);
    }
    if (rename(temporary, path) != 0) {
        const snug_status status = link_failed(path, err);
        (void)unlink(temporary);
        return status;
    }
    return snug_folder_sync(folder[0] == '\0' ? "." : folder, err);
}

bool snug_link_read(const char *path, char *out, int64_t out_bytes)
{
    const ssize_t bytes = readlink(path, out, (size_t)out_bytes - 1);
    if (bytes < 0) {
        return false;
    }
    out[bytes] = '\0';
    return bytes < (ssize_t)out_bytes - 1;
}
