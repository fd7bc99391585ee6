#include "sys/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/checked.h"
#include "base/translate.h"
#include "sys/heap.h"

/* Sanitizers keep their per-thread state on the stack and make frames larger. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STACK_EXTRA_BYTES = 2 << 20 };
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
enum { STACK_EXTRA_BYTES = 2 << 20 };
#else
enum { STACK_EXTRA_BYTES = 0 };
#endif
#else
enum { STACK_EXTRA_BYTES = 0 };
#endif

int64_t snug_thread_bytes(int64_t stack_bytes)
{
    const int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    const int64_t stack = stack_bytes > 0 ? stack_bytes : SNUG_STACK_BYTES;
    return snug_align_up(stack + STACK_EXTRA_BYTES, page) + page;
}

static void *run_body(void *argument)
{
    snug_thread *thread = argument;
    (void)pthread_setname_np(pthread_self(), thread->name);
    thread->body(thread->context);
    return NULL;
}

static int create_native(snug_thread *thread)
{
    const int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    unsigned char *stack = thread->stack;
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    if (pthread_attr_init(&attributes) != 0) {
        return ENOMEM;
    }
    int code =
        pthread_attr_setstack(&attributes, stack + page, (size_t)(thread->stack_map_bytes - page));
    if (code == 0) {
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        code = pthread_create(&thread->native, &attributes, run_body, thread);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attributes);
    return code;
}

snug_status snug_thread_start(snug_thread *thread, const char *name, int64_t stack_bytes,
                              snug_thread_body body, void *context, snug_error *err)
{
    const snug_thread before = *thread;
    const int64_t page = (int64_t)sysconf(_SC_PAGESIZE);
    const int64_t bytes = snug_thread_bytes(stack_bytes);
    void *stack = NULL;
    SNUG_ASSERT(!thread->started);
    SNUG_TRY(snug_heap_map(SNUG_CATEGORY_RUNTIME, bytes, true, &stack, err));
    /* The guard page was touched with the rest; it need not stay resident. */
    (void)madvise(stack, (size_t)page, MADV_DONTNEED);
    (void)mprotect(stack, (size_t)page, PROT_NONE);
    *thread =
        (snug_thread){.stack = stack, .stack_map_bytes = bytes, .body = body, .context = context};
    (void)snprintf(thread->name, sizeof thread->name, "%s", name);
    thread->started = true;
    const int code = create_native(thread);
    if (code != 0) {
        snug_heap_unmap(SNUG_CATEGORY_RUNTIME, stack, bytes);
        *thread = before;
        return SNUG_FAIL(err, SNUG_CODE_MEMORY, "cannot start thread '%s': %s", name,
                         snug_translated(strerror(code)));
    }
    return SNUG_OK;
}

void snug_thread_join(snug_thread *thread)
{
    if (!thread->started) {
        return;
    }
    const int code = pthread_join(thread->native, NULL);
    SNUG_ASSERT(code == 0);
    snug_heap_unmap(SNUG_CATEGORY_RUNTIME, thread->stack, thread->stack_map_bytes);
    *thread = (snug_thread){0};
}

void snug_mutex_init(snug_mutex *mutex)
{
    const int code = pthread_mutex_init(&mutex->native, NULL);
    SNUG_ASSERT(code == 0);
}

void snug_mutex_deinit(snug_mutex *mutex)
{
    const int code = pthread_mutex_destroy(&mutex->native);
    SNUG_ASSERT(code == 0);
}

void snug_mutex_lock(snug_mutex *mutex)
{
    const int code = pthread_mutex_lock(&mutex->native);
    SNUG_ASSERT(code == 0);
}

void snug_mutex_unlock(snug_mutex *mutex)
{
    const int code = pthread_mutex_unlock(&mutex->native);
    SNUG_ASSERT(code == 0);
}

void snug_condition_init(snug_condition *condition)
{
    pthread_condattr_t attributes;
    int code = pthread_condattr_init(&attributes);
    SNUG_ASSERT(code == 0);
    code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    SNUG_ASSERT(code == 0);
    code = pthread_cond_init(&condition->native, &attributes);
    SNUG_ASSERT(code == 0);
    (void)pthread_condattr_destroy(&attributes);
}

void snug_condition_deinit(snug_condition *condition)
{
    const int code = pthread_cond_destroy(&condition->native);
    SNUG_ASSERT(code == 0);
}

void snug_condition_wait(snug_condition *condition, snug_mutex *mutex)
{
    const int code = pthread_cond_wait(&condition->native, &mutex->native);
    SNUG_ASSERT(code == 0);
}

bool snug_condition_wait_ns(snug_condition *condition, snug_mutex *mutex, int64_t timeout_ns)
{
    struct timespec until = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t nanoseconds = until.tv_nsec + timeout_ns % 1000000000;
    until.tv_sec += (time_t)(timeout_ns / 1000000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    const int code = pthread_cond_timedwait(&condition->native, &mutex->native, &until);
    SNUG_ASSERT(code == 0 || code == ETIMEDOUT);
    return code == 0;
}

void snug_condition_signal(snug_condition *condition)
{
    const int code = pthread_cond_signal(&condition->native);
    SNUG_ASSERT(code == 0);
}

void snug_condition_broadcast(snug_condition *condition)
{
    const int code = pthread_cond_broadcast(&condition->native);
    SNUG_ASSERT(code == 0);
}
