/* Everything of libsnug at once. */
#ifndef SNUG_SNUG_H
#define SNUG_SNUG_H

#include "snug/analyze.h"
#include "snug/config.h"
#include "snug/data.h"
#include "snug/experiments.h"
#include "snug/language.h"
#include "snug/machine.h"
#include "snug/monitor.h"
#include "snug/run.h"
#include "snug/session.h"
#include "snug/status.h"
#include "snug/write.h"

#endif
