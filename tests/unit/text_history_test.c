/* labels: fast */
/* training_history.json out of a journal: means between evaluations, gaps, remarks. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/json.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "train/family.h"
#include "train/text_session.h"

enum { VALUES_MAX = 8 };

static char folder[64];
static snug_arena arena;
static snug_error err;
static snug_session session;
static snug_text_own own;

static int set_up(void **state)
{
    (void)state;
    snug_heap_arena_init(&arena, "test", SNUG_CATEGORY_DATA, 1 << 20);
    (void)snprintf(folder, sizeof folder, "text_history_test.XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    own.model.classes = 3;
    session.family = &snug_family_text;
    session.own = &own;
    (void)snprintf(session.out, sizeof session.out, "%s", folder);
    (void)snprintf(session.journal_path, sizeof session.journal_path, "%s/metrics.jsonl", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_DATA);
    return snug_failed(snug_folder_remove(folder, NULL));
}

/** Makes the history of a journal; answers its text. */
static const char *make(const char *journal, int64_t *out_bytes)
{
    char path[SNUG_PATH_BYTES];
    const char *data = NULL;
    CHECK_OK(snug_file_write_all(session.journal_path, journal, (int64_t)strlen(journal), &err));
    CHECK_OK(snug_text_history_write(&session, &err));
    CHECK_OK(snug_path_join(folder, "training_history.json", path, &err));
    CHECK_OK(snug_file_read_all(path, 1 << 20, &arena, &data, out_bytes, &err));
    return data;
}

/** The list of that name; null is NaN. */
static int64_t list_of(const char *data, int64_t bytes, const char *name, double out[VALUES_MAX])
{
    snug_json_reader reader;
    snug_json_event event;
    int64_t count = -1;
    snug_json_reader_init(&reader, data, bytes);
    do {
        CHECK_OK(snug_json_next(&reader, &event, &err));
        if (event.kind == SNUG_JSON_KEY) {
            const bool found = event.text_bytes == (int64_t)strlen(name) &&
                               memcmp(event.text, name, strlen(name)) == 0;
            count = found ? 0 : count >= 0 ? -2 - count : count;
        } else if (count >= 0 && event.kind == SNUG_JSON_NUMBER) {
            CHECK(count < VALUES_MAX);
            CHECK_OK(snug_json_to_f64(&event, &out[count++], &err));
        } else if (count >= 0 && event.kind == SNUG_JSON_NULL) {
            out[count++] = NAN;
        }
    } while (event.kind != SNUG_JSON_END);
    return count <= -2 ? -2 - count : count;
}

static void check_list(const char *data, int64_t bytes, const char *name, const double *wanted,
                       int64_t count)
{
    double have[VALUES_MAX] = {0};
    assert_int_equal(list_of(data, bytes, name, have), count);
    for (int64_t i = 0; i < count; i++) {
        CHECK(isnan(wanted[i]) ? isnan(have[i]) : fabs(have[i] - wanted[i]) < 1e-12);
    }
}

static void evaluations_become_curves(void **state)
{
    (void)state;
    static const char journal[] =
        "{\"step\":1,\"loss\":3.0,\"gradient_norm\":1}\n"
        "{\"event\":\"note\",\"message\":\"loss: {\\\"loss\\\": 99}\"}\n"
        "{\"step\":2,\"loss\":1.0}\n"
        "{\"step\":2,\"epoch\":0,\"evaluation\":{\"samples\":4,\"loss\":0.75,\"accuracy\":0.5,"
        "\"macro_f1\":0.25,\"class_f1\":[0.1,0.2,0.45],\"seconds\":0.1}}\n"
        "\n"
        "{\"step\":3,\"loss\":null}\n"
        "{\"step\":3,\"evaluation\":{\"loss\":null,\"accuracy\":0.75,\"macro_f1\":0.5}}\n"
        "{\"step\":4,\"loss\":0.5}\n"
        "{\"step\":5,\"loss\":0.25}\n";
    static const double step[] = {2, 3}, train[] = {2, NAN}, valid[] = {0.75, NAN},
                        accuracy[] = {0.5, 0.75}, f1[] = {0.25, 0.5};
    int64_t bytes = 0;
    const char *data = make(journal, &bytes);
    check_list(data, bytes, "step", step, 2);
    check_list(data, bytes, "train_loss", train, 2);
    check_list(data, bytes, "val_loss", valid, 2);
    check_list(data, bytes, "val_accuracy", accuracy, 2);
    check_list(data, bytes, "val_macro_f1", f1, 2);
}

static void a_run_without_evaluations_has_empty_curves(void **state)
{
    (void)state;
    int64_t bytes = 0;
    const char *data = make("{\"step\":1,\"loss\":3.0}\n", &bytes);
    check_list(data, bytes, "step", NULL, 0);
    check_list(data, bytes, "val_accuracy", NULL, 0);
    data = make("", &bytes);
    check_list(data, bytes, "train_loss", NULL, 0);
}

static void a_damaged_journal_is_an_error(void **state)
{
    (void)state;
    static const char journal[] = "{\"step\":1,\"loss\":3.0}\n{\"step\":2,\"lo";
    CHECK_OK(snug_file_write_all(session.journal_path, journal, (int64_t)strlen(journal), &err));
    CHECK_FAILS(snug_text_history_write(&session, &err), SNUG_CODE_FORMAT);
    CHECK_OK(snug_file_remove(session.journal_path, &err));
    CHECK_FAILS(snug_text_history_write(&session, &err), SNUG_CODE_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluations_become_curves),
        cmocka_unit_test(a_run_without_evaluations_has_empty_curves),
        cmocka_unit_test(a_damaged_journal_is_an_error),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
