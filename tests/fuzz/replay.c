/*
 * Runs a fuzz target without a fuzzer: over every file of the folders and files that are named, and
 * over small changes of each (cut short, bytes flipped, pieces doubled), chosen by a fixed seed.
 *
 *     NAME_fuzz [--changes N] [--seed S] PATH...
 *
 * Prints how many inputs ran. Ends by the target's own crash, or by an alarm when one input takes
 * longer than ten seconds; the name of the input is printed first.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 16 << 20, SECONDS_MAX = 10, DEPTH_MAX = 16 };

static uint64_t random_state;
static long changes_per_file = 20;
static long inputs_run;
static const char *volatile current_name = "";

static uint64_t next_random(void)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = random_state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t below(size_t count)
{
    return count == 0 ? 0 : (size_t)(next_random() % count);
}

/* A copy of exactly the right size, so that a sanitizer sees the first byte read too far. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        (void)fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(1);
    }
    if (size > 0) {
        memcpy(copy, data, size);
    }
    (void)alarm(SECONDS_MAX);
    (void)LLVMFuzzerTestOneInput(copy, size);
    (void)alarm(0);
    free(copy);
    inputs_run++;
}

/* One to four small changes; the result is never longer than `size` + 4 * 64. */
static size_t change(uint8_t *data, size_t size)
{
    const size_t count = 1 + below(4);
    for (size_t i = 0; i < count; i++) {
        const size_t at = below(size);
        const size_t piece = below(size - at < 64 ? size - at : 64);
        switch (below(6)) {
        case 0:
            size = at;
            break;
        case 1:
            memmove(data + at + piece, data + at, size - at);
            size += piece;
            break;
        case 2:
            memmove(data + at, data + at + piece, size - at - piece);
            size -= piece;
            break;
        case 3:
            memset(data + at, below(2) == 0 ? 0 : 0xff, piece);
            break;
        default:
            if (size > 0) {
                data[at] = (uint8_t)(below(2) == 0 ? data[at] ^ (1u << below(8)) : next_random());
            }
            break;
        }
    }
    return size;
}

static void run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    uint8_t *changed = malloc(INPUT_BYTES_MAX + 1024);
    if (file == NULL || data == NULL || changed == NULL) {
        (void)fprintf(stderr, "cannot read '%s': %s\n", path, strerror(errno));
        exit(1);
    }
    const size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    current_name = path;
    run_one(data, size);
    for (long i = 0; i < changes_per_file; i++) {
        memcpy(changed, data, size);
        run_one(changed, change(changed, size));
    }
    free(changed);
    free(data);
}

static void run_path(const char *path, int depth)
{
    struct stat facts;
    if (stat(path, &facts) != 0) {
        (void)fprintf(stderr, "cannot open '%s': %s\n", path, strerror(errno));
        exit(1);
    }
    if (!S_ISDIR(facts.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[4096];
        if (entries[i]->d_name[0] != '.' && depth < DEPTH_MAX &&
            snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name) < (int)sizeof name) {
            run_path(name, depth + 1);
        }
        free(entries[i]);
    }
    free(entries);
}

/* At a crash or an alarm: which input it was. Only calls that are safe in a handler. */
static void say_name(int number)
{
    static const char words[] = "\nstopped in input: ";
    const char *name = current_name;
    if (write(STDERR_FILENO, words, sizeof words - 1) < 0 ||
        write(STDERR_FILENO, name, strlen(name)) < 0 || write(STDERR_FILENO, "\n", 1) < 0) {
        _exit(1);
    }
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

int main(int argc, char **argv)
{
    int first = 1;
    random_state = 1;
    while (first + 1 < argc && strncmp(argv[first], "--", 2) == 0) {
        if (strcmp(argv[first], "--changes") == 0) {
            changes_per_file = strtol(argv[first + 1], NULL, 10);
        } else if (strcmp(argv[first], "--seed") == 0) {
            random_state = strtoull(argv[first + 1], NULL, 10);
        } else {
            (void)fprintf(stderr, "unknown option %s\n", argv[first]);
            return 2;
        }
        first += 2;
    }
    (void)signal(SIGALRM, say_name);
    (void)signal(SIGABRT, say_name);
    printf("seed %llu, %ld changes per file\n", (unsigned long long)random_state, changes_per_file);
    for (int i = first; i < argc; i++) {
        run_path(argv[i], 0);
    }
    if (inputs_run == 0) {
        (void)fprintf(stderr, "usage: %s [--changes N] [--seed S] PATH...\n", argv[0]);
        return 2;
    }
    printf("%ld inputs\n", inputs_run);
    return 0;
}
