#include "train/experiment_results.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/attr.h"
#include "sys/file.h"

enum { SUMMARY_BYTES_MAX = 1 << 20, KEY_TEXT_BYTES = 17 };

static const char *const STATUS_NAMES[] = {"waiting", "running", "done", "failed", "stopped"};

const char *snug_experiment_status_name(snug_experiment_status status)
{
    return STATUS_NAMES[status];
}

bool snug_experiment_figure_find(const snug_experiment_result *result, const char *name,
                                 double *out)
{
    for (int64_t i = 0; i < result->figure_count; i++) {
        if (strcmp(result->figures[i].name, name) == 0) {
            *out = result->figures[i].value;
            return true;
        }
    }
    return false;
}

/* A number with a name that fits, while there is room. */
static void add_figure(snug_experiment_result *result, const char *name, double value)
{
    if (result->figure_count < SNUG_EXPERIMENT_FIGURES_MAX) {
        snug_experiment_figure *figure = &result->figures[result->figure_count++];
        (void)snprintf(figure->name, sizeof figure->name, "%s", name);
        figure->value = value;
    }
}

/* "name": value, ... up to the end of the object. */
static snug_status read_figures(snug_json_reader *reader, snug_experiment_result *result,
                                snug_error *err)
{
    snug_json_event event;
    char name[SNUG_EXPERIMENT_FIGURE_BYTES];
    for (;;) {
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind != SNUG_JSON_KEY) {
            return SNUG_OK;
        }
        const bool fits = snug_json_unescape(&event, name, sizeof name, NULL) == SNUG_OK;
        const snug_json_reader before = *reader;
        double value = 0;
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_NUMBER) {
            if (fits && snug_json_to_f64(&event, &value, NULL) == SNUG_OK) {
                add_figure(result, name, value);
            }
        } else {
            *reader = before;
            SNUG_TRY(snug_json_skip(reader, err));
        }
    }
}

void snug_experiment_figures_read(const char *path, snug_arena *arena,
                                  snug_experiment_result *result)
{
    const snug_mark mark = snug_arena_mark(arena);
    const char *data = NULL;
    int64_t bytes = 0;
    snug_json_reader reader;
    snug_json_event event;
    result->figure_count = 0;
    if (snug_path_look(path) == SNUG_PATH_FILE &&
        snug_file_read_all(path, SUMMARY_BYTES_MAX, arena, &data, &bytes, NULL) == SNUG_OK) {
        snug_json_reader_init(&reader, data, bytes);
        if (snug_json_next(&reader, &event, NULL) != SNUG_OK ||
            event.kind != SNUG_JSON_OBJECT_BEGIN ||
            read_figures(&reader, result, NULL) != SNUG_OK) {
            result->figure_count = 0;
        }
    }
    snug_arena_rewind(arena, mark);
}

void snug_experiment_result_write(const snug_experiment_result *result, snug_json_writer *json)
{
    char key[KEY_TEXT_BYTES];
    snug_json_put_string(json, "status", snug_experiment_status_name(result->status));
    if (result->status == SNUG_EXPERIMENT_WAITING) {
        return;
    }
    (void)snprintf(key, sizeof key, "%016" PRIx64, result->key);
    snug_json_put_string(json, "key", key);
    if (result->status == SNUG_EXPERIMENT_RUNNING) {
        return;
    }
    snug_json_put_i64(json, "exit_code", result->exit_code);
    snug_json_put_string(json, "sentence", result->sentence);
    snug_json_put_string(json, "enforced_by", result->enforced_by);
    snug_json_put_i64(json, "attempts", result->attempts);
    snug_json_put_i64(json, "limit_bytes", result->limit_bytes);
    if (result->peak_bytes >= 0) {
        snug_json_put_i64(json, "peak_bytes", result->peak_bytes);
    }
    snug_json_put_f64(json, "wall_s", result->wall_s);
    if (result->memory_known) {
        snug_json_put_i64(json, "memory_left_bytes", result->memory_left_bytes);
        snug_json_put_bool(json, "memory_back", result->memory_back);
    }
    snug_json_key(json, "figures");
    snug_json_object_begin(json);
    for (int64_t i = 0; i < result->figure_count; i++) {
        snug_json_put_f64(json, result->figures[i].name, result->figures[i].value);
    }
    snug_json_object_end(json);
}

/* A result as it is read, with the name that says whose it is. */
typedef struct named_result {
    char name[SNUG_EXPERIMENT_NAME_BYTES + 32];
    snug_experiment_result result;
} named_result;

static void take_text(named_result *out, const char *name, const char *text)
{
    snug_experiment_result *result = &out->result;
    if (strcmp(name, "name") == 0) {
        (void)snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof out->name - 1, text);
    } else if (strcmp(name, "sentence") == 0) {
        (void)snprintf(result->sentence, sizeof result->sentence, "%s", text);
    } else if (strcmp(name, "enforced_by") == 0) {
        (void)snprintf(result->enforced_by, sizeof result->enforced_by, "%.15s", text);
    } else if (strcmp(name, "key") == 0) {
        (void)sscanf(text, "%16" SCNx64, &result->key);
    } else if (strcmp(name, "status") == 0) {
        for (int i = 0; i < SNUG_COUNT(STATUS_NAMES); i++) {
            if (strcmp(text, STATUS_NAMES[i]) == 0) {
                result->status = (snug_experiment_status)i;
            }
        }
    }
}

static snug_status take_number(snug_experiment_result *result, const char *name,
                               const snug_json_event *event, snug_error *err)
{
    int64_t exit_code = result->exit_code;
    const struct {
        const char *name;
        int64_t *out;
    } numbers[] = {{"exit_code", &exit_code},
                   {"attempts", &result->attempts},
                   {"limit_bytes", &result->limit_bytes},
                   {"peak_bytes", &result->peak_bytes},
                   {"memory_left_bytes", &result->memory_left_bytes}};
    if (strcmp(name, "wall_s") == 0) {
        return snug_json_to_f64(event, &result->wall_s, err);
    }
    for (int64_t i = 0; i < SNUG_COUNT(numbers); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            SNUG_TRY(snug_json_to_i64(event, numbers[i].out, err));
        }
    }
    result->exit_code = (int)exit_code;
    return SNUG_OK;
}

/* One object of "experiments", whose '{' was read. */
static snug_status read_result(snug_json_reader *reader, named_result *out, snug_error *err)
{
    snug_json_event event;
    char name[SNUG_EXPERIMENT_FIGURE_BYTES];
    char text[SNUG_EXPERIMENT_SENTENCE_BYTES];
    *out = (named_result){.result = {.peak_bytes = -1}};
    for (;;) {
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            return SNUG_OK;
        }
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        const snug_json_reader before = *reader;
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_STRING) {
            SNUG_TRY(snug_json_unescape(&event, text, sizeof text, err));
            take_text(out, name, text);
        } else if (event.kind == SNUG_JSON_NUMBER) {
            SNUG_TRY(take_number(&out->result, name, &event, err));
        } else if (event.kind == SNUG_JSON_TRUE || event.kind == SNUG_JSON_FALSE) {
            out->result.memory_known = true;
            out->result.memory_back = event.kind == SNUG_JSON_TRUE;
        } else if (event.kind == SNUG_JSON_OBJECT_BEGIN && strcmp(name, "figures") == 0) {
            SNUG_TRY(read_figures(reader, &out->result, err));
        } else {
            *reader = before;
            SNUG_TRY(snug_json_skip(reader, err));
        }
    }
}

static snug_status read_results(snug_json_reader *reader, const snug_experiments *set,
                                snug_experiment_result *results, snug_error *err)
{
    snug_json_event event;
    named_result found;
    SNUG_TRY(snug_json_next(reader, &event, err));
    if (event.kind != SNUG_JSON_ARRAY_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "'experiments' is no list");
    }
    for (;;) {
        SNUG_TRY(snug_json_next(reader, &event, err));
        if (event.kind == SNUG_JSON_ARRAY_END) {
            return SNUG_OK;
        }
        if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
            return SNUG_FAIL(err, SNUG_CODE_FORMAT, "an experiment is no object");
        }
        SNUG_TRY(read_result(reader, &found, err));
        for (int64_t i = 0; i < set->count; i++) {
            if (strcmp(set->items[i].name, found.name) == 0 &&
                snug_experiment_key(set, &set->items[i]) == found.result.key) {
                results[i] = found.result;
            }
        }
    }
}

static snug_status read_document(const char *data, int64_t bytes, const snug_experiments *set,
                                 snug_experiment_result *results, snug_error *err)
{
    snug_json_reader reader;
    snug_json_event event;
    char name[SNUG_EXPERIMENT_FIGURE_BYTES];
    snug_json_reader_init(&reader, data, bytes);
    SNUG_TRY(snug_json_next(&reader, &event, err));
    if (event.kind != SNUG_JSON_OBJECT_BEGIN) {
        return SNUG_FAIL(err, SNUG_CODE_FORMAT, "not an object");
    }
    for (;;) {
        SNUG_TRY(snug_json_next(&reader, &event, err));
        if (event.kind == SNUG_JSON_OBJECT_END) {
            return SNUG_OK;
        }
        SNUG_TRY(snug_json_unescape(&event, name, sizeof name, err));
        if (strcmp(name, "experiments") == 0) {
            SNUG_TRY(read_results(&reader, set, results, err));
        } else {
            SNUG_TRY(snug_json_skip(&reader, err));
        }
    }
}

snug_status snug_experiment_results_load(const char *path, const snug_experiments *set,
                                         snug_arena *arena, snug_experiment_result *results,
                                         snug_error *err)
{
    snug_status status = SNUG_OK;
    const snug_mark mark = snug_arena_mark(arena);
    const char *data = NULL;
    int64_t bytes = 0;
    SNUG_TRY_DONE(
        snug_file_read_all(path, SNUG_EXPERIMENT_RESULTS_BYTES_MAX, arena, &data, &bytes, err));
    status = read_document(data, bytes, set, results, err);
    if (snug_failed(status)) {
        (void)snug_error_prefix(err, "'%.200s' cannot be read", path);
    }

done:
    snug_arena_rewind(arena, mark);
    return status;
}

const char *snug_experiments_best_figure(const snug_experiments *set)
{
    return set->best != NULL ? set->best : "validation_loss";
}

int64_t snug_experiments_best(const snug_experiments *set, const snug_experiment_result *results)
{
    int64_t best = -1;
    double best_value = 0;
    for (int64_t i = 0; i < set->count; i++) {
        double value = 0;
        if (results[i].status != SNUG_EXPERIMENT_DONE ||
            !snug_experiment_figure_find(&results[i], snug_experiments_best_figure(set), &value)) {
            continue;
        }
        if (best < 0 || (set->best_is_highest ? value > best_value : value < best_value)) {
            best = i;
            best_value = value;
        }
    }
    return best;
}
