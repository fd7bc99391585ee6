#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/translate.h"
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

int snug_child_call(int (*work)(void *context), void *context)
{
    enum { SIGNALLED = 255 };
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        /* Libraries may complain, and a Ctrl-C is the parent's business. */
        const int empty = open("/dev/null", O_RDWR | O_CLOEXEC);
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)signal(SIGINT, SIG_IGN);
        for (int i = 0; i < 3; i++) {
            (void)dup2(empty, i);
        }
        _exit(work(context));
    }
    while (child > 0 && waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -1;
        }
    }
    return child < 0 ? -1 : WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED;
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

/* What a child that could not become its command tells its parent. */
typedef struct start_failure {
    int reason; /* errno */
    int code;
} start_failure;

static sigset_t taken_mask;
static bool taken;

static void report_failure(int fd, int code)
{
    const start_failure failure = {.reason = errno, .code = code};
    const ssize_t written = write(fd, &failure, sizeof failure);
    (void)written;
    _exit(code);
}

static bool join_group(const char *group_procs)
{
    const int fd = snug_file_open_raw(group_procs, O_WRONLY);
    /* 0 is whoever writes it. */
    const bool joined = fd >= 0 && write(fd, "0", 1) == 1;
    const int reason = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = reason;
    return joined;
}

static bool redirect_output(const char *path)
{
    const int fd = snug_file_open_raw(path, O_WRONLY | O_CREAT | O_APPEND);
    return fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0;
}

static bool limit_data(int64_t bytes)
{
    struct rlimit limit = {0};
    if (bytes == 0 || getrlimit(RLIMIT_DATA, &limit) != 0) {
        return bytes == 0;
    }
    /* A tighter limit that is there already stays. */
    if (limit.rlim_max == RLIM_INFINITY || limit.rlim_max > (rlim_t)bytes) {
        limit.rlim_max = (rlim_t)bytes;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_DATA, &limit) == 0;
}

/* In the child, between fork and exec: only calls that are safe there. */
static void become_command(const snug_child_options *options, pid_t parent, int fd)
{
    if (!options->outlives && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)) {
        _exit(SNUG_CHILD_NOT_STARTED);
    }
    if (options->group_procs != NULL && !join_group(options->group_procs)) {
        report_failure(fd, SNUG_CHILD_NOT_STARTED);
    }
    if ((options->output != NULL && !redirect_output(options->output)) ||
        !limit_data(options->data_bytes)) {
        report_failure(fd, SNUG_CHILD_NOT_STARTED);
    }
    if (taken) {
        (void)sigprocmask(SIG_SETMASK, &taken_mask, NULL);
    }
    (void)execvpe(options->arguments[0], options->arguments,
                  options->environment != NULL ? options->environment : environ);
    const bool missing = errno == ENOENT || errno == ENOTDIR;
    report_failure(fd, missing ? SNUG_CHILD_NOT_FOUND : SNUG_CHILD_NOT_EXECUTABLE);
}

static snug_status start_failed(const snug_child_options *options, const start_failure *failure,
                                int *out_code, snug_error *err)
{
    *out_code = failure->code;
    if (failure->code == SNUG_CHILD_NOT_FOUND) {
        return SNUG_FAIL(err, SNUG_CODE_NOT_FOUND, "there is no command '%.200s'",
                         options->arguments[0]);
    }
    if (failure->code == SNUG_CHILD_NOT_EXECUTABLE) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot run '%.200s': %s", options->arguments[0],
                         snug_translated(strerror(failure->reason)));
    }
    return SNUG_FAIL(err, options->group_procs != NULL ? SNUG_CODE_LIMIT : SNUG_CODE_IO,
                     "cannot set up '%.200s': %s", options->arguments[0],
                     snug_translated(strerror(failure->reason)));
}

snug_status snug_child_start(const snug_child_options *options, int64_t *out_pid, int *out_code,
                             snug_error *err)
{
    int ends[2];
    start_failure failure = {0};
    if (pipe2(ends, O_CLOEXEC) != 0) {
        *out_code = SNUG_CHILD_NOT_STARTED;
        return snug_file_fail(err, "make a pipe for", options->arguments[0], errno);
    }
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0) {
        become_command(options, parent, ends[1]);
    }
    const int reason = errno;
    (void)close(ends[1]);
    if (child < 0) {
        (void)close(ends[0]);
        *out_code = SNUG_CHILD_NOT_STARTED;
        return snug_file_fail(err, "start", options->arguments[0], reason);
    }
    ssize_t got = 0;
    do {
        got = read(ends[0], &failure, sizeof failure);
    } while (got < 0 && errno == EINTR);
    (void)close(ends[0]);
    if (got == (ssize_t)sizeof failure) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
        return start_failed(options, &failure, out_code, err);
    }
    *out_pid = child;
    return SNUG_OK;
}

bool snug_child_can_join(const char *group_procs)
{
    int result = 0;
    const pid_t child = fork();
    if (child == 0) {
        _exit(join_group(group_procs) ? 0 : 1);
    }
    if (child < 0) {
        return false;
    }
    while (waitpid(child, &result, 0) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

bool snug_child_reap(snug_child_end *out)
{
    struct rusage usage = {0};
    int result = 0;
    const pid_t pid = wait4(-1, &result, WNOHANG, &usage);
    if (pid <= 0) {
        return false;
    }
    const bool exited = WIFEXITED(result);
    *out =
        (snug_child_end){.pid = pid,
                         .status = exited ? WEXITSTATUS(result) : WTERMSIG(result),
                         .by_signal = !exited,
                         .peak_bytes = (int64_t)usage.ru_maxrss * 1024,
                         .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                                  (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6};
    return true;
}

void snug_child_hurry(bool on)
{
    static int policy_before = -1;
    static struct sched_param before;
    const struct sched_param urgent = {.sched_priority = 1};
    if (on && policy_before < 0) {
        const int policy = sched_getscheduler(0);
        if (policy >= 0 && sched_getparam(0, &before) == 0 &&
            sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &urgent) == 0) {
            policy_before = policy;
        }
    } else if (!on && policy_before >= 0) {
        (void)sched_setscheduler(0, policy_before, &before);
        policy_before = -1;
    }
}

void snug_child_adopt(bool on)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, on ? 1 : 0);
}

void snug_signal_send(int64_t pid, snug_signal signal)
{
    static const int numbers[] = {0, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGSTOP, SIGCONT, SIGKILL};
    if (pid > 0) {
        (void)kill((pid_t)pid, numbers[signal]);
    }
}

const char *snug_signal_name(int number)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{SIGHUP, "SIGHUP"},   {SIGINT, "SIGINT"},   {SIGQUIT, "SIGQUIT"},
                 {SIGILL, "SIGILL"},   {SIGTRAP, "SIGTRAP"}, {SIGABRT, "SIGABRT"},
                 {SIGBUS, "SIGBUS"},   {SIGFPE, "SIGFPE"},   {SIGKILL, "SIGKILL"},
                 {SIGUSR1, "SIGUSR1"}, {SIGSEGV, "SIGSEGV"}, {SIGUSR2, "SIGUSR2"},
                 {SIGPIPE, "SIGPIPE"}, {SIGALRM, "SIGALRM"}, {SIGTERM, "SIGTERM"},
                 {SIGXCPU, "SIGXCPU"}, {SIGXFSZ, "SIGXFSZ"}, {SIGSYS, "SIGSYS"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return "a signal";
}

/* Those of the signals that are not ignored; a child's end is never ignored. */
static void choose_signals(sigset_t *out)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    (void)sigemptyset(out);
    (void)sigaddset(out, SIGCHLD);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct sigaction now = {0};
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN) {
            (void)sigaddset(out, numbers[i]);
        }
    }
}

void snug_signals_take(void)
{
    sigset_t wanted;
    if (!taken) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        (void)sigemptyset(&plain.sa_mask);
        (void)sigaction(SIGCHLD, &plain, NULL);
        choose_signals(&wanted);
        taken = sigprocmask(SIG_BLOCK, &wanted, &taken_mask) == 0;
    }
}

void snug_signals_give_back(void)
{
    if (taken) {
        (void)sigprocmask(SIG_SETMASK, &taken_mask, NULL);
        taken = false;
    }
}

static snug_signal signal_of(int number)
{
    switch (number) {
    case SIGINT:
        return SNUG_SIGNAL_INTERRUPT;
    case SIGTERM:
        return SNUG_SIGNAL_TERMINATE;
    case SIGHUP:
        return SNUG_SIGNAL_HANGUP;
    case SIGCHLD:
        return SNUG_SIGNAL_CHILD;
    default:
        return SNUG_SIGNAL_NONE;
    }
}

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                             .tv_nsec = (long)(ns % 1000000000)};
}

snug_signal snug_signals_wait(int64_t ns, bool *out_from_terminal)
{
    sigset_t wanted;
    siginfo_t facts = {0};
    const struct timespec limit = time_of(ns);
    choose_signals(&wanted);
    const int number = sigtimedwait(&wanted, &facts, &limit);
    *out_from_terminal = number > 0 && facts.si_code == SI_KERNEL;
    return signal_of(number);
}

snug_signal snug_signals_wait_input(int64_t ns, bool *out_from_terminal)
{
    static int handle = -1;
    sigset_t wanted;
    struct signalfd_siginfo facts;
    const struct timespec limit = time_of(ns);
    *out_from_terminal = false;
    if (handle < 0) {
        choose_signals(&wanted);
        handle = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (handle < 0) {
        return snug_signals_wait(ns, out_from_terminal);
    }
    struct pollfd sources[] = {{.fd = handle, .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
    const int ready = ppoll(sources, 2, &limit, NULL);
    if (ready < 0) {
        return errno == EINTR ? SNUG_SIGNAL_INPUT : SNUG_SIGNAL_NONE;
    }
    if (sources[0].revents != 0 && read(handle, &facts, sizeof facts) == (ssize_t)sizeof facts) {
        *out_from_terminal = facts.ssi_code == SI_KERNEL;
        return signal_of((int)facts.ssi_signo);
    }
    return sources[1].revents != 0 ? SNUG_SIGNAL_INPUT : SNUG_SIGNAL_NONE;
}

/* The guard: waits until the pipe says "stop" or, by its end, that the process is gone. */
static void watch_over(int fd, void (*at_death)(void *context), void *context)
{
    sigset_t all;
    char word = 0;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)setsid();
    /* Nobody who reads our streams to their end shall wait for this process. */
    (void)dup2(fd, 3);
    (void)close_range(4, ~0U, 0);
    const int empty = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) {
        (void)dup2(empty, i);
    }
    ssize_t got = 0;
    do {
        got = read(3, &word, 1);
    } while (got < 0 && errno == EINTR);
    if (got == 0) {
        at_death(context);
    }
    _exit(0);
}

snug_status snug_guard_start(void (*at_death)(void *context), void *context, snug_guard *out,
                             snug_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return snug_file_fail(err, "make a pipe for", "the guard", errno);
    }
    const pid_t child = fork();
    if (child == 0) {
        (void)close(ends[1]);
        watch_over(ends[0], at_death, context);
    }
    const int reason = errno;
    (void)close(ends[0]);
    if (child < 0) {
        (void)close(ends[1]);
        return snug_file_fail(err, "start", "the guard", reason);
    }
    *out = (snug_guard){.pid = child, .handle = ends[1] + 1};
    return SNUG_OK;
}

void snug_guard_stop(snug_guard *guard)
{
    if (guard->handle != 0) {
        const ssize_t written = write(guard->handle - 1, "s", 1);
        (void)written;
        (void)close(guard->handle - 1);
        while (waitpid((pid_t)guard->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    *guard = (snug_guard){0};
}
