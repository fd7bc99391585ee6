#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/file_inside.h"

/* In the child, between fork and exec: only calls that are safe there. */
static void become(char *const arguments[], int output_fd)
{
    sigset_t none;
    const int empty = open("/dev/null", O_RDONLY);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (empty >= 0 && dup2(empty, STDIN_FILENO) >= 0 && dup2(output_fd, STDOUT_FILENO) >= 0) {
        (void)execv(arguments[0], arguments);
    }
    _exit(127);
}

/* Reads to the end even when the buffer is full, so that the child never blocks. */
static int64_t drain(int fd, char *output, int64_t capacity)
{
    int64_t total = 0;
    char spill[512];
    for (;;) {
        const int64_t room = capacity - 1 - total;
        char *to = room > 0 ? output + total : spill;
        const size_t want = room > 0 ? (size_t)room : sizeof spill;
        const ssize_t got = read(fd, to, want);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return total;
        }
        total += got;
    }
}

snug_status snug_child_run(const char *const arguments[], char *output, int64_t output_capacity,
                           int *out_exit, snug_error *err)
{
    /* execv() promises not to write the strings and cannot say so in its type. */
    char *copies[SNUG_CHILD_ARGUMENTS_MAX + 1] = {0};
    int ends[2];
    int result = 0;
    SNUG_ASSERT(output_capacity >= 1);
    SNUG_ASSERT(arguments[0] != NULL);
    for (int i = 0; arguments[i] != NULL; i++) {
        SNUG_ASSERT(i < SNUG_CHILD_ARGUMENTS_MAX);
        memcpy(&copies[i], &arguments[i], sizeof copies[i]);
    }
    if (access(arguments[0], X_OK) != 0) {
        return snug_file_fail(err, "run", arguments[0], errno);
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return snug_file_fail(err, "make a pipe for", arguments[0], errno);
    }
    const pid_t child = fork();
    if (child == 0) {
        become(copies, ends[1]);
    }
    const int reason = errno;
    (void)close(ends[1]);
    if (child < 0) {
        (void)close(ends[0]);
        return snug_file_fail(err, "start", arguments[0], reason);
    }
    const int64_t total = drain(ends[0], output, output_capacity);
    (void)close(ends[0]);
    while (waitpid(child, &result, 0) < 0 && errno == EINTR) {
    }
    if (total >= output_capacity) {
        output[output_capacity - 1] = '\0';
        return SNUG_FAIL(err, SNUG_CODE_LIMIT, "'%s' printed more than %lld bytes", arguments[0],
                         (long long)(output_capacity - 1));
    }
    output[total] = '\0';
    *out_exit = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
    return SNUG_OK;
}

snug_status snug_child_own_path(char out[SNUG_PATH_BYTES], snug_error *err)
{
    const ssize_t length = readlink("/proc/self/exe", out, SNUG_PATH_BYTES - 1);
    if (length < 0) {
        return snug_file_fail(err, "read", "/proc/self/exe", errno);
    }
    out[length] = '\0';
    return SNUG_OK;
}
