/* labels: fast */
/* Built-in configurations and profiles hold the values of the requirement document's tables. */
#include "check.h"

#include "config/builtin.h"
#include "config/layers.h"
#include "models/tds_lstm.h"

enum { SCRATCH_BYTES = 1 << 20 };
static _Alignas(SNUG_ALIGN) unsigned char scratch_memory[SCRATCH_BYTES];
static snug_arena scratch;
static snug_config config;

static snug_status load(const char *source, const char *profile, const char *const *overrides,
                        int64_t count, snug_error *err)
{
    snug_arena_init(&scratch, "config test", scratch_memory, SCRATCH_BYTES);
    return snug_config_load(&config, &(snug_config_sources){source, profile, overrides, count},
                            &scratch, err);
}

static void every_default_reads_back(void **state)
{
    (void)state;
    snug_settings settings;
    snug_settings_init(&settings);
    for (int64_t i = 0; i < snug_setting_count(); i++) {
        char value[SNUG_SETTING_VALUE_BYTES];
        snug_error err = {0};
        snug_setting_print(i, &settings, value);
        CHECK_OK(snug_setting_parse(i, value, &settings, &err));
        CHECK(snug_setting_find(snug_setting_at(i)->key) == i);
        CHECK(snug_setting_at(i)->help[0] != '\0');
    }
    for (int64_t i = 0; i < snug_alias_count(); i++) {
        const snug_alias *alias = snug_alias_at(i);
        CHECK(snug_setting_find(alias->key) < 0);
        CHECK(snug_alias_find(alias->key) == i);
        CHECK((alias->kind == SNUG_ALIAS_KEY) == (alias->target != NULL));
        CHECK(alias->target == NULL || snug_setting_find(alias->target) >= 0);
    }
}

static void profiles_hold_the_tables(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t workers, prefetch, samples, cache, batch, accumulation;
        bool persistent, pinned;
    } table[] = {
        {"default", 4, 2, 10000, 64 << 20, 64, 1, true, true},
        {"low_memory", 2, 1, 5000, 32 << 20, 16, 4, true, false},
        {"high_performance", 8, 4, 20000, 128 << 20, 128, 1, true, true},
        {"quick_demo", 2, 2, 5000, 32 << 20, 32, 1, false, true},
    };
    snug_error err = {0};
    for (int64_t i = 0; i < SNUG_COUNT(table); i++) {
        CHECK_OK(load("timeseries_small", table[i].name, NULL, 0, &err));
        const snug_settings *s = &config.settings;
        CHECK(s->data_num_workers == table[i].workers);
        CHECK(s->data_prefetch_factor == table[i].prefetch);
        CHECK(s->data_max_samples_for_normalize == table[i].samples);
        CHECK(s->data_chunk_cache_size == table[i].cache);
        CHECK(s->training_batch_size == table[i].batch);
        CHECK(s->training_gradient_accumulation_steps == table[i].accumulation);
        CHECK(s->training_persistent_workers == table[i].persistent);
        CHECK(s->training_pin_memory == table[i].pinned);
        CHECK(s->training_compute_metrics_online);
    }
}

static void a_profile_may_shrink_the_network(void **state)
{
    (void)state;
    snug_error err = {0};
    CHECK_OK(load("timeseries_small", NULL, NULL, 0, &err));
    CHECK(config.settings.model_stage_count == 2 && config.settings.data_window == 1000);
    CHECK(config.settings.optimizer_lr == 5e-4 && config.settings.scheduler_warmup_epochs == 5);
    CHECK_OK(load("timeseries_small", "quick_demo", NULL, 0, &err));
    CHECK(config.settings.model_stage_count == 1 && config.settings.model_hidden == 64);
    CHECK(config.settings.training_early_stopping_patience == 0);
    CHECK_OK(load("timeseries", NULL, NULL, 0, &err));
    CHECK(config.settings.data_window == 11790 && config.settings.training_batch_size == 64);
    assert_string_equal(config.settings.model_name, "regression_vemg2pose");
}

static void every_model_can_be_named(void **state)
{
    (void)state;
    snug_error err = {0};
    for (int64_t i = 0; i < snug_tds_lstm_count(); i++) {
        char text[128];
        const char *const override = text;
        (void)snprintf(text, sizeof text, "model.name=%s", snug_tds_lstm_name(i));
        CHECK_OK(load("timeseries", NULL, &override, 1, &err));
        assert_string_equal(config.settings.model_name, snug_tds_lstm_name(i));
    }
}

static void every_builtin_loads(void **state)
{
    (void)state;
    snug_error err = {0};
    for (int64_t i = 0; i < snug_builtin_count(); i++) {
        const snug_builtin *builtin = snug_builtin_at(i);
        CHECK_OK(builtin->profile ? load(NULL, builtin->name, NULL, 0, &err)
                                  : load(builtin->name, NULL, NULL, 0, &err));
        CHECK(config.note_count == 0);
    }
}

/* The override is refused with exactly this message. */
static void refused(const char *override, const char *message)
{
    snug_error err = {0};
    CHECK_FAILS(load("timeseries", NULL, &override, 1, &err), SNUG_CODE_CONFIG);
    assert_string_equal(err.message, message);
}

static void overrides_are_checked(void **state)
{
    (void)state;
    refused("training.batchsize=4", "command line: unknown key 'training.batchsize'; did you mean "
                                    "'training.batch_size'?");
    refused("nothing", "command line: 'nothing' is not an override; write it like "
                       "training.batch_size=16");
    refused("=4", "command line: '=4' is not an override; write it like training.batch_size=16");
    refused("training.batch_size=1e3",
            "command line: training.batch_size must be a whole number, not '1e3'");
    refused("data.split_ratio=[0.7, 0.3",
            "command line: data.split_ratio: the list '[0.7, 0.3' has no end");
    refused("profile=fast", "there is no profile 'fast'; 'snug config list' lists them");

    snug_error err = {0};
    static const char *const overrides[] = {"training.learning_rate=3e-4", "profile=low_memory",
                                            "data.num_workers=0", "training.loss=MSE+MAE",
                                            "data.chunk_cache_size=8M"};
    CHECK_OK(load("timeseries", NULL, overrides, 5, &err));
    CHECK(config.settings.optimizer_lr == 3e-4 && config.settings.data_num_workers == 0);
    CHECK(config.settings.training_batch_size == 16);
    CHECK(config.settings.data_chunk_cache_size == 8 << 20);
    assert_string_equal(config.settings.training_loss, "mse_mae");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_reads_back),
        cmocka_unit_test(profiles_hold_the_tables),
        cmocka_unit_test(a_profile_may_shrink_the_network),
        cmocka_unit_test(every_model_can_be_named),
        cmocka_unit_test(every_builtin_loads),
        cmocka_unit_test(overrides_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
