/*
 * A program to be watched: holds memory and measures how long its own mmap, touch and munmap take.
 *
 *     monitor_target MIB SECONDS
 *
 * Prints one line: operations, and their median, 99.99th percentile and longest in milliseconds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { BUCKETS = 4000, PIECE_BYTES = 64 << 10 };

static double now_s(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Buckets of 2 us up to 8 ms; the last one holds the rest. */
static int64_t counts[BUCKETS];

static double quantile_ms(int64_t total, double share)
{
    int64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += counts[i];
        if ((double)seen >= share * (double)total) {
            return (i + 1) * 0.002;
        }
    }
    return BUCKETS * 0.002;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: monitor_target MIB SECONDS\n");
        return 2;
    }
    const size_t bytes = (size_t)strtoull(argv[1], NULL, 10) << 20;
    const double seconds = strtod(argv[2], NULL);
    char *held = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    /* Small pages: the case in which a look at the page tables takes long. */
    (void)madvise(held, bytes, MADV_NOHUGEPAGE);
    memset(held, 1, bytes);
    int64_t operations = 0;
    double longest = 0;
    const double end = now_s() + seconds;
    for (double start = now_s(); start < end; start = now_s()) {
        char *piece =
            mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED) {
            perror("mmap");
            return 1;
        }
        piece[0] = 1;
        (void)munmap(piece, PIECE_BYTES);
        const double took = now_s() - start;
        const int64_t bucket = (int64_t)(took * 1e6 / 2);
        counts[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
        longest = took > longest ? took : longest;
        operations++;
        const struct timespec pause = {.tv_nsec = 20000};
        (void)nanosleep(&pause, NULL);
    }
    (void)printf("%lld %.4f %.4f %.4f\n", (long long)operations, quantile_ms(operations, 0.5),
                 quantile_ms(operations, 0.9999), longest * 1e3);
    return 0;
}
