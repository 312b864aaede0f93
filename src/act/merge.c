/*
 * merge.c: two customers turn out to be one.
 *
 * No order and no entry is moved.  One entry of the kind "merged" takes all that the account of a
 * customer has, and one of the kind "merge", of the same reference, adds it to the account
 * of another, the survivor: points with their dates, sums of orders, and what orders earned.  From then on
 * the key of the first is another name of the survivor: calls for it change the account of this one,
 * and so do orders that are recorded for it, before or after, whenever they are posted.  They
 * stay under the key by which they were recorded, so recording asks nobody: an order that races
 * with the merge waits for nothing, and is lost by nothing.
 *
 * Open holds are held for the survivor.  Who was merged into the first customer before is
 * one with the survivor, too.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "authorize.h"
#include "call.h"
#include "number.h"

/* The sums of an account that a merge passes on. */
static void
read_sums(Authorization *from, Call *call)
{
	char	   *query = psprintf("SELECT a.spend::pg_catalog.numeric, a.points_earned::pg_catalog.numeric, a.orders::pg_catalog.int4"
								 " FROM %s.account a WHERE a.customer %s $1",
								 from->posting.program, from->posting.operators[0]);
	bool		isnull;

	if (SPI_execute_with_args(query, 1, &from->posting.key_type, &from->customer, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "the account of a customer is gone while it is locked");
	call->spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)));
	call->points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull)));
	call->orders = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	SPI_freetuptable(SPI_tuptable);
}

/* Run a query about the customer, who is $1, the survivor, who is $2, and a reference and moment. */
static void
pass_on(Authorization *from, Authorization *to, const Call *call, const char *format)
{
	Oid			types[4] = {from->posting.key_type, from->posting.key_type, TEXTOID, TIMESTAMPTZOID};
	Datum		values[4] = {from->customer, to->customer, PointerGetDatum(call->reference), TimestampTzGetDatum(from->at)};
	int			result = SPI_execute_with_args(psprintf(format, from->posting.program, from->posting.operators[0]),
											   4, types, values, NULL, false, 0);

	if (result < 0)
		elog(ERROR, "could not merge customers: %s", SPI_result_code_string(result));
}

/* What other tables say of who has what. */
static void
pass_all_on(Authorization *from, Authorization *to, const Call *call)
{
	pass_on(from, to, call,
			"UPDATE %1$s.account r SET spend = r.spend + s.spend, orders = r.orders + s.orders, points_earned = r.points_earned + s.points_earned,"
			" first_order_at = least(r.first_order_at, s.first_order_at), last_order_at = greatest(r.last_order_at, s.last_order_at),"
			" held = r.held + s.held, next_release = least(r.next_release, s.next_release),"
			" purchases = _loyalty.add_histories(r.purchases, s.purchases), events = _loyalty.add_event_histories(r.events, s.events),"
			" merged = coalesce(r.merged, '{}') || s.customer || coalesce(s.merged, '{}')"
			" FROM %1$s.account s WHERE r.customer %2$s $2 AND s.customer %2$s $1");
	pass_on(from, to, call,
			"UPDATE %1$s.account s SET spend = 0, orders = 0, points_earned = 0, first_order_at = NULL, last_order_at = NULL,"
			" held = 0, next_release = NULL, purchases = NULL, events = NULL, merged_into = $2 WHERE s.customer %2$s $1");
	pass_on(from, to, call, "UPDATE %1$s.held h SET customer = $2 WHERE h.customer %2$s $1");
	pass_on(from, to, call, "UPDATE %1$s.merged m SET survivor = $2 WHERE m.survivor %2$s $1");
	pass_on(from, to, call, "INSERT INTO %1$s.merged (customer, survivor, merged_into, reference, at) VALUES ($1, $2, $2, $3, $4)");
	pass_on(from, to, call, "DELETE FROM %1$s.set_aside a WHERE a.customer %2$s $1");
}

/* Both must be somebody of his own. */
static void
require_two(Authorization *from, Authorization *to)
{
	if (posting_compare_customers(&to->posting, from->recorded_for, to->recorded_for) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a customer cannot be merged into himself")));
	if (authorize_passes_on(from) || posting_compare_customers(&to->posting, from->customer, to->customer) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_ALREADY_MERGED),
				 errmsg("the customers are merged already"),
				 errdetail("The customer %s was merged into the customer %s.",
						   text_to_cstring(posting_key_to_text(&to->posting, authorize_passes_on(from) ? from->recorded_for : to->recorded_for)),
						   text_to_cstring(posting_key_to_text(&to->posting, authorize_passes_on(from) ? from->customer : to->customer))),
				 errhint("The table \"merged\" of the program says who was merged into whom.")));
}

/* What both have may not be more than an account can hold, or no later entry would be posted. */
static void
require_room(Authorization *from, Authorization *to)
{
	Call		theirs = {0};
	Call		ours = {0};
	Datum		limit = number_account_limit();
	Datum		spend;
	Datum		earned;

	authorize_require_room(to, from->points);
	read_sums(from, &theirs);
	read_sums(to, &ours);
	spend = DirectFunctionCall1(numeric_abs, DirectFunctionCall2(numeric_add, theirs.spend, ours.spend));
	earned = DirectFunctionCall1(numeric_abs, DirectFunctionCall2(numeric_add, theirs.points_earned, ours.points_earned));
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, spend, limit)) && DatumGetBool(DirectFunctionCall2(numeric_lt, earned, limit)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("the sum of amounts or points in the account would have more than 26 digits"),
			 errdetail("Both customers together have spent %s, and their orders earned %s points.",
					   number_show(spend), number_show(earned)),
			 errhint("They stay two; what one has available can be given to the other by a transfer.")));
}

/* Take all that a customer has, for an entry of the survivor, which is filled in. */
static LotList *
take_all(Authorization *from, Authorization *to, Call *call)
{
	Call		taken = {.kind = MERGED,.revision = 1,.has_counterpart = true};
	Call		found;
	LotList    *lots;

	if (authorize_find(from, call->reference, 1, &found))
		call_refuse_reference(&found, "");
	read_sums(from, call);
	taken.reference = call->reference;
	taken.reason = call->reason;
	taken.counterpart = to->recorded_for;
	call->points = from->points;
	taken.points = taken.net = DirectFunctionCall1(numeric_uminus, call->points);
	taken.spend = DirectFunctionCall1(numeric_uminus, call->spend);
	taken.points_earned = DirectFunctionCall1(numeric_uminus, call->points_earned);
	taken.orders = -call->orders;
	lots = purse_empty(from->purse);
	authorize_write(from, &taken);
	return lots;
}

PG_FUNCTION_INFO_V1(loyalty_merge);

/*
 * merge(program regclass, customer anyelement, survivor anyelement, reference text, reason text)
 * returns receipt
 *
 * Makes a customer one with another, the survivor, whose account then has all, and whose
 * entry is answered.
 */
Datum
loyalty_merge(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext own;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Authorization auth;
	Authorization from;
	Call		call = {.kind = MERGE,.has_counterpart = true};
	LotList    *lots;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the survivor must not be null")));
	authorize_enter(&auth, fcinfo, "merge");
	call.reference = call_reference_argument(fcinfo, 3);
	call.reason = call_reason_argument(fcinfo, 4, false);
	authorize_lock_two(&auth, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), type, type);
	authorize_settle(&auth, PG_GETARG_DATUM(2), type, true);
	/* what is made from here on outlives the work on the other account */
	own = CurrentMemoryContext;
	authorize_open(&from, PG_GETARG_OID(0), PG_GETARG_DATUM(1), type);
	MemoryContextSwitchTo(own);
	call.counterpart = posting_copy_customer(&auth.posting, from.recorded_for);
	if (!call_is_repeated(&auth, &call))
	{
		require_two(&from, &auth);
		require_room(&from, &auth);
		lots = take_all(&from, &auth, &call);
		pass_all_on(&from, &auth, &call);
		MemoryContextSwitchTo(own);
		call.points = PointerGetDatum(PG_DETOAST_DATUM_COPY(call.points));
		call.spend = PointerGetDatum(PG_DETOAST_DATUM_COPY(call.spend));
		call.points_earned = PointerGetDatum(PG_DETOAST_DATUM_COPY(call.points_earned));
		purse_pass(auth.purse, lots, auth.at);
	}
	authorize_end(&from);
	return call_finish(fcinfo, &auth, &call, context);
}
