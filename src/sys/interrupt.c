#include "sys/interrupt.h"
#include "base/translate.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t seen_signal;
static struct sigaction before_int;
static struct sigaction before_term;
static bool caught;

static void note_signal(int number)
{
    if (seen_signal != 0) {
        /* Asked twice: the user does not want to wait. */
        (void)signal(number, SIG_DFL);
        (void)raise(number);
        return;
    }
    seen_signal = number;
}

snug_status snug_interrupt_catch(snug_error *err)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    if (caught) {
        return SNUG_OK;
    }
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, &before_int) != 0) {
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot catch SIGINT: %s",
                         snug_translated(strerror(errno)));
    }
    if (sigaction(SIGTERM, &action, &before_term) != 0) {
        (void)sigaction(SIGINT, &before_int, NULL);
        return SNUG_FAIL(err, SNUG_CODE_IO, "cannot catch SIGTERM: %s",
                         snug_translated(strerror(errno)));
    }
    seen_signal = 0;
    caught = true;
    return SNUG_OK;
}

void snug_interrupt_release(void)
{
    if (caught) {
        (void)sigaction(SIGINT, &before_int, NULL);
        (void)sigaction(SIGTERM, &before_term, NULL);
        caught = false;
    }
    seen_signal = 0;
}

bool snug_interrupt_seen(void)
{
    return seen_signal != 0;
}

const char *snug_interrupt_name(void)
{
    const int number = seen_signal;
    if (number == 0) {
        return "";
    }
    return number == SIGINT ? "SIGINT" : "SIGTERM";
}
