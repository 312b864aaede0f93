/*
 * current.c: orders as they stand in the tracked tables at this moment.
 *
 * What a trigger was given of an order is not enough when the order is more
 * than its row (it has lines or refunds), when it was changed again meanwhile,
 * or when another transaction recorded it first.  Then it is read here, by
 * key, with a plan that is kept.  The snapshot is of this moment whatever the
 * isolation level, as in journal.c.
 *
 * What an order is worth is said by the view of the tracked table (see
 * expression/definition.c and install/views.sql), with lines, refunds and rates.
 *
 * The amount of an order in a currency is multiplied by the rate that was valid
 * when it was made, by the program's table "exchange_rate" at the moment when the order
 * was first recorded.  It is pinned in the entry, until the order's currency
 * changes.  An order in a currency without a rate does not count: checkouts don't
 * fail for a rate that nobody entered, and verify() tells of it.
 *
 * What rules use of the customer's row is as it was when the order was first recorded, too:
 * it is pinned in the entry, and given to the view while it is read.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "current.h"
#include "joined.h"
#include "owner.h"
#include "protect.h"
#include "snapshot.h"

/* What the orders keep which are being read, for _loyalty.pinned_rate() and pinned_member(). */
static const OrderPin *read_pins = NULL;
static int	read_pin_count = 0;
static TrackedTable *read_table = NULL; /* whose orders they are */

/* A plan that is kept; frees the query. */
static SPIPlanPtr
prepare_query(TrackedTable *table, StringInfo query)
{
	Oid			types[1] = {TEXTARRAYOID};
	int			nest = settings_begin(table->time_zone);
	SPIPlanPtr	plan;

	settings_look_up();
	plan = SPI_prepare_cursor(query->data, 1, types, CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare_query the look-up of current orders: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	settings_end(nest);
	pfree(query->data);
	return plan;
}

/* The key must be the same as text, too: that is how it is recorded. */
#define SAME_TEXT " AND v.order_key = asked.key COLLATE pg_catalog.\"C\""

/*
 * The rows of a view of orders that have the keys in $1.  Each is looked up on its own,
 * so that it is a constant for the planner, wherever the view needs it: in the table,
 * and in those of lines and refunds.
 *
 * Archived orders of a table with refunds are looked up beside them.
 *
 * ----------
 *	SELECT columns FROM unnest($1) WITH ORDINALITY AS asked (key, number)
 *	 CROSS JOIN LATERAL (SELECT columns FROM view AS v WHERE v.key = asked.key
 *						 UNION ALL
 *						 SELECT columns FROM archived AS v WHERE v.key = asked.key OFFSET 0) AS o
 * ----------
 */
static void
append_one_look_up(StringInfo query, TrackedTable *table, Oid view, const char *columns,
				   const char *condition)
{
	appendStringInfo(query, "SELECT %s FROM %s AS v WHERE v.key %s (asked.key::%s)%s",
					 columns,
					 quote_qualified_identifier(table->program, get_rel_name(view)),
					 table->same_key, table->key_type, condition);
}

static void
append_look_up(StringInfo query, TrackedTable *table, Oid view, Oid archived,
			   const char *columns, const char *condition)
{
	appendStringInfoString(query,
						   " FROM pg_catalog.unnest($1) WITH ORDINALITY AS asked (key, number)"
						   " CROSS JOIN LATERAL (");
	append_one_look_up(query, table, view, columns, condition);
	if (OidIsValid(archived))
	{
		appendStringInfoString(query, " UNION ALL ");
		append_one_look_up(query, table, archived, columns,
						   table->same_as_text ? SAME_TEXT : condition);
	}
	appendStringInfoString(query, " OFFSET 0) AS o");
}

/* The plan of current_orders(). */
static SPIPlanPtr
prepare_orders(TrackedTable *table, Oid view)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query,
						   "SELECT o.customer, o.order_key, o.counts, o.at, o.amount, o.awards, o.rate, o.currency, o.available_at, o.parts, o.member, asked.number");
	append_look_up(&query, table, view, table->archived, CURRENT_COLUMNS, SAME_TEXT);
	return prepare_query(table, &query);
}

/* The plan of current_customers(): in one order, so that sessions don't meet crosswise. */
static SPIPlanPtr
prepare_customers(TrackedTable *table)
{
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT o.customer, o.order_key, o.row_table, o.row_id, asked.number");
	append_look_up(&query, table, table->identity, table->archived, "v.customer, v.order_key, v.row_table, v.row_id", "");
	appendStringInfoString(&query, " ORDER BY o.order_key");
	return prepare_query(table, &query);
}

static Datum
text_array(Datum *texts, int count)
{
	return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Run one of the plans with the rows of this moment. */
static void
run_plan(TrackedTable *table, SPIPlanPtr plan, Datum *arguments)
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
 * Whose order row i of an SPI result is, and which: this column, counted from 1, and the
 * next.  False if it is none.
 */
bool
current_identify(TrackedTable *table, uint64 i, int column, Order *order)
{
	HeapTuple	tuple = SPI_tuptable->vals[i];
	TupleDesc	desc = SPI_tuptable->tupdesc;
	bool		isnull;

	order->customer = SPI_getbinval(tuple, desc, column, &isnull);
	if (isnull)
		return false;
	order->order_key = SPI_getbinval(tuple, desc, column + 1, &isnull);
	if (isnull)
		return false;
	if (table->customer_length == -1)
		order->customer = PointerGetDatum(PG_DETOAST_DATUM_PACKED(order->customer));
	order->order_key = PointerGetDatum(PG_DETOAST_DATUM_PACKED(order->order_key));
	order_gone(order);
	return true;
}

/* Refunds name orders that the result of current_customers() has not: a line in the log. */
static void
tell_unknown(TrackedTable *refunds, Datum *keys, int count)
{
	bool	   *found = palloc0(count * sizeof(bool));
	int			unknown = 0;
	char	   *example = NULL;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		asked = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5, &isnull);

		found[DatumGetInt64(asked) - 1] = true;
	}
	for (int i = 0; i < count; i++)
	{
		if (found[i])
			continue;
		if (unknown++ == 0)
			example = TextDatumGetCString(keys[i]);
	}
	if (unknown > 0)
		ereport(LOG_SERVER_ONLY,
				(errcode(ERRCODE_NO_DATA_FOUND),
				 errmsg("loyalty program \"%s\" has refunds of orders that are not there", refunds->program),
				 errdetail_plural("%d refund in table \"%s\" names the order \"%s\", which is unknown.",
								  "%d refunds in table \"%s\" name unknown orders, the first of them \"%s\".",
								  unknown, unknown, get_rel_name(refunds->relid), example),
				 errhint("They apply when the orders come.")));
	pfree(found);
}

/* Keys as they are sorted: in one order, so that sessions don't meet crosswise. */
static int
compare_keys(const void *a, const void *b)
{
	return DatumGetInt32(DirectFunctionCall2Coll(bttextcmp, C_COLLATION_OID,
												 *(const Datum *) a, *(const Datum *) b));
}

/*
 * Lines and refunds may name a whole number that is no order's, because it is too great:
 * such keys go to the end.  Returns how many there are of others.
 */
static int
possible_keys(TrackedTable *table, Datum *keys, int count)
{
	int			possible = 0;

	for (int i = 0; i < count; i++)
	{
		Datum		key = keys[i];

		if (!probe_can_be(table->key_type_oid, key))
			continue;
		keys[i] = keys[possible];
		keys[possible++] = key;
	}
	return possible;
}

/* The row of an order, locked if that is wanted; false if there is none. */
static bool
find_row(ProbeScan *scan, Datum key, bool lock)
{
	bool		found = probe_find_text(scan, key);

	/* A row that another transaction moves meanwhile may be missed in both places. */
	if (!found && !snapshot_is_of_one_moment(false))
		found = probe_find_text(scan, key);
	while (found && lock && !lock_row(RelationGetRelid(scan->heap), &scan->slot->tts_tid))
	{
		CHECK_FOR_INTERRUPTS();
		probe_look_anew(scan);
		found = probe_find_text(scan, key);
	}
	return found;
}

/*
 * What current_customers() does, without a query: for a table whose rows alone tell
 * which orders they are, by a column with a unique index.  False if that cannot be.
 */
static bool
probe_customers(TrackedTable *table, Datum *keys, int count, bool lock, OrderSink sink, void *arg)
{
	ProbeScan	scan;
	OrderReader reader;

	if (!table->unique_key || OidIsValid(table->archived) || table->needs_settings ||
		table->user_code || table->customer.may_raise || !probe_begin(&scan, &table->key_probe))
		return false;
	if (!table->valid)
	{
		probe_end(&scan);
		return false;
	}
	qsort(keys, count, sizeof(Datum), compare_keys);
	order_reader_begin(&reader, table);
	for (int i = 0; i < count; i++)
	{
		Order		order;

		ResetExprContext(reader.econtext);
		if (!find_row(&scan, keys[i], lock) || !order_identify(&reader, scan.slot, &order))
			continue;
		order_gone(&order);
		sink(arg, &order);
	}
	order_reader_end(&reader);
	probe_end(&scan);
	return true;
}

/*
 * Have orders that are the sum of their lines no line at this moment?  The answer goes
 * to "without"; false if it takes a look at the orders to know.  What was kept of lines
 * that have left counts, too, so if there is any, nobody knows.
 */
bool
current_without_lines(TrackedTable *table, const Datum *keys, int count, bool *without)
{
	ProbeScan	scan;
	Relation	kept;
	bool		is_empty;

	Assert(OidIsValid(table->line_probe.relid));
	kept = relation_open(table->kept, AccessShareLock);
	is_empty = RelationGetNumberOfBlocks(kept) == 0;
	relation_close(kept, NoLock);
	if (!is_empty || !probe_begin(&scan, &table->line_probe))
		return false;
	for (int i = 0; i < count; i++)
		without[i] = !probe_can_be(table->line_probe.type, keys[i]) ||
			!probe_find_text(&scan, keys[i]);
	probe_end(&scan);
	return true;
}

/*
 * Give the customers that have the orders with these keys (text) to a sink.
 * The table is the one that was tracked.  If the keys are of new refunds, of that table,
 * the log is told which orders there are not.
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
				  TrackedTable *refunds, OrderSink sink, void *arg)
{
	Datum		array;
	int			possible = possible_keys(table, keys, count);

	/* The query takes a weaker lock, which would have to be raised. */
	if (lock)
		LockRelationOid(table->relid, RowShareLock);
	if (probe_customers(table, keys, possible, lock, sink, arg))
		return;
	array = text_array(keys, possible);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (table->customers == NULL)
		table->customers = prepare_customers(table);
	run_plan(table, table->customers, &array);
	/* A row that another transaction moves meanwhile may be missed in both places. */
	if (!snapshot_is_of_one_moment(table->user_code) && SPI_processed < possible)
	{
		SPI_freetuptable(SPI_tuptable);
		run_plan(table, table->customers, &array);
	}
	while (lock && !lock_rows())
	{
		CHECK_FOR_INTERRUPTS();
		SPI_freetuptable(SPI_tuptable);
		run_plan(table, table->customers, &array);
	}
	if (refunds != NULL && SPI_processed < count)
		tell_unknown(refunds, keys, count);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Order		order;

		if (current_identify(table, i, 1, &order))
			sink(arg, &order);
	}
	SPI_finish();
}

/*
 * Fill an identified order from row i of the result of current_orders(), or of another
 * query with the same columns.  Returns false if it does not count for want of a rate
 * of its currency.  Its values may be such as cannot be counted with: see current_check_finite().
 */
bool
current_read(TrackedTable *table, uint64 i, Order *order)
{
	enum
	{
		COUNTS, AT, AMOUNT, AWARDS, RATE, CURRENCY, AVAILABLE_AT, PARTS, MEMBER, COLUMNS
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
				 errhint("Insert the rate into the table \"exchange_rate\" of the program, then call loyalty.reconcile().")));
	if (isnull[COUNTS] || !DatumGetBool(values[COUNTS]))
		return isnull[AT] || !isnull[RATE];
	for (int c = AT; c < AVAILABLE_AT; c++)
		if (isnull[c])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("loyalty program \"%s\" knows an order that counts by a null", table->program),
					 errdetail("It is the order \"%s\".", TextDatumGetCString(order->order_key)),
					 errhint("Columns of the tables \"archived\" and \"exchange_rate\" of the program must be NOT NULL.")));
	order->counts = true;
	order->at = DatumGetTimestampTz(values[AT]);
	order->amount = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[AMOUNT]));
	order->awards = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[AWARDS]));
	order->rate = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[RATE]));
	order->currency = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[CURRENCY]));
	order->available.is_known = !isnull[AVAILABLE_AT];
	if (order->available.is_known)
		order->available.at = DatumGetTimestampTz(values[AVAILABLE_AT]);
	order->allotted = (Datum) 0;
	order->parts = isnull[PARTS] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM(values[PARTS]));
	order->member = isnull[MEMBER] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM(values[MEMBER]));
	return true;
}

/* A look-up of orders, for protect(). */
typedef struct OrderLookUp
{
	TrackedTable *table;
	SPIPlanPtr	plan;
	const OrderPin *pins;
	int			count;
} OrderLookUp;

static void
look_up_orders(void *arg)
{
	OrderLookUp *lookup = (OrderLookUp *) arg;
	Datum	   *keys = palloc(lookup->count * sizeof(Datum));
	Datum		array;

	for (int i = 0; i < lookup->count; i++)
		keys[i] = lookup->pins[i].order_key;
	array = text_array(keys, lookup->count);
	run_plan(lookup->table, lookup->plan, &array);
	pfree(keys);
}

/* The same, with what is pinned; the result is an error of an expression. */
static ErrorData *
try_look_up(OrderLookUp *lookup)
{
	const OrderPin *outer_pins = read_pins;
	int			outer_count = read_pin_count;
	TrackedTable *outer_table = read_table;
	ErrorData  *error;

	PG_TRY();
	{
		read_pins = lookup->table->in_currency || lookup->table->reads_members ? lookup->pins : NULL;
		read_pin_count = lookup->count;
		read_table = lookup->table;
		error = protect(look_up_orders, lookup);
	}
	PG_FINALLY();
	{
		read_pins = outer_pins;
		read_pin_count = outer_count;
		read_table = outer_table;
	}
	PG_END_TRY();
	return error;
}

PG_FUNCTION_INFO_V1(loyalty_pinned_rate);

/*
 * pinned_rate(order_key text, currency text) returns numeric
 *
 * The rate that an order keeps in a currency, of those that are being read now.
 */
Datum
loyalty_pinned_rate(PG_FUNCTION_ARGS)
{
	for (int i = 0; read_pins != NULL && i < read_pin_count; i++)
	{
		if (read_pins[i].currency != (Datum) 0 &&
			DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, read_pins[i].order_key,
												 PG_GETARG_DATUM(0))) &&
			DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, read_pins[i].currency,
												 PG_GETARG_DATUM(1))))
			PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(read_pins[i].rate)));
	}
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(loyalty_pinned_member);

/*
 * pinned_member(order_key text, customer anyelement) returns jsonb
 *
 * What an order keeps of its customer's row, of those that are being read now: empty of one
 * that begins, and null of those that are not read to be recorded.  One that got another customer
 * in this statement is asked for as that of both.
 */
Datum
loyalty_pinned_member(PG_FUNCTION_ARGS)
{
	for (int i = 0; read_pins != NULL && i < read_pin_count; i++)
	{
		if (DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, read_pins[i].order_key,
												 PG_GETARG_DATUM(0))) &&
			equals_customer(read_table, read_pins[i].customer, PG_GETARG_DATUM(1)))
			PG_RETURN_DATUM(PointerGetDatum(PG_DETOAST_DATUM_COPY(read_pins[i].member)));
	}
	PG_RETURN_NULL();
}

/*
 * What fails for an order, or NULL if that cannot be told.
 *
 * ----------
 *	SELECT f.part FROM _loyalty.failing_part(program, tracked_table, terms, $1[1]) AS f
 * ----------
 */
static char *
failing_part(TrackedTable *table, const OrderPin *pin, RuleSet *set)
{
	OrderLookUp lookup = {.table = table,.pins = pin,.count = 1};
	StringInfoData query;
	ErrorData  *error;
	char	   *part = NULL;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT f.part FROM _loyalty.failing_part(%s::pg_catalog.name, %d, %d, ($1)[1]) AS f",
					 quote_literal_cstr(table->program), table->tracked_table, set->terms);
	lookup.plan = prepare_query(table, &query);
	error = try_look_up(&lookup);
	SPI_freeplan(lookup.plan);
	if (error != NULL)
	{
		FreeErrorData(error);
		return NULL;
	}
	if (SPI_processed > 0)
		part = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	SPI_freetuptable(SPI_tuptable);
	return part;
}

/*
 * Find the rule whose points of an order cannot be counted with.
 *
 * ----------
 *	SELECT u.rule, u.points FROM _loyalty.uncountable_rule(program, tracked_table, terms, $1[1]) AS u
 * ----------
 */
static void
find_blame(TrackedTable *table, Order *order, int32 terms, Blame *blame)
{
	OrderPin	pin = {.order_key = order->order_key};
	OrderLookUp lookup = {.table = table,.pins = &pin,.count = 1};
	SPITupleTable *outer_table = SPI_tuptable;
	uint64		outer_processed = SPI_processed;
	StringInfoData query;
	ErrorData  *error;

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT u.rule, u.points FROM _loyalty.uncountable_rule(%s::pg_catalog.name, %d, %d, ($1)[1]) AS u",
					 quote_literal_cstr(table->program), table->tracked_table, terms);
	lookup.plan = prepare_query(table, &query);
	error = protect(look_up_orders, &lookup);
	SPI_freeplan(lookup.plan);
	if (error != NULL)
		FreeErrorData(error);
	else
	{
		if (SPI_processed > 0)
		{
			blame->rule = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
			blame->value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_tuptable = outer_table;
	SPI_processed = outer_processed;
}

/*
 * An order that was read by the view of a version of the terms, with a value that can't be counted with, is an
 * error, or not counted.
 */
void
current_check_finite(TrackedTable *table, Order *order, int32 terms)
{
	Blame		blame = {0};

	if (order->counts && !order_points_are_countable(order))
		find_blame(table, order, terms, &blame);
	order_check_finite(table, order, &blame);
}

/* Give the orders that a look-up found to a sink. */
static void
give_orders(TrackedTable *table, int first, RuleSet *set, PinnedOrderSink sink, void *arg)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Order		order;
		bool		isnull;
		Datum		asked = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, CURRENT_END, &isnull);

		if (!current_identify(table, i, 1, &order))
			continue;
		(void) current_read(table, i, &order);
		current_check_finite(table, &order, set->terms);
		sink(arg, &order, first + (int) DatumGetInt64(asked) - 1);
	}
	SPI_freetuptable(SPI_tuptable);
}

/*
 * Give the orders with these keys to a sink, with the points of one version of
 * the terms and what is pinned.  The table is the one that was
 * tracked.  In SPI.
 */
static void
find_orders(TrackedTable *table, const OrderPin *pins, int first, int count, RuleSet *set,
			PinnedOrderSink sink, void *arg)
{
	OrderLookUp lookup = {.table = table,.pins = pins + first,.count = count};
	ErrorData  *error;

	if (set->orders == NULL)
		set->orders = prepare_orders(table, set->view);
	lookup.plan = set->orders;
	error = try_look_up(&lookup);
	if (error == NULL)
		give_orders(table, first, set, sink, arg);
	else if (count > 1)
	{
		for (int i = first; i < first + count; i++)
			find_orders(table, pins, i, 1, set, sink, arg);
	}
	else
	{
		/* An order that is skipped is not given to the sink: it does not count. */
		order_failed(table, NULL, failing_part(table, pins + first, set), pins[first].order_key, error);
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
