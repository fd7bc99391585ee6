#include "api/experiments_inside.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/inside.h"
#include "base/attr.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/translate.h"
#include "base/utf8.h"
#include "mem/budget.h"
#include "mem/probe.h"
#include "snug/run.h"
#include "sys/child.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/heap.h"

enum { ARENA_BLOCK_BYTES = 1 << 20, LINE_BYTES = 1024, TAIL_BYTES = 600 };
static const int64_t TOLERANCE_LEAST = INT64_C(16) << 20;
static const int64_t PAUSE_NS = 50000000;
static const double SETTLE_S = 3;

static void say(const snug_experiment_set *self, bool important, const char *format, ...)
    SNUG_PRINTF(3, 4);

static void say(const snug_experiment_set *self, bool important, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    if (self->options.message == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, snug_translated_format(format), arguments);
    va_end(arguments);
    self->options.message(self->options.message_context, important, line);
}

/*
 * What processes hold here: anonymous and shared memory of the own control group, which caches and
 * other groups do not disturb; else what is missing in MemAvailable.
 */
static int64_t memory_held(const char **out_words)
{
    char folder[2 * SNUG_CGROUP_PATH_BYTES];
    int64_t top_bytes = 0;
    int32_t version = 0;
    snug_machine_memory machine;
    if (snug_cgroup_own("", 0, &version, folder, &top_bytes, NULL) == SNUG_OK && version != 0) {
        const int64_t anonymous =
            snug_cgroup_entry(folder, "memory.stat", version == 2 ? "anon" : "total_rss", -1);
        const int64_t shared =
            snug_cgroup_entry(folder, "memory.stat", version == 2 ? "shmem" : "total_shmem", 0);
        if (anonymous >= 0) {
            *out_words = "anonymous and shared memory of the own control group";
            return anonymous + shared;
        }
    }
    if (snug_procfs_machine("", &machine, NULL) != SNUG_OK) {
        *out_words = NULL;
        return 0;
    }
    *out_words = "memory that is not available on the machine";
    return machine.total_bytes - machine.available_bytes;
}

/* Waits until no more is held than before, within the tolerance, and says what came of it. */
static void check_memory(snug_experiment_set *self, snug_experiment_result *result)
{
    const int64_t start = snug_clock_ns();
    const char *words = NULL;
    if (self->memory_words == NULL) {
        return;
    }
    for (;;) {
        result->memory_left_bytes = memory_held(&words) - self->memory_before;
        result->memory_known = words == self->memory_words;
        result->memory_back = result->memory_left_bytes <= self->tolerance_bytes;
        if (result->memory_back || snug_clock_seconds_since(start) > SETTLE_S) {
            return;
        }
        snug_clock_sleep_ns(PAUSE_NS);
    }
}

static snug_status join_in_folder(const snug_experiment_set *self, const char *part,
                                  const char *name, const char *ending, char out[SNUG_PATH_BYTES],
                                  snug_error *err)
{
    if (snprintf(out, SNUG_PATH_BYTES, "%s/%s%s%s%s", self->folder, part,
                 name[0] != '\0' ? "/" : "", name, ending) >= SNUG_PATH_BYTES) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path '%.60s...' is too long", self->folder);
    }
    return SNUG_OK;
}

static snug_status save_results(const snug_experiment_set *self, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_report report = {0};
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(snug_report_open(&report, snug_experiments_report_bytes(self), err));
    snug_experiments_json(self, &report.text);
    if (report.text.truncated) {
        SNUG_FAIL_DONE(err, SNUG_CODE_LIMIT, "the results are too long");
    }
    SNUG_TRY_DONE(join_in_folder(self, "results.json", "", "", path, err));
    SNUG_TRY_DONE(snug_file_write_all(path, report.text.data, report.text.length, err));
    SNUG_TRY_DONE(join_in_folder(self, "report.html", "", "", path, err));
    SNUG_TRY_DONE(snug_experiments_save_html(self, path, err));

done:
    snug_report_close(&report);
    return status;
}

static void take_result(const snug_run_result *run, snug_experiment_result *out)
{
    out->exit_code = run->exit_code;
    out->attempts = run->attempt_count;
    out->peak_bytes = -1;
    if (run->attempt_count == 0) {
        return;
    }
    const snug_run_attempt *last = &run->attempts[run->attempt_count - 1];
    (void)snprintf(out->sentence, sizeof out->sentence, "%s", last->sentence);
    (void)snprintf(out->enforced_by, sizeof out->enforced_by, "%s", last->enforced_by);
    out->limit_bytes = last->limit_bytes;
    out->peak_bytes = last->peak_bytes;
    for (int64_t i = 0; i < run->attempt_count; i++) {
        out->wall_s += run->attempts[i].wall_s;
    }
    out->status = run->exit_code == 0 ? SNUG_EXPERIMENT_DONE : SNUG_EXPERIMENT_FAILED;
    if (strcmp(last->cause, "user") == 0) {
        out->status = SNUG_EXPERIMENT_STOPPED;
    }
}

/* The words and folders of one experiment. */
static snug_status make_command(snug_experiment_set *self, int64_t index, char run[SNUG_PATH_BYTES],
                                char *const **out, snug_error *err)
{
    const snug_experiment *item = &self->set.items[index];
    char budget[32];
    char checkpoint[SNUG_PATH_BYTES];
    SNUG_TRY(join_in_folder(self, "runs", item->name, "", run, err));
    SNUG_TRY(snug_path_join(run, "checkpoints/last", checkpoint, err));
    (void)snprintf(budget, sizeof budget, "%" PRId64 "B", self->budget_bytes);
    const snug_experiment_places places = {
        .program = self->program,
        .run = run,
        .budget = budget,
        .resume = self->set.command == NULL
                      ? snug_path_look(checkpoint) != SNUG_PATH_NONE
                      : self->results[index].status != SNUG_EXPERIMENT_WAITING};
    SNUG_TRY(snug_experiment_command(&self->set, item, &places, &self->arena, out, err));
    return SNUG_OK;
}

static snug_status run_one(snug_experiment_set *self, int64_t index, snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(&self->arena);
    snug_experiment_result *result = &self->results[index];
    char run[SNUG_PATH_BYTES];
    char path[SNUG_PATH_BYTES];
    void *memory = NULL;
    snug_error why = {0};
    snug_run_options options = {.limit_bytes = self->budget_bytes,
                                .retry_count = self->set.retry_count,
                                .time_limit_s = self->set.time_limit_s,
                                .output = path};
    /* The file's word was checked when it was read. */
    (void)snug_run_enforce_find(self->set.enforce, &options.enforce);
    SNUG_TRY_DONE(snug_arena_alloc(&self->arena, sizeof(snug_run_result), &memory, err));
    SNUG_TRY_DONE(make_command(self, index, run, &options.command, err));
    SNUG_TRY_DONE(join_in_folder(self, "logs", self->set.items[index].name, ".log", path, err));
    SNUG_TRY_DONE(snug_folder_make(run, err));
    *result =
        (snug_experiment_result){.status = SNUG_EXPERIMENT_RUNNING,
                                 .key = snug_experiment_key(&self->set, &self->set.items[index]),
                                 .peak_bytes = -1};
    SNUG_TRY_DONE(save_results(self, err));
    say(self, false, "%s begins", self->set.items[index].name);

    snug_run_result *outcome = memory;
    const snug_status ran = snug_run(&options, outcome, &why);
    result->status = SNUG_EXPERIMENT_FAILED;
    take_result(outcome, result);
    if (snug_failed(ran)) {
        (void)snprintf(result->sentence, sizeof result->sentence, "%.*s",
                       (int)sizeof result->sentence - 1, why.message);
    }
    SNUG_TRY_DONE(snug_path_join(run, "summary.json", path, err));
    snug_experiment_figures_read(path, &self->arena, result);
    check_memory(self, result);
    SNUG_TRY_DONE(save_results(self, err));
    if (ran == SNUG_CODE_UNSUPPORTED) {
        SNUG_FAIL_DONE(err, ran, "%s", why.message);
    }

done:
    snug_arena_rewind(&self->arena, mark);
    return status;
}

/* The last line that an experiment printed: most often why it failed. */
static void say_last_line(const snug_experiment_set *self, int64_t index)
{
    char path[SNUG_PATH_BYTES];
    char tail[TAIL_BYTES + 1];
    snug_file file = {0};
    int64_t bytes = 0;
    if (snug_failed(
            join_in_folder(self, "logs", self->set.items[index].name, ".log", path, NULL)) ||
        snug_failed(snug_file_open(path, &file, NULL))) {
        return;
    }
    const int64_t from = snug_max_i64(0, file.bytes - TAIL_BYTES);
    if (snug_failed(snug_file_read_some(&file, from, tail, TAIL_BYTES, &bytes, NULL))) {
        bytes = 0;
    }
    snug_file_close(&file);
    while (bytes > 0 && (tail[bytes - 1] == '\n' || tail[bytes - 1] == ' ')) {
        bytes--;
    }
    tail[bytes] = '\0';
    char *line = strrchr(tail, '\n');
    line = line != NULL ? line + 1 : tail;
    if (line[0] != '\0') {
        snug_utf8_clean(line);
        say(self, true, "%s: its last words: %s", self->set.items[index].name, line);
    }
}

static void say_result(const snug_experiment_set *self, int64_t index)
{
    const snug_experiment_result *result = &self->results[index];
    char peak[SNUG_SIZE_TEXT_BYTES] = "unknown";
    char left[SNUG_SIZE_TEXT_BYTES];
    double value = 0;
    char figure[96] = "";
    const char *best = snug_experiments_best_figure(&self->set);
    if (snug_experiment_figure_find(result, best, &value)) {
        (void)snprintf(figure, sizeof figure, ", %.40s %.5g", best, value);
    }
    if (result->peak_bytes >= 0) {
        (void)snug_size_text(result->peak_bytes, peak);
    }
    say(self, result->status != SNUG_EXPERIMENT_DONE, "%s: %s after %.1f s, peak %s%s",
        self->set.items[index].name, result->sentence, result->wall_s, peak, figure);
    if (result->status == SNUG_EXPERIMENT_FAILED) {
        say_last_line(self, index);
    }
    if (result->memory_known && !result->memory_back) {
        say(self, true, "%s: %s more is held than before the first experiment",
            self->set.items[index].name, snug_size_text(result->memory_left_bytes, left));
    }
}

static snug_status run_chosen(snug_experiment_set *self, snug_error *err)
{
    for (int64_t i = 0; i < self->set.count; i++) {
        snug_experiment_result *result = &self->results[i];
        if (!self->chosen[i] || result->status == SNUG_EXPERIMENT_DONE) {
            continue;
        }
        SNUG_TRY(run_one(self, i, err));
        say_result(self, i);
        if (result->status == SNUG_EXPERIMENT_STOPPED) {
            return SNUG_FAIL(err, SNUG_CODE_INTERRUPTED,
                             "stopped at %s; --resume goes on from here", self->set.items[i].name);
        }
        if (result->status == SNUG_EXPERIMENT_FAILED && !self->options.keep_going) {
            return SNUG_OK;
        }
    }
    return SNUG_OK;
}

snug_status snug_experiments_run(snug_experiment_set *set, int64_t *out_failed, snug_error *err)
{
    snug_status status = SNUG_OK;
    snug_lock lock = {0};
    char path[SNUG_PATH_BYTES];
    int64_t failed = 0;
    SNUG_TRY(join_in_folder(set, "runs", "", "", path, err));
    SNUG_TRY(snug_folder_make(path, err));
    SNUG_TRY(join_in_folder(set, "logs", "", "", path, err));
    SNUG_TRY(snug_folder_make(path, err));
    SNUG_TRY(join_in_folder(set, ".lock", "", "", path, err));
    SNUG_TRY(snug_lock_acquire(path, &lock, err));
    set->memory_before = memory_held(&set->memory_words);
    set->tolerance_bytes = snug_max_i64(TOLERANCE_LEAST, set->budget_bytes / 50);
    SNUG_TRY_DONE(run_chosen(set, err));
    for (int64_t i = 0; i < set->set.count; i++) {
        failed += set->results[i].status == SNUG_EXPERIMENT_FAILED ? 1 : 0;
    }
    *out_failed = failed;

done:
    snug_lock_release(&lock);
    return status;
}

/* Whether one word of `only` names the experiment: "003-wide", "wide" or "3". */
static bool is_word_of(const char *word, size_t length, const char *name)
{
    const char *own = strchr(name, '-');
    const bool number = length > 0 && strspn(word, "0123456789") >= length;
    return (number && strtol(word, NULL, 10) == strtol(name, NULL, 10)) ||
           (strlen(name) == length && strncmp(name, word, length) == 0) ||
           (own != NULL && strlen(own + 1) == length && strncmp(own + 1, word, length) == 0);
}

static bool is_named(const char *only, const char *name)
{
    /* Names may hold commas: the whole is a name, too. */
    bool named = is_word_of(only, strlen(only), name);
    for (const char *at = only; *at != '\0' && !named;) {
        const size_t length = strcspn(at, ",");
        named = is_word_of(at, length, name);
        at += length + (at[length] == ',' ? 1 : 0);
    }
    return named;
}

static snug_status choose(snug_experiment_set *self, snug_error *err)
{
    bool any = false;
    for (int64_t i = 0; i < self->set.count; i++) {
        self->chosen[i] =
            self->options.only == NULL || is_named(self->options.only, self->set.items[i].name);
        any = any || self->chosen[i];
    }
    if (!any) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND,
                         "no experiment is '%.100s'; --dry-run lists them", self->options.only);
    }
    return SNUG_OK;
}

static snug_status choose_budget(snug_experiment_set *self, snug_error *err)
{
    void *memory = NULL;
    snug_budget budget;
    const char *text = self->options.budget != NULL ? self->options.budget : self->set.budget;
    SNUG_TRY(snug_arena_alloc(&self->arena, sizeof(snug_probe), &memory, err));
    SNUG_TRY(snug_probe_read("", memory, err));
    SNUG_TRY(snug_budget_choose(text, memory, &budget, err));
    self->budget_bytes = budget.bytes;
    (void)snprintf(self->budget_origin, sizeof self->budget_origin, "%.255s", budget.origin);
    return SNUG_OK;
}

static snug_status load_results(snug_experiment_set *self, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    SNUG_TRY(join_in_folder(self, "results.json", "", "", path, err));
    if (snug_path_look(path) == SNUG_PATH_NONE) {
        return SNUG_OK;
    }
    if (!self->options.resume) {
        return SNUG_FAIL(err, SNUG_CODE_USAGE,
                         "'%.200s' has results already: go on with --resume, or choose another "
                         "--out",
                         self->folder);
    }
    return snug_experiment_results_load(path, &self->set, &self->arena, self->results, err);
}

static snug_status fill(snug_experiment_set *self, const snug_experiment_options *options,
                        snug_error *err)
{
    const struct {
        const char *from;
        const char **to;
    } texts[] = {{options->out, &self->options.out},
                 {options->budget, &self->options.budget},
                 {options->only, &self->options.only},
                 {options->file, &self->options.file}};
    void *memory = NULL;
    self->options = *options;
    for (int64_t i = 0; i < SNUG_COUNT(texts); i++) {
        if (texts[i].from != NULL) {
            SNUG_TRY(snug_arena_text(&self->arena, texts[i].from, texts[i].to, err));
        }
    }
    SNUG_TRY(snug_experiments_read(self->options.file, &self->arena, &self->set, err));
    if (snprintf(self->folder, sizeof self->folder, "%s%s",
                 options->out != NULL ? options->out : "experiments/",
                 options->out != NULL ? "" : self->set.name) >= (int)sizeof self->folder) {
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "the path of the folder is too long");
    }
    SNUG_TRY(snug_child_own_path(self->program, err));
    SNUG_TRY(snug_arena_array(&self->arena, self->set.count, sizeof(snug_experiment_result),
                              &memory, err));
    self->results = memory;
    SNUG_TRY(snug_arena_array(&self->arena, self->set.count, sizeof(bool), &memory, err));
    self->chosen = memory;
    SNUG_TRY(choose(self, err));
    SNUG_TRY(choose_budget(self, err));
    SNUG_TRY(load_results(self, err));
    return SNUG_OK;
}

snug_status snug_experiments_open(const snug_experiment_options *options, snug_experiment_set **out,
                                  snug_error *err)
{
    snug_status status = SNUG_OK;
    void *memory = NULL;
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, (int64_t)sizeof(snug_experiment_set), false,
                           &memory, err));
    snug_experiment_set *set = memory;
    snug_heap_arena_init(&set->arena, "experiments", SNUG_CATEGORY_RUNTIME, ARENA_BLOCK_BYTES);
    SNUG_TRY_DONE(fill(set, options, err));
    *out = set;

done:
    if (snug_failed(status)) {
        snug_experiments_close(set);
    }
    return status;
}

void snug_experiments_close(snug_experiment_set *set)
{
    if (set != NULL) {
        snug_heap_arena_deinit(&set->arena, SNUG_CATEGORY_RUNTIME);
        snug_heap_unmap(SNUG_CATEGORY_RUNTIME, set, (int64_t)sizeof(snug_experiment_set));
    }
}

const char *snug_experiments_folder(const snug_experiment_set *set)
{
    return set->folder;
}
