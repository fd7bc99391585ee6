#include "base/sort.h"

/* Moves things up into the hole as long as they come behind `moved`, which ends up below them. */
static void sink(int32_t *numbers, int64_t hole, int64_t count, int32_t moved, snug_before before,
                 const void *things)
{
    for (int64_t child = 2 * hole + 1; child < count; child = 2 * hole + 1) {
        if (child + 1 < count && before(things, numbers[child], numbers[child + 1])) {
            child++;
        }
        if (!before(things, moved, numbers[child])) {
            break;
        }
        numbers[hole] = numbers[child];
        hole = child;
    }
    numbers[hole] = moved;
}

void snug_sort_numbers(int32_t *numbers, int64_t count, snug_before before, const void *things)
{
    for (int64_t i = 0; i < count; i++) {
        numbers[i] = (int32_t)i;
    }
    for (int64_t start = count / 2 - 1; start >= 0; start--) {
        sink(numbers, start, count, numbers[start], before, things);
    }
    for (int64_t end = count - 1; end > 0; end--) {
        const int32_t moved = numbers[end];
        numbers[end] = numbers[0];
        sink(numbers, 0, end, moved, before, things);
    }
}

void snug_sort_f64(double *values, int64_t count)
{
    for (int64_t gap = count / 2; gap > 0; gap /= 2) {
        for (int64_t i = gap; i < count; i++) {
            const double value = values[i];
            int64_t place = i;
            for (; place >= gap && values[place - gap] > value; place -= gap) {
                values[place] = values[place - gap];
            }
            values[place] = value;
        }
    }
}
