/* labels: fast */
/* Numbers of things come out in the order of the things, whatever order they were in. */
#include "check.h"

#include "base/philox.h"
#include "base/sort.h"

enum { COUNT_MAX = 1000 };

static bool before(const void *things, int32_t a, int32_t b)
{
    const uint32_t *values = things;
    return values[a] < values[b];
}

static void every_count_is_sorted(void **state)
{
    (void)state;
    static uint32_t values[COUNT_MAX];
    static int32_t numbers[COUNT_MAX + 1];
    for (int64_t count = 0; count <= COUNT_MAX; count += 1 + count / 7) {
        bool seen[COUNT_MAX] = {false};
        const snug_philox_key key = snug_philox_stream(5, (uint64_t)count);
        for (int64_t i = 0; i < count; i++) {
            /* Few values, so that many are equal. */
            values[i] = snug_philox(key, (snug_philox_block){{(uint32_t)i, 0, 0, 0}}).word[0] % 97;
        }
        numbers[count] = -7;
        snug_sort_numbers(numbers, count, before, values);
        CHECK(numbers[count] == -7);
        for (int64_t i = 0; i < count; i++) {
            CHECK(numbers[i] >= 0 && numbers[i] < count && !seen[numbers[i]]);
            seen[numbers[i]] = true;
            CHECK(i == 0 || values[numbers[i - 1]] <= values[numbers[i]]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_count_is_sorted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
