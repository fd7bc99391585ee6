/*
 * What a look of `snug monitor` adds to the waits of its target, told apart from the machine's own
 * noise: the same target is watched and not watched in turn, many times, and only the differences
 * count.
 *
 *     stall_bench [MIB] [ROUNDS] [auto|always]
 *
 * A child holds MIB in small pages and maps, touches and unmaps 64 KiB all the time, each of which
 * takes the lock of its memory map for writing. In the watched second of a round the parent takes
 * a complete sample (everything that is read once a second by default, the proportional share by
 * its mode) every 10 ms: a hundred times as often as by default. Printed are quantiles of the
 * child's times, the median of the differences over the rounds with its 95 % interval, and how
 * long the looks took, which bounds from above how long any lock can have been held.
 */
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor/sampler.h"
#include "sys/clock.h"

enum {
    BUCKETS = 50000,
    ROUNDS_MAX = 200,
    PIECE_BYTES = 64 << 10,
    LOOKS_MAX = 40000,
    QUANTILES = 4
};
static const double SHARES[QUANTILES] = {0.5, 0.99, 0.999, 0.9999};

/* Buckets of 1 us; the last one holds the rest. */
typedef struct histogram {
    int64_t counts[BUCKETS];
    int64_t total;
    double sum_us, longest_us;
} histogram;

typedef struct shared {
    atomic_int now; /* Which histogram is filled; -1: none. */
    atomic_int ready;
    histogram now_filled[2];
} shared;

static double quantile_us(const histogram *from, double share)
{
    int64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += from->counts[i];
        if ((double)seen >= share * (double)from->total) {
            return i + 0.5;
        }
    }
    return BUCKETS;
}

static int run_child(shared *with, size_t bytes)
{
    char *held = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (held == MAP_FAILED) {
        return 1;
    }
    (void)madvise(held, bytes, MADV_NOHUGEPAGE);
    memset(held, 1, bytes);
    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    atomic_store(&with->ready, 1);
    for (;;) {
        const int which = atomic_load(&with->now);
        const int64_t start = snug_clock_ns();
        char *piece =
            mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED) {
            return 1;
        }
        piece[0] = 1;
        (void)munmap(piece, PIECE_BYTES);
        const double us = (double)(snug_clock_ns() - start) * 1e-3;
        if (which >= 0 && which == atomic_load(&with->now)) {
            histogram *to = &with->now_filled[which];
            to->counts[us < BUCKETS ? (int)us : BUCKETS - 1]++;
            to->total++;
            to->sum_us += us;
            to->longest_us = fmax(to->longest_us, us);
        }
        const struct timespec pause = {.tv_nsec = 20000};
        (void)nanosleep(&pause, NULL);
    }
}

static void sleep_until(int64_t ns)
{
    const int64_t left = ns - snug_clock_ns();
    if (left > 0) {
        const struct timespec pause = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        (void)nanosleep(&pause, NULL);
    }
}

static int by_value(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void print_differences(const char *name, const double *plain, const double *watched,
                              int rounds)
{
    double differences[ROUNDS_MAX];
    double a[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        differences[i] = watched[i] - plain[i];
        a[i] = plain[i];
    }
    qsort(differences, (size_t)rounds, sizeof *differences, by_value);
    qsort(a, (size_t)rounds, sizeof *a, by_value);
    /* Ranks of the sign test: 95 % of a binomial around its middle. */
    const int away = (int)ceil(0.98 * sqrt((double)rounds));
    const int low = rounds / 2 - away > 0 ? rounds / 2 - away : 0;
    const int high = rounds / 2 + away < rounds ? rounds / 2 + away : rounds - 1;
    printf("%-10s %10.1f %+12.1f   %+.1f to %+.1f\n", name, a[rounds / 2], differences[rounds / 2],
           differences[low], differences[high]);
}

static snug_sampler sampler;
static double looks_us[LOOKS_MAX];
static double results[2][QUANTILES + 1][ROUNDS_MAX];

/* One second watched or not; its figures become those of the round. */
static void run_phase(shared *with, int watched, int round, int64_t *looks)
{
    static const int64_t PHASE_NS = 1000000000, LOOK_NS = 10000000;
    const int64_t start = snug_clock_ns();
    memset(&with->now_filled[watched], 0, sizeof(histogram));
    atomic_store(&with->now, watched);
    for (int64_t at = start + LOOK_NS; at <= start + PHASE_NS; at += LOOK_NS) {
        snug_reading reading;
        sleep_until(at);
        if (watched == 0) {
            continue;
        }
        /* Everything is due. */
        sampler.medium_ns = 0;
        sampler.pss_ns = 0;
        const int64_t before = snug_clock_ns();
        snug_sampler_take(&sampler, before, &reading);
        if (*looks < LOOKS_MAX) {
            looks_us[(*looks)++] = (double)(snug_clock_ns() - before) * 1e-3;
        }
    }
    atomic_store(&with->now, -1);
    for (int q = 0; q < QUANTILES; q++) {
        results[watched][q][round] = quantile_us(&with->now_filled[watched], SHARES[q]);
    }
    results[watched][QUANTILES][round] =
        with->now_filled[watched].sum_us / (double)with->now_filled[watched].total;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"median", "99 %", "99.9 %", "99.99 %", "mean"};
    const size_t bytes = (size_t)(argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) << 20;
    const int rounds = argc > 2 ? atoi(argv[2]) : 20;
    const bool always = argc > 3 && strcmp(argv[3], "always") == 0;
    int64_t looks = 0;
    snug_error err = {0};
    if (rounds < 4 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: stall_bench [MIB] [ROUNDS, 4 to %d] [auto|always]\n",
                      ROUNDS_MAX);
        return 2;
    }
    shared *with =
        mmap(NULL, sizeof(shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (with == MAP_FAILED) {
        return 1;
    }
    atomic_store(&with->now, -1);
    const pid_t child = fork();
    if (child == 0) {
        _exit(run_child(with, bytes));
    }
    while (atomic_load(&with->ready) == 0 && waitpid(child, NULL, WNOHANG) == 0) {
        (void)usleep(1000);
    }
    const snug_sampler_options options = {
        .root = "", .pid = child, .whole = true, .pss = always ? SNUG_PSS_ALWAYS : SNUG_PSS_AUTO};
    if (snug_sampler_open(&sampler, &options, &err) != SNUG_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (int round = 0; round < rounds; round++) {
        /* Which comes first changes, so that drift does not count. */
        run_phase(with, round % 2, round, &looks);
        run_phase(with, 1 - round % 2, round, &looks);
    }
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    printf("%zu MiB, %d rounds of 1 s + 1 s, %lld looks at 100 Hz, PSS %s; microseconds\n",
           bytes >> 20, rounds, (long long)looks, always ? "always" : "auto");
    printf("%-10s %10s %12s   %s\n", "", "unwatched", "difference", "95 % interval");
    for (int q = 0; q <= QUANTILES; q++) {
        print_differences(names[q], results[0][q], results[1][q], rounds);
    }
    qsort(looks_us, (size_t)looks, sizeof *looks_us, by_value);
    printf("a look: median %.1f, 99 %% %.1f, longest %.1f; longest read of the memory map %.1f\n",
           looks_us[looks / 2], looks_us[looks * 99 / 100], looks_us[looks - 1],
           (double)sampler.pss_stall_ns_max * 1e-3);
    snug_sampler_close(&sampler);
    return 0;
}
