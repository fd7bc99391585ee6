/* Training from a Hugging Face folder through the session: every loss is PyTorch's. */
#include "check.h"

#include <math.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/checked.h"
#include "op/tolerance.h"
#include "snug/config.h"
#include "snug/session.h"
#include "sys/file.h"
#include "vector_file.h"

enum { STEPS = 20, OVERRIDES_MAX = 24 };

static _Alignas(SNUG_ALIGN) unsigned char vector_block[1 << 18];
static snug_error err;
static char folder[64] = "./text-session-XXXXXX";

static int make_folder(void **state)
{
    SNUG_UNUSED(state);
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    SNUG_UNUSED(state);
    return snug_failed(snug_folder_remove(folder, NULL));
}

/** The recipe of make_bert_vectors.py; every step sees all rows. */
static snug_config *open_config(const char *model, const char *const more[3])
{
    char data[512], path[512], cache[128];
    snug_config *config = NULL;
    (void)snprintf(data, sizeof data, "data.path=%s/tests/fixtures/vectors/%s/train.csv",
                   SNUG_SOURCE_DIR, model);
    (void)snprintf(path, sizeof path, "model.path=%s/tests/fixtures/vectors/%s", SNUG_SOURCE_DIR,
                   model);
    (void)snprintf(cache, sizeof cache, "data.cache_dir=%s", folder);
    const char *const overrides[OVERRIDES_MAX] = {data,
                                                  path,
                                                  cache,
                                                  "data.max_length=24",
                                                  "data.split_ratio=[1,0,0]",
                                                  "training.max_steps=20",
                                                  "training.clip_norm=1",
                                                  "optimizer.lr=0.002",
                                                  "optimizer.weight_decay=0.01",
                                                  "scheduler.name=linear",
                                                  "scheduler.warmup_ratio=0",
                                                  "scheduler.warmup_steps=4",
                                                  more[0],
                                                  more[1],
                                                  more[2]};
    CHECK_OK(snug_config_open(
        &(snug_config_options){.config = "text", .overrides = overrides, .override_count = 15},
        &config, &err));
    return config;
}

typedef struct losses {
    int64_t count;
    double loss[STEPS];
} losses;

static void take_loss(void *context, const snug_step_report *report)
{
    losses *all = context;
    if (all->count < STEPS) {
        all->loss[all->count] = report->loss;
    }
    all->count++;
}

static void train(const char *model, const char *const more[3], losses *out)
{
    snug_session *session = NULL;
    snug_run_summary summary;
    snug_config *config = open_config(model, more);
    const snug_session_options options = {.purpose = SNUG_PURPOSE_TRAIN};
    const snug_observer observer = {.context = out, .step = take_loss};
    *out = (losses){0};
    CHECK_OK(snug_session_open(config, &options, &session, &err));
    CHECK_OK(snug_session_train(session, &observer, &summary, &err));
    CHECK(out->count == STEPS && summary.steps == STEPS);
    snug_session_close(session);
    snug_config_close(config);
}

static void compare(const char *model, const losses *have)
{
    vector_file file;
    char name[64];
    int64_t count = 0;
    double worst = 0.0;
    (void)snprintf(name, sizeof name, "%s/vectors.safetensors", model);
    vector_file_open(&file, name, vector_block, sizeof vector_block);
    float *want = vector_read(&file, "losses", SNUG_F32, &count);
    CHECK(count == STEPS);
    for (int64_t i = 0; i < STEPS; i++) {
        const double apart = fabs(have->loss[i] - (double)want[i]) / (double)want[i];
        worst = fmax(worst, apart);
        if (!(apart <= TOLERANCE_LOOP)) {
            print_error("%s, step %lld: loss %.9g, PyTorch has %.9g\n", model, (long long)i + 1,
                        have->loss[i], (double)want[i]);
            fail();
        }
    }
    print_message("%s: losses of %d steps %.2g apart at most\n", model, STEPS, worst);
    free(want);
    snug_safetensors_close(&file.index);
}

static void losses_are_those_of_pytorch(void **state)
{
    SNUG_UNUSED(state);
    /* All at once; and in quarters that are added up. */
    static const char *const whole[3] = {"training.batch_size=8", "threads=1",
                                         "data.length_buckets=1"};
    static const char *const parts[3] = {"training.batch_size=2",
                                         "training.gradient_accumulation_steps=4", "threads=2"};
    static const char *const models[] = {"bert", "roberta"};
    for (int64_t i = 0; i < SNUG_COUNT(models); i++) {
        losses a, b;
        train(models[i], whole, &a);
        compare(models[i], &a);
        train(models[i], parts, &b);
        assert_memory_equal(a.loss, b.loss, sizeof a.loss);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_those_of_pytorch),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
