/*
 * current.c: orders as they stand in the tracked tables at this moment.
 *
 * What a trigger was given of an order is not enough when the order is more
 * than its row (it has lines or refunds), when it was changed again meanwhile,
 * or when another transaction recorded it first.  Then it is read here, by
 * key, with a plan that is kept.  The snapshot is of this moment whatever the
 * isolation level, as in journal.c.
 *
 * The amount of an order is its own, or the sum of its lines, less its refunds
 * but not below zero.  An order that is refunded in full does not count.  Rules
 * see the amount that is left; what rules per line add up to is reduced by the
 * share that was refunded.
 *
 * The amount of an order in a currency is multiplied by the rate that was valid
 * when it was made, by the program's table "rate" at the moment when the order
 * was first recorded.  It is pinned in the entry, until the order's currency
 * changes.  An order in a currency without a rate does not count: checkouts don't
 * fail for a rate that nobody entered, and verify() tells of it.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "current.h"
#include "owner.h"
#include "protect.h"
#include "snapshot.h"

/* "WHERE the order key is one of $1", in a way that can use an index on it. */
static void
append_key_condition(StringInfo query, TrackedTable *table)
{
	Oid			type = table->order_key.type;

	if (OidIsValid(get_array_type(type)))
		appendStringInfo(query, " WHERE (%s) = ANY ($1::pg_catalog.text[]::%s[])",
						 table->order_key_text,
						 format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	else
		appendStringInfo(query, " WHERE (%s)::pg_catalog.text = ANY ($1)",
						 table->order_key_text);
}

/*
 * What the order's money is worth in the program's, over new and asked:
 *
 * ----------
 *	CROSS JOIN LATERAL (SELECT currency) AS money
 *	CROSS JOIN LATERAL (SELECT rate pinned, or valid at the order's time) AS exchange
 * ----------
 */
static void
append_exchange(StringInfo query, TrackedTable *table)
{
	if (table->currency_text == NULL)
		appendStringInfoString(query,
							   " CROSS JOIN (SELECT ''::pg_catalog.text AS currency) AS money"
							   " CROSS JOIN (SELECT 1::pg_catalog.numeric AS rate) AS exchange");
	else
		appendStringInfo(query,
						 " CROSS JOIN LATERAL (SELECT coalesce((%1$s)::pg_catalog.text, '') COLLATE pg_catalog.\"C\" AS currency) AS money"
						 " CROSS JOIN LATERAL (SELECT CASE WHEN money.currency = '' THEN 1"
						 " WHEN money.currency = asked.currency COLLATE pg_catalog.\"C\" THEN asked.rate"
						 " ELSE (SELECT r.rate FROM %2$s.rate AS r WHERE r.currency = money.currency AND r.valid_from <= (%3$s)"
						 " ORDER BY r.valid_from DESC LIMIT 1)::pg_catalog.numeric END AS rate) AS exchange",
						 table->currency_text, quote_identifier(table->program),
						 table->at_text);
}

/*
 * The order as it was bought and what of it was refunded, over new and exchange:
 *
 * ----------
 *	CROSS JOIN LATERAL (SELECT (counts_when) AS it_does) AS counts
 *	CROSS JOIN LATERAL (SELECT CASE WHEN counts.it_does THEN amount or sum of lines END AS gross,
 *	                           sum of refunds AS refunded) AS bought
 *	CROSS JOIN LATERAL (SELECT customer, CASE ... END AS at, net * rate AS amount, rate) AS purchase
 * ----------
 */
static void
append_purchase(StringInfo query, TrackedTable *table)
{
	ListCell   *lc;

	appendStringInfo(query,
					 " CROSS JOIN LATERAL (SELECT (%s) AS it_does) AS counts"
					 " CROSS JOIN LATERAL (SELECT CASE WHEN counts.it_does THEN ",
					 table->counts_when_text);
	if (table->amount_text != NULL)
		appendStringInfo(query, "(%s)", table->amount_text);
	else if (table->lines != NULL)
		appendStringInfo(query, "(SELECT coalesce(pg_catalog.sum(%s), 0) FROM %s WHERE (%s) = (%s))",
						 table->lines->amount_text, table->lines->from,
						 table->lines->order_key_text, table->order_key_text);
	else
		appendStringInfoString(query, "NULL::pg_catalog.numeric");
	appendStringInfoString(query, " END AS gross, 0");
	foreach(lc, table->refunds)
	{
		OrderPart  *part = (OrderPart *) lfirst(lc);

		appendStringInfo(query,
						 " + coalesce((SELECT pg_catalog.sum(%s) FROM %s WHERE (%s) = (%s) AND (%s)), 0)",
						 part->amount_text, part->from, part->order_key_text,
						 table->order_key_text, part->counts_when_text);
	}
	appendStringInfo(query,
					 " AS refunded) AS bought"
					 " CROSS JOIN LATERAL (SELECT (%s) AS customer,"
					 " CASE WHEN counts.it_does AND (bought.refunded <= 0 OR bought.gross > bought.refunded)"
					 " THEN (%s) END AS at, (bought.gross - bought.refunded)::pg_catalog.numeric%s AS amount,"
					 " exchange.rate) AS purchase",
					 table->customer_text, table->at_text,
					 table->currency_text == NULL ? "" : " * exchange.rate");
}

/* What rules per line add up to, less the share that was refunded. */
static void
append_line_points(StringInfo query, TrackedTable *table, const char *line_text)
{
	if (line_text == NULL || table->lines == NULL)
		return;
	appendStringInfo(query,
					 " + coalesce((SELECT pg_catalog.sum(%s) FROM %s WHERE (%s) = (%s)), 0)"
					 " * CASE WHEN bought.refunded = 0 THEN 1 ELSE (bought.gross - bought.refunded) / bought.gross END",
					 line_text, table->lines->from,
					 table->lines->order_key_text, table->order_key_text);
}

/* A plan that is kept; frees the query. */
static SPIPlanPtr
prepare(TrackedTable *table, StringInfo query, int arguments)
{
	Oid			types[3] = {TEXTARRAYOID, TEXTARRAYOID, get_array_type(NUMERICOID)};
	int			nest = settings_begin(table->time_zone);
	SPIPlanPtr	plan = SPI_prepare_cursor(query->data, arguments, types,
										  CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "could not prepare the look-up of current orders: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	settings_end(nest);
	pfree(query->data);
	return plan;
}

/*
 * ----------
 *	SELECT purchase.customer, order_key, purchase.at, purchase.amount, points,
 *	       exchange.rate, money.currency, asked.number
 *	  FROM table AS new JOIN unnest($1, $2, $3) AS asked ON same order_key ...
 *	 WHERE order_key = ANY ($1::text[]::type[])
 * ----------
 * For a single order there is nothing to join.
 */
static SPIPlanPtr
prepare_orders(TrackedTable *table, const char *base_text, const char *line_text, bool single)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT purchase.customer, (%s)::pg_catalog.text, purchase.at, purchase.amount,"
					 " CASE WHEN purchase.at IS NOT NULL AND purchase.amount IS NOT NULL THEN (%s",
					 table->order_key_text, base_text);
	append_line_points(&query, table, line_text);
	appendStringInfo(&query, ")::pg_catalog.numeric END, exchange.rate, money.currency, asked.number FROM %s",
					 table->from);
	if (single)
		appendStringInfoString(&query,
							   " CROSS JOIN (SELECT ($2)[1] AS currency, ($3)[1] AS rate, 1::pg_catalog.int8 AS number) AS asked");
	else
		appendStringInfo(&query,
						 " JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
						 " WITH ORDINALITY AS asked (order_key, currency, rate, number)"
						 " ON asked.order_key COLLATE pg_catalog.\"C\" = (%s)::pg_catalog.text",
						 table->order_key_text);
	append_exchange(&query, table);
	append_purchase(&query, table);
	append_key_condition(&query, table);
	if (single)
		appendStringInfo(&query, " AND ($1)[1] COLLATE pg_catalog.\"C\" = (%s)::pg_catalog.text",
						 table->order_key_text);
	return prepare(table, &query, 3);
}

/*
 * ----------
 *	SELECT customer, order_key, tableoid, ctid FROM table AS new WHERE order_key = ANY (...)
 * ----------
 * In the order of the keys: two sessions that lock rows don't meet crosswise.
 */
static SPIPlanPtr
prepare_customers(TrackedTable *table)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT (%s), (%s)::pg_catalog.text, new.tableoid, new.ctid FROM %s",
					 table->customer_text, table->order_key_text, table->from);
	append_key_condition(&query, table);
	appendStringInfo(&query, " ORDER BY %s", table->order_key_text);
	return prepare(table, &query, 1);
}

static Datum
text_array(Datum *texts, int count)
{
	return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Run one of the plans with the rows of this moment. */
static void
execute(TrackedTable *table, SPIPlanPtr plan, Datum *arguments)
{
	int			nest;

	/* See what the statement did that fired the trigger. */
	CommandCounterIncrement();
	nest = settings_begin(table->time_zone);
	settings_look_up();
	snapshot_push_current(table->user_code);
	if (SPI_execute_plan(plan, arguments, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up current orders");
	PopActiveSnapshot();
	settings_end(nest);
}

/*
 * Lock a row, whatever the isolation level; false if it was changed meanwhile,
 * and is another one now.
 */
static bool
lock_row(Oid relid, ItemPointer tid)
{
	Relation	rel = table_open(relid, RowShareLock);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TM_FailureData failure;
	TM_Result	result = table_tuple_lock(rel, tid, GetLatestSnapshot(), slot,
										  GetCurrentCommandId(false),
										  LockTupleNoKeyExclusive, LockWaitBlock,
										  0, &failure);

	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
	return result != TM_Updated && result != TM_Deleted;
}

/* Lock the rows of the result of current_customers(). */
static bool
lock_rows(void)
{
	bool		locked = true;

	for (uint64 i = 0; locked && i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		Oid			relid = DatumGetObjectId(SPI_getbinval(tuple, desc, 3, &isnull));
		Datum		tid = SPI_getbinval(tuple, desc, 4, &isnull);

		locked = lock_row(relid, (ItemPointer) DatumGetPointer(tid));
	}
	return locked;
}

/*
 * Whose order row i of an SPI result is, and which: its first two columns.  False
 * if it is none.
 */
bool
current_identify(TrackedTable *table, uint64 i, Order *order)
{
	HeapTuple	tuple = SPI_tuptable->vals[i];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;

	order->customer = SPI_getbinval(tuple, desc, 1, &isnull);
	if (isnull)
		return false;
	order->order_key = SPI_getbinval(tuple, desc, 2, &isnull);
	if (isnull)
		return false;
	if (table->customer_length == -1)
		order->customer = PointerGetDatum(PG_DETOAST_DATUM_PACKED(order->customer));
	order->order_key = PointerGetDatum(PG_DETOAST_DATUM_PACKED(order->order_key));
	order_gone(order);
	return true;
}

/*
 * Give the customers that have the orders with these keys (text) to a sink.
 * The table is the one that was tracked.
 *
 * With lock, their rows are locked against other transactions that change one
 * of these orders, or lines or refunds of it: both would see the order without
 * what the other does.  The lock is that of an UPDATE of the row, so it keeps
 * nobody waiting who would not write to the same order.  Taken directly: that
 * needs no right to update, and a row that was changed after the snapshot is
 * read again instead of failing.
 */
void
current_customers(TrackedTable *table, Datum *keys, int count, bool lock,
				  OrderSink sink, void *arg)
{
	Datum		array = text_array(keys, count);

	/* The query takes a weaker lock, which would have to be raised. */
	if (lock)
		LockRelationOid(table->relid, RowShareLock);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (table->customers == NULL)
		table->customers = prepare_customers(table);
	execute(table, table->customers, &array);
	/* A row that another transaction moves meanwhile may be missed in both places. */
	if (!snapshot_is_of_one_moment(table->user_code) && SPI_processed < count)
	{
		SPI_freetuptable(SPI_tuptable);
		execute(table, table->customers, &array);
	}
	while (lock && !lock_rows())
	{
		CHECK_FOR_INTERRUPTS();
		SPI_freetuptable(SPI_tuptable);
		execute(table, table->customers, &array);
	}
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Order		order;

		if (current_identify(table, i, &order))
			sink(arg, &order);
	}
	SPI_finish();
}

/* The arguments of the plan of current_orders(). */
static void
pin_arguments(TrackedTable *table, const OrderPin *pins, int count,
			  Datum *arguments)
{
	Datum	   *values = palloc(count * sizeof(Datum));
	bool	   *nulls = palloc(count * sizeof(bool));
	int			lower = 1;

	for (int i = 0; i < count; i++)
		values[i] = pins[i].order_key;
	arguments[0] = text_array(values, count);
	/* the shorter arrays of an unnest() end in nulls */
	if (table->currency_text == NULL)
		count = 0;
	for (int i = 0; i < count; i++)
	{
		values[i] = pins[i].currency;
		nulls[i] = values[i] == (Datum) 0;
	}
	arguments[1] = PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower,
													  TEXTOID, -1, false, TYPALIGN_INT));
	for (int i = 0; i < count; i++)
		values[i] = pins[i].rate;
	arguments[2] = PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower,
													  NUMERICOID, -1, false, TYPALIGN_INT));
	pfree(values);
	pfree(nulls);
}

/*
 * Fill an identified order from row i of the result of current_orders().
 */
static void
read_current(TrackedTable *table, uint64 i, Order *order)
{
	enum
	{
		AT, AMOUNT, BASE, RATE, CURRENCY, COLUMNS
	};
	Datum		values[COLUMNS];
	bool		isnull[COLUMNS];

	for (int c = 0; c < COLUMNS; c++)
		values[c] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  c + 3, &isnull[c]);
	if (!isnull[AT] && isnull[RATE])
		ereport(LOG_SERVER_ONLY,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("loyalty program \"%s\" skipped an order: its currency has no rate",
						table->program),
				 errdetail("The order \"%s\" of %s is in the currency \"%s\".",
						   TextDatumGetCString(order->order_key),
						   DatumGetCString(DirectFunctionCall1(timestamptz_out, values[AT])),
						   TextDatumGetCString(values[CURRENCY])),
				 errhint("Insert the rate into the table \"rate\" of the program, then call loyalty.reconcile().")));
	if (isnull[AT] || isnull[AMOUNT] || isnull[RATE])
		return;
	order->counted = true;
	order->at = DatumGetTimestampTz(values[AT]);
	order->amount = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[AMOUNT]));
	if (!isnull[BASE])
		order->base = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[BASE]));
	order->rate = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[RATE]));
	order->currency = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[CURRENCY]));
	order_check_finite(table, order);
}

/* A look-up of orders, for protect(). */
typedef struct LookUp
{
	TrackedTable *table;
	SPIPlanPtr	plan;
	Datum		arguments[3];
} LookUp;

static void
look_up(void *arg)
{
	LookUp	   *lookup = (LookUp *) arg;

	execute(lookup->table, lookup->plan, lookup->arguments);
}

/* The name of the rule that fails for an order, or NULL if it is no rule. */
static char *
failing_rule(TrackedTable *table, const OrderPin *pin, RuleSet *set)
{
	ListCell   *lc;

	foreach(lc, set->texts)
	{
		RuleText   *rule = (RuleText *) lfirst(lc);
		LookUp		lookup = {.table = table};
		ErrorData  *error;

		lookup.plan = prepare_orders(table, rule->per_line ? "0" : rule->text,
									 rule->per_line ? rule->text : NULL, true);
		pin_arguments(table, pin, 1, lookup.arguments);
		error = protect(look_up, &lookup);
		SPI_freeplan(lookup.plan);
		if (error != NULL)
			return rule->name;
		SPI_freetuptable(SPI_tuptable);
	}
	return NULL;
}

/* Give the orders that a look-up found to a sink. */
static void
give_orders(TrackedTable *table, int first, PinnedOrderSink sink, void *arg)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Order		order;
		bool		isnull;
		Datum		asked = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 8, &isnull);

		if (!current_identify(table, i, &order))
			continue;
		read_current(table, i, &order);
		sink(arg, &order, first + (int) DatumGetInt64(asked) - 1);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Give the orders with these keys to a sink, with the points of one version of
 * the terms and the rates that are pinned.  The table is the one that was
 * tracked.  In SPI.
 */
static void
find_orders(TrackedTable *table, const OrderPin *pins, int first, int count, RuleSet *set,
			PinnedOrderSink sink, void *arg)
{
	SPIPlanPtr *plan = count == 1 ? &set->current_one : &set->current;
	LookUp		lookup = {.table = table};
	ErrorData  *error;

	if (*plan == NULL)
		*plan = prepare_orders(table, set->base_text, set->line_text, count == 1);
	lookup.plan = *plan;
	pin_arguments(table, pins + first, count, lookup.arguments);
	error = protect(look_up, &lookup);
	if (error == NULL)
		give_orders(table, first, sink, arg);
	else if (count > 1)
	{
		for (int i = first; i < first + count; i++)
			find_orders(table, pins, i, 1, set, sink, arg);
	}
	else
	{
		/* An order that is skipped is not given to the sink: it does not count. */
		order_failed(table, failing_rule(table, pins + first, set), NULL,
					 pins[first].order_key, error);
	}
}

/*
 * The same for callers outside of SPI.
 */
void
current_orders(TrackedTable *table, const OrderPin *pins, int count, int32 terms,
			   PinnedOrderSink sink, void *arg)
{
	RuleSet    *set = program_rules(table, terms);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	find_orders(table, pins, 0, count, set, sink, arg);
	SPI_finish();
}
