/* A few words over cmocka: conditions, failures with their exact code, skips that say why. */
#ifndef SNUG_TESTS_CHECK_H
#define SNUG_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"

/** The condition holds, or the test fails here. */
#define CHECK(condition) assert_true(condition)

/** The call succeeds, or its error message is printed. Uses a local `snug_error err`. */
#define CHECK_OK(call)                                                                             \
    do {                                                                                           \
        const snug_status check_status = (call);                                                   \
        if (snug_failed(check_status)) {                                                           \
            print_error("%s:%d: %s failed: %s: %s\n", __FILE__, __LINE__, #call,                   \
                        snug_status_name(check_status), err.message);                              \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

/** The call fails with exactly `code` and leaves a message. Uses a local `snug_error err`. */
#define CHECK_FAILS(call, expected)                                                                \
    do {                                                                                           \
        err = (snug_error){0};                                                                     \
        const snug_status check_status = (call);                                                   \
        if (check_status != (expected)) {                                                          \
            print_error("%s:%d: %s gave '%s', expected '%s' (%s)\n", __FILE__, __LINE__, #call,    \
                        snug_status_name(check_status), snug_status_name(expected), err.message);  \
            fail();                                                                                \
        }                                                                                          \
        assert_true(err.message[0] != '\0');                                                       \
        assert_int_equal(err.code, expected);                                                      \
    } while (0)

/** Ends the program as skipped, saying why. */
#define CHECK_SKIP_ALL(...)                                                                        \
    do {                                                                                           \
        printf("skipped: ");                                                                       \
        printf(__VA_ARGS__);                                                                       \
        printf("\n");                                                                              \
        exit(77);                                                                                  \
    } while (0)

#endif
