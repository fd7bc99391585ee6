#include "sys/rlimit.h"
#include "base/translate.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static int64_t to_bytes(rlim_t limit)
{
    return limit == RLIM_INFINITY || limit > (rlim_t)INT64_MAX ? INT64_MAX : (int64_t)limit;
}

snug_status snug_rlimits_read(snug_rlimits *out, snug_error *err)
{
    struct rlimit address = {0};
    struct rlimit data = {0};
    if (getrlimit(RLIMIT_AS, &address) != 0 || getrlimit(RLIMIT_DATA, &data) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot read the process limits: %s",
                         snug_translated(strerror(errno)));
    }
    *out = (snug_rlimits){.address_bytes = to_bytes(address.rlim_cur),
                          .data_bytes = to_bytes(data.rlim_cur)};
    return SNUG_OK;
}
