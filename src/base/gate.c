/*
 * gate.c: what the trigger protocol promises to trigger functions.
 *
 * Anybody can make a trigger of any kind on a table of his own that calls one of
 * our trigger functions.  So each of them looks first, here, at how it was called.
 */
#include "postgres.h"

#include "gate.h"

/* What has to call a function of each timing. */
static const char *const callers[] = {
	[GATE_ANY] = "a trigger",
	[GATE_BEFORE_STATEMENT] = "a BEFORE STATEMENT trigger",
	[GATE_BEFORE_ROW] = "a BEFORE ROW trigger",
	[GATE_AFTER_STATEMENT] = "an AFTER STATEMENT trigger"
};

static bool
is_timely(TriggerEvent event, GateTiming timing)
{
	switch (timing)
	{
		case GATE_ANY:
			return true;
		case GATE_BEFORE_STATEMENT:
			return TRIGGER_FIRED_BEFORE(event) && TRIGGER_FIRED_FOR_STATEMENT(event);
		case GATE_BEFORE_ROW:
			return TRIGGER_FIRED_BEFORE(event) && TRIGGER_FIRED_FOR_ROW(event);
		case GATE_AFTER_STATEMENT:
			return TRIGGER_FIRED_AFTER(event) && TRIGGER_FIRED_FOR_STATEMENT(event);
	}
	return false;
}

/*
 * The data of the trigger that called a function, or an error if it is not one of
 * this timing.
 */
TriggerData *
gate_trigger(FunctionCallInfo fcinfo, const char *function, GateTiming timing)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !is_timely(trigdata->tg_event, timing))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by %s", function, callers[timing])));
	return trigdata;
}
