/*
 * append_only.c: the journal, the ledger and the entries of vouchers refuse changes by SQL.
 *
 * A trigger on these tables refuses UPDATE, DELETE and TRUNCATE for every role,
 * the owner included.  Posting accesses the tables directly.  This guards
 * against accidents, not against an owner who means it: an owner can drop the
 * trigger just as well.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "gate.h"

PG_FUNCTION_INFO_V1(loyalty_append_only);

/*
 * append_only(): statement trigger, BEFORE UPDATE, DELETE or TRUNCATE.
 */
Datum
loyalty_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = gate_trigger(fcinfo, "append_only", GATE_BEFORE_STATEMENT);
	const char *table = RelationGetRelationName(trigdata->tg_relation);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("entries of \"%s\" cannot be changed or deleted", table),
			 strcmp(table, "voucher_entry") == 0 ?
			 errhint("Call void_voucher of the program, and issue_voucher for another one.") :
			 errhint("Change the order, or call reverse or adjust of the program: the difference is recorded as a new entry.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
