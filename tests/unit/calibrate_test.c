/* labels: fast */
/* Measured costs: the table, the file in the cache, and a calibration of a real graph. */
#include "plan_case.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec/calibrate.h"
#include "exec/cost_file.h"
#include "sys/file.h"
#include "sys/thread.h"

enum { BATCH = 12, POINTS = 512 };

static const snug_cost_machine machine = {
    .cpu = "A \"quoted\" CPU", .isa = "avx2", .version = "1.2.3", .threads = 2};

static void make_table(snug_cost_table *table)
{
    const snug_cost_point points[] = {
        {7, 4, 0.4}, {3, 1, 0.5}, {7, 1, 0.1}, {9, 64, 2.0}, {7, 16, 1.0}};
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        CHECK(snug_cost_add(table, &points[i]));
    }
}

static void near(double value, double expected)
{
    CHECK(fabs(value - expected) <= 1e-12 * fabs(expected));
}

static void points_are_joined_by_lines(void **unused)
{
    snug_cost_point memory[8];
    snug_cost_table t = {.points = memory, .capacity = 6};
    double seconds = 0.0;
    (void)unused;
    make_table(&t);
    CHECK(t.count == 5);
    CHECK(!snug_cost_look_up(t.points, t.count, 8, 1, &seconds));
    CHECK(snug_cost_look_up(t.points, t.count, 7, 1, &seconds));
    near(seconds, 0.1);
    CHECK(snug_cost_look_up(t.points, t.count, 7, 10, &seconds));
    near(seconds, 0.7);
    /* Beyond the last: a slope of 0.05, which is 0.8 of the mean of 1 / 16. */
    CHECK(snug_cost_look_up(t.points, t.count, 7, 36, &seconds));
    near(seconds, 2.0);
    CHECK(snug_cost_look_up(t.points, t.count, 9, 128, &seconds));
    near(seconds, 4.0);
    CHECK(snug_cost_look_up(t.points, t.count, 9, 32, &seconds));
    near(seconds, 1.0);
    /* The same point again is written over; a full table takes no new one. */
    CHECK(snug_cost_add(&t, &(snug_cost_point){3, 1, 0.75}) && t.count == 5);
    CHECK(snug_cost_look_up(t.points, t.count, 3, 1, &seconds));
    near(seconds, 0.75);
    CHECK(snug_cost_add(&t, &(snug_cost_point){1, 1, 1.0}));
    CHECK(!snug_cost_add(&t, &(snug_cost_point){2, 1, 1.0}) && t.count == 6);
}

typedef struct file_case {
    char folder[64], path[SNUG_PATH_BYTES];
    snug_arena scratch;
    snug_cost_point written_points[8], read_points[8];
    snug_cost_table written, read;
} file_case;

static void open_file_case(file_case *c)
{
    snug_error err = {0};
    *c = (file_case){.folder = "calibrate_test.XXXXXX"};
    char here[SNUG_PATH_BYTES - 128], cache[SNUG_PATH_BYTES];
    CHECK(mkdtemp(c->folder) != NULL && getcwd(here, sizeof here) != NULL);
    (void)snprintf(cache, sizeof cache, "%s/%s", here, c->folder);
    CHECK(setenv("XDG_CACHE_HOME", cache, 1) == 0);
    CHECK(snug_cost_file_path(&machine, c->path));
    CHECK(strncmp(c->path, cache, strlen(cache)) == 0);
    snug_heap_arena_init(&c->scratch, "scratch", SNUG_CATEGORY_RUNTIME, 1 << 16);
    c->written = (snug_cost_table){.points = c->written_points, .capacity = 8};
    c->read = (snug_cost_table){.points = c->read_points, .capacity = 8};
    make_table(&c->written);
    CHECK(!snug_cost_file_read(c->path, &machine, &c->scratch, &c->read));
    CHECK_OK(snug_cost_file_write(c->path, &machine, &c->written, &c->scratch, &err));
}

static void close_file_case(file_case *c)
{
    char folder[128];
    snug_error err = {0};
    CHECK_OK(snug_file_remove(c->path, &err));
    (void)snprintf(folder, sizeof folder, "%s/snug", c->folder);
    CHECK(rmdir(folder) == 0 && rmdir(c->folder) == 0);
    CHECK(c->scratch.used_bytes == 0);
    snug_heap_arena_deinit(&c->scratch, SNUG_CATEGORY_RUNTIME);
}

static void a_file_comes_back_as_it_was(void **unused)
{
    file_case c;
    (void)unused;
    open_file_case(&c);
    CHECK(snug_cost_file_read(c.path, &machine, &c.scratch, &c.read));
    CHECK(c.read.count == c.written.count);
    for (int64_t i = 0; i < c.read.count; i++) {
        CHECK(c.read_points[i].kind == c.written_points[i].kind);
        CHECK(c.read_points[i].samples == c.written_points[i].samples);
        CHECK(memcmp(&c.read_points[i].seconds, &c.written_points[i].seconds, 8) == 0);
    }
    close_file_case(&c);
}

static void other_machines_have_other_files(void **unused)
{
    file_case c;
    (void)unused;
    open_file_case(&c);
    snug_cost_machine others[] = {machine, machine, machine, machine};
    others[0].cpu = "Another";
    others[1].isa = "avx512";
    others[2].version = "1.2.4";
    others[3].threads = 1;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char path[SNUG_PATH_BYTES];
        CHECK(snug_cost_file_path(&others[i], path) && strcmp(path, c.path) != 0);
        /* Nor is a file believed that was copied to the other's name. */
        CHECK(!snug_cost_file_read(c.path, &others[i], &c.scratch, &c.read));
        CHECK(c.read.count == 0);
    }
    close_file_case(&c);
}

static void no_damage_is_believed(void **unused)
{
    file_case c;
    snug_error err = {0};
    char text[2048];
    int64_t bytes = 0;
    (void)unused;
    open_file_case(&c);
    CHECK_OK(snug_file_read_into(c.path, text, sizeof text, &bytes, &err));
    for (int64_t i = 0; i < bytes; i++) { /* Every byte changed, every length cut. */
        const char before = text[i];
        text[i] = before == '1' ? '2' : '1';
        CHECK_OK(snug_file_write_all(c.path, text, bytes, &err));
        CHECK(!snug_cost_file_read(c.path, &machine, &c.scratch, &c.read) && c.read.count == 0);
        text[i] = before;
        CHECK_OK(snug_file_write_all(c.path, text, i, &err));
        CHECK(!snug_cost_file_read(c.path, &machine, &c.scratch, &c.read) && c.read.count == 0);
    }
    CHECK_OK(snug_file_write_all(c.path, text, bytes, &err));
    CHECK(snug_cost_file_read(c.path, &machine, &c.scratch, &c.read));
    close_file_case(&c);
}

static void without_a_home_there_is_no_file(void **unused)
{
    char path[SNUG_PATH_BYTES];
    (void)unused;
    CHECK(unsetenv("XDG_CACHE_HOME") == 0 && setenv("HOME", "/a/folder", 1) == 0);
    CHECK(snug_cost_file_path(&machine, path));
    CHECK(strncmp(path, "/a/folder/.cache/snug/costs-", 28) == 0);
    CHECK(setenv("XDG_CACHE_HOME", "not/absolute", 1) == 0);
    CHECK(snug_cost_file_path(&machine, path) && strncmp(path, "/a/folder/", 10) == 0);
    CHECK(unsetenv("HOME") == 0 && !snug_cost_file_path(&machine, path));
}

/* Every node that computes has a price that grows with samples, from measured points alone. */
static void check_prices(snug_graph *graph, const snug_cost_table *table)
{
    for (int32_t n = 0; n < graph->node_count; n++) {
        snug_op_view view;
        double before = 0.0;
        if ((graph->nodes[n].op->flags & (SNUG_OP_SOURCE | SNUG_OP_SINK)) != 0) {
            continue;
        }
        snug_graph_view(graph, n, &view);
        const uint64_t kind = snug_cost_kind(&view);
        for (int64_t samples = 1; samples <= 64; samples++) {
            double seconds = 0.0;
            CHECK(snug_cost_look_up(table->points, table->count, kind, samples, &seconds));
            CHECK(isfinite(seconds) && seconds > 0.0 && seconds >= before);
            before = seconds;
        }
    }
}

static void a_graph_is_measured_once(void **unused)
{
    static snug_cost_point memory[POINTS], own_memory[POINTS];
    static snug_plan_facts facts;
    snug_cost_table table = {.points = memory, .capacity = POINTS};
    snug_cost_table own = {.points = own_memory, .capacity = POINTS};
    snug_error err = {0};
    snug_heap_usage usage;
    snug_pool *pool = NULL;
    snug_program program;
    plan_case c;
    int64_t added = 0;
    (void)unused;
    plan_case_model(&c, 260, true, SNUG_MODEL_TRAIN);
    CHECK_OK(snug_pool_open(2, &pool, &err));
    snug_calibration calibration = {.graph = &c.graph,
                                    .batch = BATCH,
                                    .isa = SNUG_KERNEL_AVX2,
                                    .parallel = snug_pool_parallel(pool),
                                    .memory_bytes = INT64_MAX,
                                    .seconds = 60.0,
                                    .own = &own,
                                    .scratch = &c.arena};
    CHECK_OK(snug_calibrate(&calibration, &table, &added, &err));
    CHECK(added > 0 && added == table.count && own.count == table.count);
    check_prices(&c.graph, &own);
    CHECK_OK(snug_calibrate(&calibration, &table, &added, &err));
    CHECK(added == 0);
    /* A plan with these costs takes no more of the arena than one without a limit may. */
    const snug_cost_model model = snug_calibrated_model(&c.graph, &own, 2);
    const snug_plan_request request = {
        .graph = &c.graph, .batch = BATCH, .threads = 2, .costs = &model};
    CHECK_OK(snug_plan_make(&request, &c.arena, &program, &facts, &err));
    CHECK(isfinite(program.seconds) && program.seconds > 0.0);
    snug_heap_usage_read(&usage);
    CHECK(usage.current_bytes[SNUG_CATEGORY_WORKSPACE] == 0);
    CHECK(usage.peak_bytes[SNUG_CATEGORY_WORKSPACE] <= facts.minimum_arena_bytes);
    /* Where nothing may be taken nothing is measured. */
    table.count = 0;
    calibration.memory_bytes = 0;
    CHECK_OK(snug_calibrate(&calibration, &table, &added, &err));
    CHECK(added == 0 && table.count == 0);
    snug_pool_close(pool);
    plan_case_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_joined_by_lines),
        cmocka_unit_test(a_file_comes_back_as_it_was),
        cmocka_unit_test(other_machines_have_other_files),
        cmocka_unit_test(no_damage_is_believed),
        cmocka_unit_test(without_a_home_there_is_no_file),
        cmocka_unit_test(a_graph_is_measured_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
