/* Asks how much memory a run may use here, and why not more. */
#include <stdio.h>

#include <snug/machine.h>

int main(void)
{
    snug_error err = {0};
    snug_machine machine = {0};
    if (snug_machine_check(&(snug_machine_options){.budget = "auto"}, &machine, &err) != SNUG_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    (void)printf("%lld MiB of %lld MiB, bound by %s\n", (long long)(machine.budget_bytes >> 20),
                 (long long)(machine.total_bytes >> 20), machine.bound_by);
    return 0;
}
