/*
 * append_only.c: the journal, the ledger, the entries of vouchers and what was decided by date
 * refuse changes by SQL.
 *
 * A trigger on these tables refuses UPDATE, DELETE and TRUNCATE for every role,
 * the owner included.  Posting accesses the tables directly.  This guards
 * against accidents, not against an owner who means it: an owner can drop the
 * trigger just as well.
 *
 * There is one exception: who is forgotten is erased from entries, too (act/erase.c).
 * It is permitted in C alone, where the statement is fixed, for one UPDATE of one
 * table.  The first UPDATE of it uses the permission up, be it that one or another
 * that a trigger of a user makes before it; then that one is refused, and nothing
 * remains of the other.
 */
#include "postgres.h"

#include "utils/rel.h"

#include "append_only.h"
#include "gate.h"

/* The table that the next UPDATE may change, or InvalidOid. */
static Oid	permitted = InvalidOid;

PG_FUNCTION_INFO_V1(loyalty_append_only);

/*
 * Let one UPDATE change entries of a table, until append_only_withdraw(), which must be
 * called after errors, too.
 */
void
append_only_permit(Oid table)
{
	permitted = table;
}

/*
 * Let no UPDATE change entries.
 */
void
append_only_withdraw(void)
{
	permitted = InvalidOid;
}

/*
 * append_only(): statement trigger, BEFORE UPDATE, DELETE or TRUNCATE.
 */
Datum
loyalty_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = gate_trigger(fcinfo, "append_only", GATE_BEFORE_STATEMENT);
	const char *table = RelationGetRelationName(trigdata->tg_relation);

	if (TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) && RelationGetRelid(trigdata->tg_relation) == permitted)
	{
		append_only_withdraw();
		return PointerGetDatum(NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("entries of \"%s\" cannot be changed or deleted", table),
			 strcmp(table, "voucher_entry") == 0 ?
			 errhint("Call void_voucher of the program, and issue_voucher for another one.") :
			 strcmp(table, "date_grant") == 0 ?
			 errhint("Call reverse of the program with the reference of the grant, or grant_points: what was decided of the day stays.") :
			 errhint("Change the order, or call reverse or adjust of the program: the difference is recorded as a new entry.")));
	return PointerGetDatum(NULL);	/* keep compiler quiet */
}
