/* A scope of the user's systemd for this process, in which it may make control groups. */
#ifndef SNUG_SYS_SCOPE_H
#define SNUG_SYS_SCOPE_H

#include <stdbool.h>

#include "base/text.h"

/**
 * Has the user's systemd move this process into a scope `name` ("NAME.scope") that is delegated to
 * us, and there into a group "supervisor": the scope itself has no process then, so that it can
 * hand memory down to groups beside. systemd removes it all when the last process has left.
 *
 * A session's own group may not be subdivided, and only systemd may move a process out of it.
 *
 * @param root     Before every path; only "" can succeed.
 * @param[out] why One clause when it is not possible, for people.
 * @return False when it is not possible; the process is then where it was, or in the scope.
 * @mem     Allocates nothing.
 */
bool snug_scope_enter(const char *root, const char *name, snug_text *why);

#endif
