/* labels: data */
#include "check.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hdf5_exercise.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

enum {
    FILES_MAX = 1024,
    SECONDS_MAX = 10,
    ARENA_BYTES = 40 << 20,
    SCRATCH_BYTES = 20 << 20,
    GROWTH_MAX = 64 << 20,
    ADDRESS_SPACE_MAX = 512 << 20,
    CHILD_READ = 40,
    CHILD_REFUSED = 41,
    CHILD_BROKEN = 42
};

static char corpus[4096];

static int64_t high_water_kib(void)
{
    char line[256];
    long long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %lld", &kib) == 1) {
            break;
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kib;
}

static void *take(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Runs in a child of its own: a crash, a hang or too much memory ends only this file. */
static int read_in_child(const char *path)
{
    static snug_arena arena;
    const int64_t before = high_water_kib();
    snug_error err = {0};
    snug_file file = {0};
    exercise state = {.arena = &arena, .read_bytes_max = 64 << 20};
    const struct rlimit space = {.rlim_cur = ADDRESS_SPACE_MAX, .rlim_max = ADDRESS_SPACE_MAX};
    (void)alarm(SECONDS_MAX);
    if (!UNDER_SANITIZER && setrlimit(RLIMIT_AS, &space) != 0) {
        return CHILD_BROKEN;
    }
    void *memory = take(ARENA_BYTES);
    state.scratch.memory = take(SCRATCH_BYTES);
    state.scratch.memory_bytes = SCRATCH_BYTES;
    state.rows = take(EXERCISE_ROWS_BYTES);
    if (memory == NULL || state.scratch.memory == NULL || state.rows == NULL ||
        snug_failed(snug_h5_inflater_create(&state.scratch.inflater, &err)) ||
        snug_failed(snug_file_open(path, &file, &err))) {
        return CHILD_BROKEN;
    }
    snug_arena_init(&arena, "corpus", memory, ARENA_BYTES);
    state.source = snug_h5_bytes_from_file(&file);
    exercise_bytes(&state);
    snug_h5_inflater_destroy(state.scratch.inflater);
    snug_file_close(&file);

    const int64_t growth = (high_water_kib() - before) * 1024;
    if (!UNDER_SANITIZER && growth > GROWTH_MAX) {
        printf("%s: memory grew by %lld bytes\n", path, (long long)growth);
        return CHILD_BROKEN;
    }
    if (state.problem.code == SNUG_OK) {
        return CHILD_READ;
    }
    if (state.problem.message[0] == '\0' || strchr(state.problem.message, '\n') != NULL) {
        printf("%s: the refusal is not one line: '%s'\n", path, state.problem.message);
        return CHILD_BROKEN;
    }
    if (getenv("SNUG_TEST_VERBOSE") != NULL) {
        printf("%s: %lld read, %lld refused: %s\n", path, (long long)state.sets_read,
               (long long)state.sets_refused, state.problem.message);
    }
    return CHILD_REFUSED;
}

static int visit_file(const char *path)
{
    (void)fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        const int code = read_in_child(path);
        (void)fflush(stdout);
        _exit(code);
    }
    int status = 0;
    assert_true(child > 0);
    assert_true(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) {
        printf("%s: ended by signal %d\n", path, WTERMSIG(status));
        return CHILD_BROKEN;
    }
    if (WEXITSTATUS(status) != CHILD_READ && WEXITSTATUS(status) != CHILD_REFUSED) {
        printf("%s: ended with code %d\n", path, WEXITSTATUS(status));
        return CHILD_BROKEN;
    }
    return WEXITSTATUS(status);
}

/* All files below the corpus, two levels deep at most; their paths in `paths`. */
static int64_t collect(char (*paths)[4096])
{
    static char folders[64][4096];
    int64_t folder_count = 1;
    int64_t count = 0;
    memcpy(folders[0], corpus, sizeof corpus);
    for (int64_t i = 0; i < folder_count; i++) {
        DIR *folder = opendir(folders[i]);
        for (struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
            struct stat info;
            char path[4096 + 300];
            (void)snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
            const size_t length = strlen(path);
            const bool notes = length > 3 && strcmp(path + length - 3, ".md") == 0;
            if (entry->d_name[0] == '.' || notes || length >= 4096 || stat(path, &info) != 0) {
                continue;
            }
            if (S_ISDIR(info.st_mode) && folder_count < 64) {
                memcpy(folders[folder_count++], path, length + 1);
            } else if (S_ISREG(info.st_mode) && count < FILES_MAX) {
                memcpy(paths[count++], path, length + 1);
            }
        }
        if (folder != NULL) {
            (void)closedir(folder);
        }
    }
    return count;
}

static void every_file_is_read_or_refused(void **unused)
{
    static char paths[FILES_MAX][4096];
    (void)unused;
    int64_t read_count = 0;
    int64_t refused = 0;
    int64_t broken = 0;
    const int64_t count = collect(paths);
    for (int64_t i = 0; i < count; i++) {
        const int result = visit_file(paths[i]);
        read_count += result == CHILD_READ ? 1 : 0;
        refused += result == CHILD_REFUSED ? 1 : 0;
        broken += result == CHILD_BROKEN ? 1 : 0;
    }
    printf("%lld files: %lld read, %lld refused in part or whole, %lld broken\n", (long long)count,
           (long long)read_count, (long long)refused, (long long)broken);
    assert_true(count >= 100);
    assert_true(read_count >= 50);
    assert_true(broken == 0);
}

int main(void)
{
    const char *data = getenv("SNUG_DATA_DIR");
    struct stat info;
    (void)snprintf(corpus, sizeof corpus, "%s/formats/hdf5",
                   data != NULL ? data : SNUG_SOURCE_DIR "/../shared/data");
    if (stat(corpus, &info) != 0 || !S_ISDIR(info.st_mode)) {
        CHECK_SKIP_ALL("no HDF5 corpus at %s", corpus);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_file_is_read_or_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
