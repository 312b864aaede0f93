/*
 * member.c: the functions of a program that tell of one customer.
 *
 * They ask the views of the program with the rights of their caller, by plans that a
 * session keeps (see kept.c).  What a customer had at a moment, as it was known at another
 * one, is found by SQL (install/as_of.sql); here the key is brought to its type for it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "kept.h"
#include "terms.h"

/* The row of the type "balances", of a view. */
#define BALANCES(view) \
	"SELECT ROW(CASE WHEN m.points OPERATOR(pg_catalog.>) 0 THEN m.points ELSE m.points OPERATOR(pg_catalog.-) m.points END, m.pending, m.held," \
	" CASE WHEN m.points OPERATOR(pg_catalog.<) 0 THEN OPERATOR(pg_catalog.-) m.points ELSE m.points OPERATOR(pg_catalog.-) m.points END, m.next_expiry, m.expiring)" \
	"::loyalty.balances FROM %1$s." view " m WHERE m.%2$s %3$s %4$s"

/* The wallets of status points, which cannot be spent. */
#define STATUS \
	" (SELECT pg_catalog.array_agg(w.wallet) FROM %1$s.wallet w WHERE NOT w.redeemable)"

/* Is there such a customer, or one who had entries? */
#define IS_SOMEBODY \
	"EXISTS (SELECT FROM %1$s.members m WHERE m.%2$s %3$s %4$s)" \
	" OR EXISTS (SELECT FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s)" \
	" OR EXISTS (SELECT FROM %1$s.merged m WHERE m.customer %3$s %4$s)"

/* Entries of an account; and those that were recorded for some keys, of these as accounts of their own and of who has them now. */
#define OF_ACCOUNT(entry) entry ".%2$s %3$s %4$s"
#define OF_KEYS(entry) entry ".recorded_for %3$s ANY ($3) AND " entry ".%2$s %3$s ANY (ARRAY(SELECT coalesce((SELECT m.survivor FROM %1$s.merged m" \
	" WHERE m.customer %3$s k.customer), k.customer) FROM pg_catalog.unnest($3) k (customer)) OPERATOR(pg_catalog.||) $3)"

/* The balance at a moment, of some entries. */
#define BALANCE_AT(entries) \
	"SELECT CASE WHEN " IS_SOMEBODY \
	" THEN (SELECT coalesce(pg_catalog.sum(e.points), 0) OPERATOR(pg_catalog.-) coalesce(loyalty.total(loyalty.sum(e.lots))" \
	" OPERATOR(pg_catalog.-) loyalty.available(_loyalty.redeemable_lots(loyalty.sum(e.lots)," STATUS "), LEAST(GREATEST($2, '4713-01-02 BC'), '294276-12-30')), 0) FROM %1$s.entries e" \
	" WHERE " entries " AND e.effective_at OPERATOR(pg_catalog.<=) $2) END"

/* What decides about the tier at a moment, of some entries. */
#define TIER_AT(entries) \
	"WITH e AS (SELECT * FROM %1$s.entries x WHERE " entries " AND x.effective_at OPERATOR(pg_catalog.<=) $2)," \
	" o AS (SELECT DISTINCT ON (recorded_for, tracked_table, order_key) ordered_at, counts, event FROM e" \
	" ORDER BY recorded_for, tracked_table, order_key, revision DESC)" \
	" SELECT p.terms, (SELECT coalesce(pg_catalog.sum(amount_change), 0) FROM e)," \
	" (SELECT coalesce(pg_catalog.sum(orders_change), 0) FROM e)," \
	" (SELECT coalesce(pg_catalog.sum(e.points), 0) FROM e WHERE e.tracked_table OPERATOR(pg_catalog.>) 0), c.joined_at," \
	" (SELECT pg_catalog.min(ordered_at) FROM o WHERE counts AND event IS NULL)," \
	" (SELECT pg_catalog.max(ordered_at) FROM o WHERE counts AND event IS NULL), NULL::loyalty.history, NULL::_loyalty.event_history[]" \
	" FROM (SELECT m.joined_at FROM %1$s.members m WHERE m.%2$s %3$s %4$s" \
	" UNION ALL SELECT m.joined_at FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s" \
	" UNION ALL SELECT c.joined_at FROM %1$s.merged m LEFT JOIN %1$s.customer c ON c.customer %3$s m.customer WHERE m.customer %3$s %4$s) c" \
	" CROSS JOIN %1$s.program p"

/* What is asked of a program; placeholders are those of kept_execute(). */
static const char *const questions[] = {
	[KEPT_BALANCE] = "SELECT m.points::pg_catalog.numeric FROM %1$s.members m WHERE m.%2$s %3$s %4$s",
	[KEPT_FORMER_BALANCE] = "SELECT m.points::pg_catalog.numeric FROM %1$s.former_members m WHERE m.%2$s %3$s %4$s",
	[KEPT_BALANCES] = BALANCES("members"),
	[KEPT_FORMER_BALANCES] = BALANCES("former_members"),
	[KEPT_BALANCE_AT] = BALANCE_AT(OF_ACCOUNT("e")),
	[KEPT_TIER_AT] = TIER_AT(OF_ACCOUNT("x")),
	[KEPT_STATE_AT] = "SELECT s FROM _loyalty.states_as_of($4, %4$s, $2, $3) s"
	" WHERE s.entries OPERATOR(pg_catalog.>) 0 OR " IS_SOMEBODY,
	[KEPT_BALANCE_OF_ALL] = BALANCE_AT(OF_KEYS("e")),
	[KEPT_TIER_OF_ALL] = TIER_AT(OF_KEYS("x")),
	[KEPT_KEYS] = "SELECT k.keys, k.keys[1] AS %2$s FROM (SELECT _loyalty.keys_as_of($3, %4$s, $2) FROM %1$s.program) k (keys) WHERE k.keys[1] %3$s k.keys[1]",
	[KEPT_TIER_BY_STATE] = "SELECT s.terms, s.spend, s.orders, s.points_earned, s.joined_at, s.first_order_at, s.last_order_at, s.purchases, s.events"
	" FROM _loyalty.states_as_of($3, %4$s, $2, 'infinity', effective => true) s WHERE s.entries OPERATOR(pg_catalog.>) 0 OR " IS_SOMEBODY,
	[KEPT_MERGED] = "SELECT m.survivor AS %2$s FROM %1$s.merged m WHERE m.customer %3$s %4$s"
};

/* The arguments of all questions: the customer, moments, and the program. */
#define ARGUMENTS 4

/* How many of them a question has. */
static int
arguments_of(KeptPlan question)
{
	switch (question)
	{
		case KEPT_BALANCE_AT:
		case KEPT_TIER_AT:
			return 2;
		case KEPT_BALANCE_OF_ALL:
		case KEPT_TIER_OF_ALL:
		case KEPT_KEYS:
		case KEPT_TIER_BY_STATE:
			return 3;
		case KEPT_STATE_AT:
			return ARGUMENTS;
		default:
			return 1;
	}
}

/* The tier, of a row of the answer to the question for the tier. */
static text *
tier_of_row(Oid program, HeapTuple row, TupleDesc desc, TimestampTz at)
{
	enum
	{
		TERMS, SPEND, ORDERS, POINTS, JOINED, FIRST, LAST, PURCHASES, EVENTS, COLUMNS
	};
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];
	Facts		facts = {0};

	for (int i = 0; i < COLUMNS; i++)
		values[i] = SPI_getbinval(row, desc, i + 1, &nulls[i]);
	facts.spend = values[SPEND];
	facts.orders = DatumGetInt64(values[ORDERS]);
	facts.points_earned = values[POINTS];
	facts.has_orders = !nulls[FIRST] && !nulls[LAST];
	facts.first_order_at = facts.has_orders ? DatumGetTimestampTz(values[FIRST]) : 0;
	facts.last_order_at = facts.has_orders ? DatumGetTimestampTz(values[LAST]) : 0;
	facts.at = at;
	facts.purchases = nulls[PURCHASES] ? (Datum) 0 : values[PURCHASES];
	facts.events = nulls[EVENTS] ? (Datum) 0 : values[EVENTS];
	return terms_tier_name(terms_find(program, DatumGetInt32(values[TERMS])), &facts, !nulls[JOINED],
						   nulls[JOINED] ? 0 : DatumGetTimestampTz(values[JOINED]));
}

/*
 * The tier, of the answer to the question for the tier.  If conditions ask for histories, that is asked for once
 * more, with these, which takes a look at all entries.
 */
static text *
tier_of_answer(KeptPlans *plans, Oid *types, Datum *values)
{
	Oid			state_types[3] = {types[0], TIMESTAMPTZOID, REGCLASSOID};
	Datum		state_values[3] = {values[0], values[1], ObjectIdGetDatum(plans->program)};
	bool		isnull;
	int32		terms = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));

	if (terms_find(plans->program, terms)->uses_histories)
	{
		kept_execute(plans, KEPT_TIER_BY_STATE, questions[KEPT_TIER_BY_STATE], arguments_of(KEPT_TIER_BY_STATE),
					 state_types, state_values, SPI_OK_SELECT);
		if (SPI_processed == 0)
			return NULL;
	}
	return tier_of_row(plans->program, SPI_tuptable->vals[0], SPI_tuptable->tupdesc, DatumGetTimestampTz(values[1]));
}

/* Ask; the answer is in the context of the caller.  False: there is no row. */
static bool
ask(KeptPlans *plans, KeptPlan question, Oid *types, Datum *values, MemoryContext context,
	Datum *answer, bool *isnull)
{
	bool		found;

	kept_execute(plans, question, questions[question], arguments_of(question), types, values, SPI_OK_SELECT);
	found = SPI_processed > 0;
	*answer = (Datum) 0;
	*isnull = true;
	if (found && (question == KEPT_TIER_AT || question == KEPT_TIER_OF_ALL))
	{
		text	   *tier = tier_of_answer(plans, types, values);

		*isnull = tier == NULL;
		if (tier != NULL)
			*answer = PointerGetDatum(memcpy(MemoryContextAlloc(context, VARSIZE(tier)), tier, VARSIZE(tier)));
	}
	else if (found)
	{
		*answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, isnull);
		if (!*isnull)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			*answer = PointerGetDatum(PG_DETOAST_DATUM_COPY(*answer));
			MemoryContextSwitchTo(old);
		}
	}
	SPI_freetuptable(SPI_tuptable);
	return found;
}

/*
 * Some customers were merged into others: then the key is replaced by that of the account
 * at the moment, and the question by the one that asks for all keys of it.
 */
static void
ask_for_all(KeptPlans *plans, Oid program, KeptPlan *question, Oid *types, Datum *values)
{
	Oid			key_types[3] = {types[0], TIMESTAMPTZOID, REGCLASSOID};
	Datum		key_values[3] = {values[0], values[1], ObjectIdGetDatum(program)};
	bool		isnull;

	kept_execute(plans, KEPT_KEYS, questions[KEPT_KEYS], 3, key_types, key_values, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		types[2] = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
		values[2] = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)));
		values[0] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
		*question = *question == KEPT_BALANCE_AT ? KEPT_BALANCE_OF_ALL : KEPT_TIER_OF_ALL;
	}
	/* the table stays as long as SPI is connected: the key is in it */
}

/* The customer into whom one was merged takes the place of the key; false: there is none. */
static bool
become_survivor(KeptPlans *plans, Oid *types, Datum *values)
{
	bool		isnull;

	kept_execute(plans, KEPT_MERGED, questions[KEPT_MERGED], 1, types, values, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	values[0] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	types[0] = SPI_gettypeid(SPI_tuptable->tupdesc, 1);
	return kept_bring_to_type(plans, &values[0], &types[0]);
}

/*
 * The answer to a question about moments, for a function (program regclass,
 * customer anyelement ...), whose further arguments are the moments.
 */
static Datum
answer(FunctionCallInfo fcinfo, KeptPlan question, int moments)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[ARGUMENTS] = {get_fn_expr_argtype(fcinfo->flinfo, 1), TIMESTAMPTZOID, TIMESTAMPTZOID, REGCLASSOID};
	Datum		values[ARGUMENTS] = {PG_GETARG_DATUM(1), (Datum) 0, (Datum) 0, ObjectIdGetDatum(PG_GETARG_OID(0))};
	KeptPlans  *plans = kept_find(PG_GETARG_OID(0));
	Datum		result = (Datum) 0;
	bool		isnull = true;
	bool		found;

	for (int i = 0; i < moments; i++)
		values[1 + i] = PG_GETARG_DATUM(2 + i);
	if (!kept_bring_to_type(plans, &values[0], &types[0]))
		PG_RETURN_NULL();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (question == KEPT_BALANCE_AT || question == KEPT_TIER_AT)
		ask_for_all(plans, PG_GETARG_OID(0), &question, types, values);
	found = ask(plans, question, types, values, context, &result, &isnull);
	if (!found && (question == KEPT_BALANCE || question == KEPT_BALANCES))
	{
		found = ask(plans, question + 1, types, values, context, &result, &isnull);
		if (!found && become_survivor(plans, types, values) &&
			!ask(plans, question, types, values, context, &result, &isnull))
			(void) ask(plans, question + 1, types, values, context, &result, &isnull);
	}
	SPI_finish();
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

PG_FUNCTION_INFO_V1(loyalty_balance);

/*
 * balance(program regclass, customer anyelement, at timestamptz) returns numeric
 *
 * The points of a customer: all that is recorded, or with a moment what was effective
 * then.  Null for who is neither in the customer table nor has entries.
 */
Datum
loyalty_balance(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(2))
		return answer(fcinfo, KEPT_BALANCE, 0);
	return answer(fcinfo, KEPT_BALANCE_AT, 1);
}

PG_FUNCTION_INFO_V1(loyalty_balances);

/*
 * balances(program regclass, customer anyelement) returns balances
 *
 * The points of a customer, by what can be done with them.  Null for who is neither in the
 * customer table nor has entries.
 */
Datum
loyalty_balances(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	return answer(fcinfo, KEPT_BALANCES, 0);
}

PG_FUNCTION_INFO_V1(loyalty_tier_at);

/*
 * tier_at(program regclass, customer anyelement, at timestamptz) returns text
 *
 * The tier that a customer held at a moment, by the present tiers; null without one.
 */
Datum
loyalty_tier_at(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	return answer(fcinfo, KEPT_TIER_AT, 1);
}

PG_FUNCTION_INFO_V1(loyalty_state_at);

/*
 * state_at(program regclass, customer anyelement, at timestamptz, known_at timestamptz)
 * returns state_as_of
 *
 * What a customer had at a moment, by what was known at another one.  Null for who is
 * neither in the customer table nor had entries.
 */
Datum
loyalty_state_at(PG_FUNCTION_ARGS)
{
	for (int i = 0; i < ARGUMENTS; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	return answer(fcinfo, KEPT_STATE_AT, 2);
}
