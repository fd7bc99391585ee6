/* Arbitrary bytes as a file of experiments, as earlier results and as the state of a run. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "monitor/restart.h"
#include "sys/file.h"
#include "train/experiment_results.h"
#include "train/experiments.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BYTES_MAX = 8 << 10, ARENA_BYTES = 64 << 20 };
static _Alignas(SNUG_ALIGN) unsigned char block[ARENA_BYTES];
static snug_arena arena;
static const char PATH[] = "experiments_fuzz.tmp";

static void check_line(snug_status status, const snug_error *err)
{
    SNUG_ASSERT(status == SNUG_OK ||
                (err->message[0] != '\0' && strchr(err->message, '\n') == NULL));
    SNUG_ASSERT(status == SNUG_OK || err->code == status);
}

/* What was accepted has a command for each experiment. */
static void use(const snug_experiments *set)
{
    const snug_experiment_places places = {
        .program = "snug", .run = "run", .budget = "1B", .resume = true};
    SNUG_ASSERT(set->count >= 1 && set->count <= SNUG_EXPERIMENTS_MAX);
    for (int64_t i = 0; i < set->count; i++) {
        const snug_mark mark = snug_arena_mark(&arena);
        snug_error err = {0};
        char *const *words = NULL;
        const snug_status status =
            snug_experiment_command(set, &set->items[i], &places, &arena, &words, &err);
        check_line(status, &err);
        SNUG_ASSERT(strchr(set->items[i].name, '/') == NULL);
        snug_arena_rewind(&arena, mark);
    }
}

static void read_states(void)
{
    static const char *texts[] = {"{bs=16}", "{acc=1}"};
    static char words[2][16];
    static snug_experiment_result results[2];
    char *const line[] = {words[0], words[1], NULL};
    static const char *const one[] = {"a"};
    const snug_experiment items[] = {{.name = "001-a=1", .keys = one, .values = one, .count = 1},
                                     {.name = "002-a=2"}};
    const snug_experiments set = {.name = "own", .items = items, .count = 2};
    snug_restart restart;
    snug_error err = {0};
    bool used = false;
    memcpy(words[0], texts[0], 8);
    memcpy(words[1], texts[1], 8);
    SNUG_ASSERT(snug_restart_read("bs=/2", "acc=*2", line, &restart, &err) == SNUG_OK);
    snug_status status = snug_restart_load(&restart, 1, 1, PATH, &arena, &used, &err);
    check_line(status, &err);
    err = (snug_error){0};
    memset(results, 0, sizeof results);
    status = snug_experiment_results_load(PATH, &set, &arena, results, &err);
    check_line(status, &err);
    snug_experiment_figures_read(PATH, &arena, &results[0]);
    SNUG_ASSERT(results[0].figure_count <= SNUG_EXPERIMENT_FIGURES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    snug_error err = {0};
    snug_experiments set = {0};
    if (size > BYTES_MAX) {
        return 0;
    }
    snug_arena_init(&arena, "fuzz", block, sizeof block);
    const snug_status status =
        snug_experiments_parse("fuzz.yaml", (const char *)data, (int64_t)size, &arena, &set, &err);
    check_line(status, &err);
    if (status == SNUG_OK) {
        use(&set);
    } else {
        SNUG_ASSERT(arena.used_bytes == 0 && set.count == 0);
    }
    /* Only what begins like JSON: a file takes its time. */
    if (size > 0 && data[0] == '{' &&
        snug_file_write_all(PATH, data, (int64_t)size, NULL) == SNUG_OK) {
        read_states();
        SNUG_ASSERT(snug_file_remove(PATH, NULL) == SNUG_OK);
    }
    return 0;
}
