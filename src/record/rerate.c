/*
 * rerate.c: orders that are recorded again, under the present terms.
 *
 * The terms of an order are those it was first recorded under, so rules that are written
 * after a backfill give nothing for its orders.  To rerate them is to say that they
 * should have been recorded under the present terms.
 *
 * This is done in two steps, for all tables of a program together, so that tiers come out
 * as if the orders had been recorded under these terms from the start.  First each
 * order gets an entry by which it does not count, all at one moment that is later than
 * everything recorded before: the fold (see accrual.c) takes them back.  Then each gets
 * an entry by which it stands as the view of the present terms says, a microsecond
 * later: the fold adds them in the order of their own times.  That entry is of
 * other terms than those before it, so the order begins anew with it: the fold decides
 * about its tier.  It is marked as moved, by which a restore knows that it is no order
 * that was just loaded.  What does not depend on the terms stays: the rate of its
 * currency.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "current.h"
#include "moment.h"
#include "owner.h"
#include "program.h"
#include "protect.h"
#include "reconcile.h"

/*
 * First step: the orders of other terms that were made since, that have a row and are not
 * archived.
 */
static int64
reverse_orders(TrackedTable *root, TimestampTz since, TimestampTz moment)
{
	BulkRead	bulk = {.root = root,.mode = RECORD_ROWS,.moment = since,.record_at = moment};

	bulk.query = psprintf("SELECT r.customer, r.order_key FROM %1$s.recorded_orders r"
						  " WHERE r.tracked_table = $1 AND r.counts AND r.terms <> %4$d AND r.at >= $2"
						  " AND EXISTS (SELECT FROM %2$s v WHERE v.order_key = r.order_key AND v.customer %3$s r.customer)"
						  " AND NOT EXISTS (SELECT FROM %1$s.archived a WHERE a.tracked_table = r.tracked_table AND a.order_key = r.order_key)",
						  quote_identifier(root->program),
						  quote_qualified_identifier(root->program, get_rel_name(root->identity)),
						  root->same_customer, root->terms);
	record_query(&bulk);
	return bulk.written;
}

/*
 * Second step: those that were taken back at that moment.  If an expression fails for one
 * of them, each is read by its key, as are those that keep a rate, and those of which rules
 * look at the row of the customer, as it is now.
 */
static int64
begin_anew(TrackedTable *root, TimestampTz moment)
{
	BulkRead	bulk = {.root = root,.mode = RECORD_ANEW,.moment = moment,.record_at = moment + 1};
	const char *condition = psprintf("r.tracked_table = $1 AND NOT r.counts AND r.recorded_at = $2 AND r.terms <> %d",
									 root->terms);
	ErrorData  *error;

	if (!root->in_currency && !root->reads_members)
	{
		bulk.read = true;
		bulk.query = psprintf("SELECT " CURRENT_COLUMNS
							  " FROM %s.recorded_orders r JOIN %s v ON v.order_key = r.order_key AND v.customer %s r.customer"
							  " WHERE %s",
							  quote_identifier(root->program),
							  quote_qualified_identifier(root->program, get_rel_name(root->view)),
							  root->same_customer, condition);
		error = protect(record_query, &bulk);
		if (error == NULL)
			return bulk.written;
		FreeErrorData(error);
		bulk.read = false;
	}
	bulk.must_read = bulk.dated = true;
	/* an entry by which an order does not count has no time: the one before it has */
	bulk.query = psprintf("SELECT r.customer, r.order_key, e.at FROM %1$s.recorded_orders r CROSS JOIN LATERAL ("
						  "SELECT j.revision, j.at, j.order_key, j.tracked_table, j.customer FROM %1$s.journal j"
						  " UNION ALL SELECT l.revision, l.at, l.order_key, l.tracked_table, l.customer FROM %1$s.ledger l) e"
						  " WHERE %2$s AND e.customer %3$s r.customer AND e.tracked_table = r.tracked_table"
						  " AND e.order_key = r.order_key AND e.revision = r.revision - 1",
						  quote_identifier(root->program), condition, root->same_customer);
	record_query(&bulk);
	return bulk.written;
}

PG_FUNCTION_INFO_V1(loyalty_rerate_table);

/*
 * rerate_table(program name, tracked_table int, since timestamptz, moment timestamptz, again bool)
 * returns bigint
 *
 * One of the two steps, the second with again, for a tracked table that nobody writes to;
 * moment is later than all that is recorded in the program.  Returns the number of
 * entries.
 */
Datum
loyalty_rerate_table(PG_FUNCTION_ARGS)
{
	OwnerScope	scope;
	TrackedTable *root = record_open(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_INT32(1), &scope);
	TimestampTz moment = PG_GETARG_TIMESTAMPTZ(3);
	int64		written;

	PushActiveSnapshot(GetLatestSnapshot());
	if (PG_GETARG_BOOL(4))
	{
		written = begin_anew(root, moment);
		moment_not_before(moment + 1);
	}
	else
		written = reverse_orders(root, PG_GETARG_TIMESTAMPTZ(2), moment);
	PopActiveSnapshot();
	owner_leave(&scope);
	PG_RETURN_INT64(written);
}
