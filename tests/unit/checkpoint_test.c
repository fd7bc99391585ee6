/* labels: fast */
#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "sys/file.h"
#include "sys/heap.h"
#include "sys/link.h"
#include "train/checkpoint.h"

enum { WEIGHTS = 3, STATES = 2, ROWS = 5, COLUMNS = 3 };

/* A tiny run: three parameters, the second of them transposed in the file, and two states. */
static float weights[WEIGHTS][ROWS * COLUMNS];
static float states[STATES][ROWS * COLUMNS];
static snug_safetensors_item weight_items[WEIGHTS];
static snug_safetensors_item state_items[STATES];
static snug_checkpoint_set set;
static char folder[] = "./checkpoint-test-XXXXXX";
static snug_arena arena;

static void fill(float start)
{
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        for (int t = 0; t < WEIGHTS; t++) {
            weights[t][i] = start + (float)(100 * t + i);
        }
        for (int t = 0; t < STATES; t++) {
            states[t][i] = start - (float)(100 * t + i);
        }
    }
}

static int begin(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    static const char *const names[] = {"a.weight", "b.weight", "c.bias", "a.weight.m",
                                        "b.weight.m"};
    const snug_tensor_layout plain = {
        .rank = 2, .extent = {ROWS, COLUMNS}, .stride = {COLUMNS, 1}};
    const snug_tensor_layout turned = {
        .rank = 2, .extent = {COLUMNS, ROWS}, .stride = {1, COLUMNS}};
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < WEIGHTS; i++) {
        weight_items[i] = (snug_safetensors_item){
            .name = names[i], .layout = i == 1 ? turned : plain, .data = weights[i]};
    }
    for (int i = 0; i < STATES; i++) {
        state_items[i] = (snug_safetensors_item){
            .name = names[WEIGHTS + i], .layout = plain, .data = states[i]};
    }
    set = (snug_checkpoint_set){.weights = weight_items,
                                .weight_count = WEIGHTS,
                                .states = state_items,
                                .state_count = STATES,
                                .buffer_bytes = snug_checkpoint_buffer_bytes(WEIGHTS, STATES)};
    CHECK_OK(snug_heap_map(SNUG_CATEGORY_RUNTIME, set.buffer_bytes, false, &set.buffer, &err));
    snug_heap_arena_init(&arena, "checkpoint test", SNUG_CATEGORY_RUNTIME, 1 << 16);
    return 0;
}

static int end(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, set.buffer, set.buffer_bytes);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
    CHECK_OK(snug_folder_remove(folder, &err));
    return 0;
}

/** Every test begins with an empty folder. */
static int empty(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    CHECK_OK(snug_folder_remove(folder, &err));
    CHECK_OK(snug_folder_make(folder, &err));
    return 0;
}

static void place(const char *name, char out[SNUG_PATH_BYTES])
{
    snug_error err = {0};
    CHECK_OK(snug_path_join(folder, name, out, &err));
}

static bool is_there(const char *name)
{
    char path[SNUG_PATH_BYTES];
    struct stat facts;
    place(name, path);
    return lstat(path, &facts) == 0;
}

static void check_link(const char *name, const char *target)
{
    char path[SNUG_PATH_BYTES], found[64] = "";
    place(name, path);
    CHECK(snug_link_read(path, found, sizeof found));
    assert_string_equal(found, target);
}

static void save(int64_t step, bool best, int64_t keep)
{
    snug_error err = {0};
    char path[SNUG_PATH_BYTES] = "";
    const snug_train_state state = {.step = step, .samples = 10 * step};
    fill((float)step);
    CHECK_OK(snug_checkpoint_save(folder, &set, &state, best, keep, path, &err));
    assert_int_equal(snug_path_look(path), SNUG_PATH_FOLDER);
}

static snug_status load(const char *name, bool with_states, snug_train_state *out, snug_error *err)
{
    char path[SNUG_PATH_BYTES];
    place(name, path);
    const int64_t before = arena.used_bytes;
    const snug_status status = snug_checkpoint_load(path, &set, with_states, &arena, out, err);
    assert_int_equal(arena.used_bytes, before);
    return status;
}

static void what_is_saved_is_loaded(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    float kept[WEIGHTS][ROWS * COLUMNS], kept_states[STATES][ROWS * COLUMNS];
    snug_train_state read = {0};
    save(7, true, 3);
    check_link("last", "step-7");
    check_link("best", "step-7");
    memcpy(kept, weights, sizeof kept);
    memcpy(kept_states, states, sizeof kept_states);
    fill(-1000.0f);
    CHECK_OK(load("last", true, &read, &err));
    assert_memory_equal(weights, kept, sizeof kept);
    assert_memory_equal(states, kept_states, sizeof kept_states);
    assert_int_equal(read.step, 7);
    assert_int_equal(read.samples, 70);
    fill(-1000.0f);
    const float before = states[1][4];
    CHECK_OK(load("step-7", false, &read, &err));
    assert_memory_equal(weights, kept, sizeof kept);
    CHECK(states[1][4] == before);
}

static void the_file_has_the_layout_of_the_items(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char path[SNUG_PATH_BYTES];
    snug_safetensors file;
    float first[2];
    save(1, false, 1);
    place("last/model.safetensors", path);
    CHECK_OK(snug_safetensors_open(path, &arena, &file, &err));
    assert_int_equal(file.entry_count, WEIGHTS);
    const snug_safetensors_entry *const turned = snug_safetensors_find(&file, "b.weight");
    CHECK(turned != NULL);
    assert_int_equal(turned->shape.extent[0], COLUMNS);
    assert_int_equal(turned->shape.extent[1], ROWS);
    CHECK_OK(snug_file_read_at(&file.file, turned->begin, first, sizeof first, &err));
    CHECK(first[0] == weights[1][0] && first[1] == weights[1][COLUMNS]);
    struct stat facts;
    CHECK(stat(path, &facts) == 0);
    CHECK(facts.st_size <= snug_checkpoint_bytes(&set));
    snug_safetensors_close(&file);
    snug_heap_arena_deinit(&arena, SNUG_CATEGORY_RUNTIME);
}

static void states_of_other_types_are_saved_as_they_are(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    unsigned char codes[5] = {0, 1, 127, 128, 255};
    uint16_t halves[3] = {0x3f80, 0x7fc1, 0xff80}; /* bf16: 1, a NaN, minus infinity. */
    int32_t counter[1] = {-7};
    const snug_shape five = snug_shape_1(5), three = snug_shape_1(3), one = snug_shape_1(1);
    const snug_safetensors_item others[] = {{.name = "a.weight.codes",
                                             .layout = snug_tensor_layout_plain(&five),
                                             .data = codes,
                                             .memory = SNUG_U8},
                                            {.name = "a.weight.half",
                                             .layout = snug_tensor_layout_plain(&three),
                                             .data = halves,
                                             .memory = SNUG_BF16},
                                            {.name = "steps",
                                             .layout = snug_tensor_layout_plain(&one),
                                             .data = counter,
                                             .memory = SNUG_I32},
                                            state_items[0]};
    const snug_checkpoint_set floats = set;
    snug_train_state read = {0};
    set.states = others;
    set.state_count = 4;
    save(3, false, 1);
    memset(codes, 0, sizeof codes);
    memset(halves, 0, sizeof halves);
    counter[0] = 0;
    CHECK_OK(load("last", true, &read, &err));
    CHECK(codes[2] == 127 && codes[3] == 128 && codes[4] == 255 && codes[0] == 0);
    CHECK(halves[0] == 0x3f80 && halves[1] == 0x7fc1 && halves[2] == 0xff80);
    CHECK(counter[0] == -7 && states[0][2] == 3.0f - 2.0f);
    set = floats;
}

static void the_newest_and_the_best_are_kept(void **state)
{
    SNUG_UNUSED(state);
    for (int64_t step = 1; step <= 12; step++) {
        save(step, step == 3, 2);
    }
    for (int64_t step = 1; step <= 12; step++) {
        char name[32];
        (void)snprintf(name, sizeof name, "step-%lld", (long long)step);
        assert_int_equal(is_there(name), step == 3 || step >= 11);
    }
    check_link("last", "step-12");
    check_link("best", "step-3");
    /* Only numbers count: names of other people are left alone. */
    char path[SNUG_PATH_BYTES];
    snug_error err = {0};
    place("step-mine", path);
    CHECK_OK(snug_folder_make(path, &err));
    place("step-1x", path);
    CHECK_OK(snug_folder_make(path, &err));
    save(13, true, 1);
    CHECK(is_there("step-mine") && is_there("step-1x") && is_there("step-13"));
    CHECK(!is_there("step-3") && !is_there("step-11") && !is_there("step-12"));
}

static void leftovers_of_a_killed_save_do_no_harm(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char path[SNUG_PATH_BYTES], last[SNUG_PATH_BYTES];
    snug_train_state read = {0};
    save(4, true, 1);
    save(6, false, 1);
    /* Killed after step-6 had its name, before `last` pointed there; resumed from step 4, stopped
     * at 5: the checkpoint of 6 is newer and must not push out the one that `last` points to. */
    place("last", last);
    CHECK_OK(snug_link_replace("step-4", last, &err));
    place(".partial-step-9", path);
    CHECK_OK(snug_folder_make(path, &err));
    save(5, false, 1);
    check_link("last", "step-5");
    CHECK_OK(load("last", true, &read, &err));
    assert_int_equal(read.step, 5);
    CHECK(!is_there(".partial-step-9"));
    CHECK(is_there("step-4")); /* The best. */
    /* Then it comes to step 6 by itself. */
    save(6, false, 1);
    CHECK_OK(load("last", true, &read, &err));
    assert_int_equal(read.step, 6);
    CHECK(!is_there("step-5"));
    /* Saved once more, as after an evaluation that is the best so far. */
    save(6, true, 1);
    check_link("best", "step-6");
    CHECK(!is_there("step-4"));
}

static void a_save_that_fails_leaves_the_last_one_good(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    char path[SNUG_PATH_BYTES], out[SNUG_PATH_BYTES] = "untouched";
    snug_train_state read = {0};
    const snug_train_state next = {.step = 9};
    save(8, false, 1);
    /* A folder where the link must go cannot be replaced by it. */
    place("last", path);
    CHECK(unlink(path) == 0);
    CHECK_OK(snug_folder_make(path, &err));
    CHECK_FAILS(snug_checkpoint_save(folder, &set, &next, false, 1, out, &err), SNUG_CODE_IO);
    assert_string_equal(out, "untouched");
    CHECK(is_there("step-8"));
    CHECK_OK(load("step-8", true, &read, &err));
    assert_int_equal(read.step, 8);

    CHECK_FAILS(snug_checkpoint_save("./no-such-folder", &set, &next, false, 1, out, &err),
                SNUG_CODE_IO);
    assert_string_equal(out, "untouched");
    CHECK(snug_path_look("./no-such-folder") == SNUG_PATH_NONE);
}

static void what_is_missing_or_of_another_shape_is_named(void **state)
{
    SNUG_UNUSED(state);
    snug_error err = {0};
    snug_train_state read = {.step = -1};
    save(2, false, 1);
    weight_items[2].name = "d.bias";
    CHECK_FAILS(load("last", true, &read, &err), SNUG_CODE_NOT_FOUND);
    CHECK(strstr(err.message, "'d.bias'") != NULL);
    weight_items[2].name = "c.bias";
    state_items[1].name = "c.bias.m";
    CHECK_FAILS(load("last", true, &read, &err), SNUG_CODE_NOT_FOUND);
    CHECK_OK(load("last", false, &read, &err));
    state_items[1].name = "b.weight.m";
    weight_items[0].layout.extent[0] = ROWS - 1;
    read.step = -1;
    CHECK_FAILS(load("last", true, &read, &err), SNUG_CODE_DATA);
    weight_items[0].layout.extent[0] = ROWS;
    assert_int_equal(read.step, -1);
    CHECK_FAILS(load("nothing", true, &read, &err), SNUG_CODE_IO);
    assert_int_equal(read.step, -1);
}

static void a_file_that_was_cut_is_refused(void **state)
{
    SNUG_UNUSED(state);
    static const char *const names[] = {"step-2/model.safetensors", "step-2/optimizer.safetensors",
                                        "step-2/state.json"};
    for (int64_t i = 0; i < SNUG_COUNT(names); i++) {
        char path[SNUG_PATH_BYTES];
        struct stat facts;
        save(2, false, 1);
        place(names[i], path);
        CHECK(stat(path, &facts) == 0);
        for (int64_t part = 0; part < 4; part++) {
            snug_error err = {0};
            snug_train_state read = {.step = -1};
            save(2, false, 1);
            CHECK(truncate(path, facts.st_size * part / 4) == 0);
            CHECK_FAILS(load("last", true, &read, &err), SNUG_CODE_FORMAT);
            CHECK(strstr(err.message, strrchr(names[i], '/') + 1) != NULL);
            assert_int_equal(read.step, -1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_saved_is_loaded, empty),
        cmocka_unit_test_setup(the_file_has_the_layout_of_the_items, empty),
        cmocka_unit_test_setup(states_of_other_types_are_saved_as_they_are, empty),
        cmocka_unit_test_setup(the_newest_and_the_best_are_kept, empty),
        cmocka_unit_test_setup(leftovers_of_a_killed_save_do_no_harm, empty),
        cmocka_unit_test_setup(a_save_that_fails_leaves_the_last_one_good, empty),
        cmocka_unit_test_setup(what_is_missing_or_of_another_shape_is_named, empty),
        cmocka_unit_test_setup(a_file_that_was_cut_is_refused, empty),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
