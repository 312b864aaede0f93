/*
 * gate.h: what the trigger protocol promises to trigger functions.
 */
#ifndef LOYALTY_GATE_H
#define LOYALTY_GATE_H

#include "commands/trigger.h"
#include "fmgr.h"

/* When a trigger function is to be called. */
typedef enum GateTiming
{
	GATE_ANY,
	GATE_BEFORE_STATEMENT,
	GATE_BEFORE_ROW,
	GATE_AFTER_STATEMENT
} GateTiming;

extern TriggerData *gate_trigger(FunctionCallInfo fcinfo, const char *function,
								 GateTiming timing);

#endif							/* LOYALTY_GATE_H */
