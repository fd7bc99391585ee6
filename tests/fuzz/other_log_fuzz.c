/* Any bytes as a log of psrecord, mprof or prmon, and through the decompressors. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "monitor/log_unpack.h"
#include "monitor/verdict.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

static snug_log log_read;
static snug_log_reader reader;
static snug_verdict verdict;

/*
 * Judging is arithmetic on what was read and takes a hundred times as long as the reading: one
 * input in JUDGED_OF is judged, which one its own bytes say.
 */
enum { JUDGED_OF = 64 };

static void read_with(const char *header, const char *text, int64_t bytes, bool judge)
{
    snug_error err = {0};
    snug_log_reader_init(&reader, &log_read);
    snug_log_reader_feed(&reader, header, (int64_t)strlen(header));
    for (int64_t at = 0; at < bytes; at += 97) {
        snug_log_reader_feed(&reader, text + at, bytes - at < 97 ? bytes - at : 97);
    }
    if (snug_log_reader_finish(&reader, &err) != SNUG_OK) {
        return;
    }
    if (log_read.series.bin_count > SNUG_SERIES_BINS_MAX) {
        abort();
    }
    if (judge) {
        snug_verdict_find(&log_read, 1 << 30, &verdict);
        if (verdict.sentence[0] == '\0') {
            abort();
        }
    }
}

static void unpack(snug_log_packing packing, const unsigned char *data, int64_t bytes)
{
    static char out[1 << 14];
    snug_log_unpack opened = {0};
    snug_error err = {0};
    int64_t used = 0;
    int64_t made = 0;
    if (snug_log_unpack_open(packing, &opened, &err) != SNUG_OK) {
        return;
    }
    for (int64_t rounds = 0; used < bytes && rounds < 256; rounds++) {
        int64_t took = 0;
        if (snug_log_unpack_some(&opened, data + used, bytes - used, &took, out, sizeof out, &made,
                                 &err) != SNUG_OK) {
            break;
        }
        used += took;
    }
    snug_log_unpack_close(&opened);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    const char *text = (const char *)data;
    static const char *const headers[] = {
        "MEM 1.0 1.0\n", "# Elapsed time   CPU (%)     Real (MB)   Virtual (MB)\n",
        "elapsed_time,nproc,cpu,mem_real,mem_virtual\n", "Time\tpss\trss\twtime\n"};
    const uint64_t hash = snug_hash64(data, (int64_t)bytes, 0);
    const bool judge = hash % JUDGED_OF == 0;
    /* As it stands, and below one of the headers. */
    read_with("", text, (int64_t)bytes, judge);
    read_with(headers[hash / JUDGED_OF % SNUG_COUNT(headers)], text, (int64_t)bytes, judge);
    unpack(SNUG_LOG_GZIP, data, (int64_t)bytes);
    unpack(SNUG_LOG_ZSTD, data, (int64_t)bytes);
    return 0;
}
