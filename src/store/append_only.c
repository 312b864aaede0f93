/*
 * append_only.c: the journal and the ledger refuse changes by SQL.
 *
 * A trigger on both tables refuses UPDATE, DELETE and TRUNCATE for every role,
 * the owner included.  Posting accesses the tables directly.  This guards
 * against accidents, not against an owner who means it: an owner can drop the
 * trigger just as well.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

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
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("entries of \"%s\" cannot be changed or deleted",
					RelationGetRelationName(trigdata->tg_relation)),
			 errhint("Change the order: the difference is recorded as a new entry.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
