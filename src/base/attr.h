/* Compiler attributes, named once. */
#ifndef SNUG_BASE_ATTR_H
#define SNUG_BASE_ATTR_H

#define SNUG_PRINTF(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))
/* The result is a format that takes the arguments of this one. */
#define SNUG_FORMAT_ARGUMENT(index) __attribute__((format_arg(index)))
#define SNUG_NORETURN __attribute__((noreturn))
/* For kernels whose shape is a constant argument: the call disappears, the loops unroll. */
#define SNUG_ALWAYS_INLINE inline __attribute__((always_inline))
#define SNUG_LIKELY(x) __builtin_expect(!!(x), 1)
#define SNUG_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define SNUG_UNUSED(x) ((void)(x))
#if defined(__x86_64__)
/* Whether the processor has a feature and the system saves its registers. */
#define SNUG_CPU_HAS(feature) (__builtin_cpu_supports(feature) != 0)
#else
#define SNUG_CPU_HAS(feature) (0)
#endif
#if defined(__x86_64__) || defined(__i386__)
#define SNUG_SPIN_HINT() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define SNUG_SPIN_HINT() __asm__ volatile("yield")
#else
#define SNUG_SPIN_HINT() ((void)0)
#endif
#define SNUG_COUNT(array) ((int64_t)(sizeof(array) / sizeof((array)[0])))

#endif
