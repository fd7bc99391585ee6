/*
 * Preloaded into user-mode Linux: it knows no more of a processor's state than AVX-512 and
 * protection keys, the host's kernel takes all of it or none (EFAULT), and with AMX there is more.
 * What it does not know is written back as it was.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NT_X86_XSTATE 0x202
#define STATE_BYTES 16384 // AMX takes 8 KiB of it.

static long set_state(long pid, struct iovec *given)
{
    static char state[STATE_BYTES]; // One thread traces.
    struct iovec all = {state, sizeof state};
    if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all) != 0) {
        return -1;
    }
    if (given->iov_len >= all.iov_len) {
        return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, given);
    }
    memcpy(state, given->iov_base, given->iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
    va_list words;
    va_start(words, request);
    long pid = va_arg(words, pid_t);
    void *address = va_arg(words, void *);
    void *data = va_arg(words, void *);
    va_end(words);
    if (request == PTRACE_SETREGSET && address == (void *)NT_X86_XSTATE) {
        return set_state(pid, data);
    }
    if (request != PTRACE_PEEKTEXT && request != PTRACE_PEEKDATA && request != PTRACE_PEEKUSER) {
        return syscall(SYS_ptrace, request, pid, address, data);
    }
    long word = 0; // These three answer with it; the kernel writes it where data points.
    if (syscall(SYS_ptrace, request, pid, address, &word) != 0) {
        return -1;
    }
    errno = 0;
    return word;
}
