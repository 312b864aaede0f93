/*
 * append_only.c: the journal and the ledger refuse changes outside posting.
 *
 * A trigger on both tables refuses UPDATE, DELETE and TRUNCATE for every role,
 * the owner included.  Posting moves rows from the journal to the ledger, and
 * says so with the setting loyalty.posting, which its function sets for its
 * own duration.  The setting guards against accidents, not against an owner
 * who means it: an owner can drop the trigger just as well.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "append_only.h"

static bool posting = false;

void
append_only_init(void)
{
	DefineCustomBoolVariable("loyalty.posting",
							 "Is set by loyalty while it moves journal entries to the ledger.",
							 NULL, &posting, false, PGC_USERSET,
							 GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							 NULL, NULL, NULL);
}

PG_FUNCTION_INFO_V1(loyalty_append_only);

/*
 * append_only(): statement trigger, BEFORE UPDATE, DELETE or TRUNCATE.
 */
Datum
loyalty_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by a BEFORE STATEMENT trigger",
						"append_only")));
	if (!posting)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("entries of \"%s\" can't be changed or deleted",
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Change the order: the difference is recorded as a new entry.")));
	return PointerGetDatum(NULL);
}
