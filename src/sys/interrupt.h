/* Ctrl-C and SIGTERM as a flag that the loop looks at between steps. */
#ifndef SNUG_SYS_INTERRUPT_H
#define SNUG_SYS_INTERRUPT_H

#include <stdbool.h>

#include "base/status.h"

/** Catches SIGINT and SIGTERM from now on; a second one of them ends the process at once. */
SNUG_MUST_CHECK snug_status snug_interrupt_catch(snug_error *err);
/** Gives the signals back to whoever had them before and clears the flag. */
void snug_interrupt_release(void);

/** True once a signal came. @threads Any. */
bool snug_interrupt_seen(void);
/** "SIGINT", "SIGTERM", or "" when none came. */
const char *snug_interrupt_name(void);

#endif
