/*
 * record.c: the trigger that records what orders are worth.
 *
 * Level-triggered: a statement on a tracked table tells only WHICH orders were
 * touched.  What is written for each is how the order stands now, as a new
 * revision if that differs from what is recorded, and nothing otherwise.  So
 * INSERT, COPY, UPDATE, DELETE, MERGE, upserts, moves between partitions, key
 * changes and replays need no cases of their own.
 *
 * Statement triggers with transition tables see each changed row once, in a
 * store that spills to disk: on the tracked table for statements that name it,
 * and on each partition for statements that name that partition.
 *
 * The rows of a transition table can be stale: if a trigger, or a function
 * called by the statement, changed an order again, that nested statement has
 * already been recorded when this one is looked at.  Whenever an earlier change
 * of the table was seen since the client's statement began, the current rows
 * are read again instead.
 *
 * Expressions run as the program's owner.  Nothing here locks a row or waits.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "compat.h"
#include "journal.h"
#include "program.h"

/* A touched order.  Gone unless "row" is set. */
typedef struct Touched
{
	Datum		customer;
	Datum		order_key;		/* text */
	bool		counted;
	TimestampTz at;
	Datum		amount;			/* numeric */
	MinimalTuple row;
	TrackedTable *layout;		/* whose expressions fit the row */
} Touched;

/* One piece of recording: a bounded number of touched orders. */
typedef struct Recorder
{
	TrackedTable *table;
	bool		reread;			/* transition rows may be stale */
	TimestampTz now;
	MemoryContext chunk;
	Size		limit;			/* bytes of a chunk */
	ExprContext *econtext;
	TupleTableSlot *facts;		/* purchase, seen by rules */
	TupleTableSlot *row;		/* a stored row, in table's layout */
	TupleTableSlot *root_row;	/* the same in the root's layout */
	FmgrInfo   *compare;		/* btree comparison of the customer key */
	Oid			collation;
	bool		by_value;
	int16		length;
	Touched    *touched;
	int			count;
	int			size;
} Recorder;

static Datum zero_numeric;

/*
 * Which tables had rows changed or removed since the client's statement began.
 * A table that stands here without need costs time only.
 */
static TimestampTz changes_statement;
static LocalTransactionId changes_transaction;
static List *changes = NIL;

static void
forget_other_statements(void)
{
	if (changes_statement != GetCurrentStatementStartTimestamp() ||
		changes_transaction != loyalty_local_transaction())
	{
		list_free(changes);
		changes = NIL;
		changes_statement = GetCurrentStatementStartTimestamp();
		changes_transaction = loyalty_local_transaction();
	}
}

static bool
changed_before(Oid root)
{
	forget_other_statements();
	return list_member_oid(changes, root);
}

static void
note_change(Oid root)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	forget_other_statements();
	changes = list_append_unique_oid(changes, root);
	MemoryContextSwitchTo(old);
}

/* Evaluate an expression over a row. */
static Datum
evaluate(Recorder *rec, Expression *expression, TupleTableSlot *row, bool *isnull)
{
	rec->econtext->ecxt_scantuple = row;
	rec->econtext->ecxt_innertuple = rec->facts;
	return ExecEvalExprSwitchContext(expression->state, rec->econtext, isnull);
}

/*
 * A value that can't be counted with: an error, or by option a line in the log.
 * Returns to skip.
 */
static void
invalid_value(Recorder *rec, int sqlstate, const char *what, const char *value,
			  const char *order_key)
{
	if (rec->table->skip_invalid)
		ereport(LOG,
				(errcode(sqlstate),
				 errmsg("loyalty program \"%s\" skipped an order: %s is not finite",
						rec->table->program, what),
				 errdetail("The order \"%s\" has the value %s.", order_key, value)));
	else
		ereport(ERROR,
				(errcode(sqlstate),
				 errmsg("%s of an order must be finite", what),
				 errdetail("The order \"%s\" has the value %s.", order_key, value),
				 errhint("Correct the order, or set on_invalid to 'skip' in the table \"program\" of the loyalty program \"%s\".",
						 rec->table->program)));
}

static Touched *
add_touched(Recorder *rec)
{
	Touched    *touched;

	if (rec->count == rec->size)
	{
		rec->size = Max(rec->size * 2, 64);
		rec->touched = rec->touched == NULL ?
			MemoryContextAlloc(rec->chunk, rec->size * sizeof(Touched)) :
			repalloc_huge(rec->touched, rec->size * sizeof(Touched));
	}
	touched = &rec->touched[rec->count++];
	memset(touched, 0, sizeof(Touched));
	return touched;
}

static Datum
keep(Recorder *rec, Datum value, bool by_value, int16 length)
{
	MemoryContext old = MemoryContextSwitchTo(rec->chunk);
	Datum		copy;

	/* Stored values are compared and indexed: never compressed, never out of line. */
	if (length == -1)
		copy = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		copy = datumCopy(value, by_value, length);
	MemoryContextSwitchTo(old);
	return copy;
}

/*
 * Note the order of a row.  With gone, only that it was touched.  A row without
 * customer or order key is no order.
 */
static void
touch(Recorder *rec, TrackedTable *layout, TupleTableSlot *row, bool gone)
{
	Touched    *touched;
	Datum		customer;
	Datum		order_key;
	Datum		amount = (Datum) 0;
	Datum		at = (Datum) 0;
	bool		counted = false;
	bool		isnull;

	ResetExprContext(rec->econtext);
	customer = evaluate(rec, &layout->customer, row, &isnull);
	if (isnull)
		return;
	order_key = evaluate(rec, &layout->order_key, row, &isnull);
	if (isnull)
		return;

	if (!gone)
	{
		counted = DatumGetBool(evaluate(rec, &layout->counts_when, row, &isnull)) && !isnull;
		if (counted)
		{
			amount = evaluate(rec, &layout->amount, row, &isnull);
			counted = !isnull;
		}
		if (counted)
		{
			at = evaluate(rec, &layout->at, row, &isnull);
			counted = !isnull;
		}
		if (counted && !loyalty_numeric_is_finite(DatumGetNumeric(amount)))
		{
			invalid_value(rec, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "the amount",
						  DatumGetCString(DirectFunctionCall1(numeric_out, amount)),
						  TextDatumGetCString(order_key));
			counted = false;
		}
		if (counted && TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(at)))
		{
			invalid_value(rec, ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "the time",
						  DatumGetCString(DirectFunctionCall1(timestamptz_out, at)),
						  TextDatumGetCString(order_key));
			counted = false;
		}
	}

	touched = add_touched(rec);
	touched->customer = keep(rec, customer, rec->by_value, rec->length);
	touched->order_key = keep(rec, order_key, false, -1);
	touched->layout = layout;
	touched->counted = counted;
	if (counted)
	{
		MemoryContext old = MemoryContextSwitchTo(rec->chunk);

		touched->at = DatumGetTimestampTz(at);
		touched->amount = PointerGetDatum(PG_DETOAST_DATUM_COPY(amount));
		touched->row = ExecCopySlotMinimalTuple(row);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Points of an order under one version of the terms, before the multiplier and
 * before rounding: the sum over the rules that apply.
 */
static Datum
base_points(Recorder *rec, Touched *touched, int32 terms)
{
	TrackedTable *layout = touched->layout;
	TupleTableSlot *row = layout == rec->table ? rec->row : rec->root_row;
	RuleSet    *set = program_rules(layout, terms);
	Datum		sum = zero_numeric;
	ListCell   *lc;

	ExecStoreMinimalTuple(touched->row, row, false);
	ExecClearTuple(rec->facts);
	memset(rec->facts->tts_isnull, false, 3 * sizeof(bool));
	rec->facts->tts_values[0] = touched->customer;
	rec->facts->tts_values[1] = TimestampTzGetDatum(touched->at);
	rec->facts->tts_values[2] = touched->amount;
	ExecStoreVirtualTuple(rec->facts);

	foreach(lc, set->rules)
	{
		Rule	   *rule = (Rule *) lfirst(lc);
		Datum		points;
		bool		isnull;
		MemoryContext old;

		ResetExprContext(rec->econtext);
		if (!DatumGetBool(evaluate(rec, &rule->applies_when, row, &isnull)) || isnull)
			continue;
		points = evaluate(rec, &rule->points, row, &isnull);
		if (isnull)
			continue;
		if (!loyalty_numeric_is_finite(DatumGetNumeric(points)))
		{
			invalid_value(rec, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "the points",
						  DatumGetCString(DirectFunctionCall1(numeric_out, points)),
						  TextDatumGetCString(touched->order_key));
			continue;
		}
		old = MemoryContextSwitchTo(rec->chunk);
		sum = sum == zero_numeric ? PointerGetDatum(PG_DETOAST_DATUM_COPY(points)) :
			DirectFunctionCall2(numeric_add, sum, points);
		MemoryContextSwitchTo(old);
	}
	return sum;
}

/* Sort by customer, order, and the row that exists last. */
static int
compare_touched(const void *a, const void *b, void *arg)
{
	const Touched *x = (const Touched *) a;
	const Touched *y = (const Touched *) b;
	Recorder   *rec = (Recorder *) arg;
	text	   *kx;
	text	   *ky;
	int			cmp;

	cmp = DatumGetInt32(FunctionCall2Coll(rec->compare, rec->collation,
										  x->customer, y->customer));
	if (cmp != 0)
		return cmp;
	kx = DatumGetTextPP(x->order_key);
	ky = DatumGetTextPP(y->order_key);
	cmp = memcmp(VARDATA_ANY(kx), VARDATA_ANY(ky),
				 Min(VARSIZE_ANY_EXHDR(kx), VARSIZE_ANY_EXHDR(ky)));
	if (cmp == 0)
		cmp = (int) VARSIZE_ANY_EXHDR(kx) - (int) VARSIZE_ANY_EXHDR(ky);
	if (cmp == 0)
		cmp = (int) x->counted - (int) y->counted;
	return cmp;
}

static bool
same_order(Recorder *rec, Touched *x, Touched *y)
{
	text	   *kx = DatumGetTextPP(x->order_key);
	text	   *ky = DatumGetTextPP(y->order_key);

	return VARSIZE_ANY_EXHDR(kx) == VARSIZE_ANY_EXHDR(ky) &&
		memcmp(VARDATA_ANY(kx), VARDATA_ANY(ky), VARSIZE_ANY_EXHDR(kx)) == 0 &&
		DatumGetInt32(FunctionCall2Coll(rec->compare, rec->collation,
										x->customer, y->customer)) == 0;
}

/*
 * Write how one order stands, if that differs from what is recorded.
 */
static void
record_order(Recorder *rec, Journal *journal, Touched *touched)
{
	OrderState	known;
	OrderState	state;
	MemoryContext old;

	old = MemoryContextSwitchTo(rec->chunk);
	journal_find(journal, touched->customer, touched->order_key, &known);
	MemoryContextSwitchTo(old);

	if (known.revision == 0 && !touched->counted)
		return;

	/* The terms are those of the first time, for good. */
	state.terms = known.revision == 0 ? rec->table->terms : known.terms;
	state.counted = touched->counted;
	if (touched->counted)
	{
		state.at = touched->at;
		state.amount = touched->amount;
		state.base = base_points(rec, touched, state.terms);
	}
	else
	{
		state.at = known.at;
		state.amount = zero_numeric;
		state.base = zero_numeric;
	}
	if (known.revision != 0 && state.counted == known.counted &&
		state.at == known.at &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, state.amount, known.amount)) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, state.base, known.base)))
		return;

	state.revision = known.revision + 1;

	/* Entries of one order are in time order even if the clock went back. */
	state.recorded_at = rec->now;
	if (known.revision != 0 && state.recorded_at <= known.recorded_at)
		state.recorded_at = known.recorded_at + 1;
	journal_append(journal, touched->customer, touched->order_key, &state);
}

/*
 * Replace what the transition tables said by the rows as they are now.
 *
 * ----------
 *	SELECT new FROM root AS new WHERE order_key = ANY ($1::text[]::type[])
 * ----------
 */
static void
read_current_rows(Recorder *rec)
{
	TrackedTable *root = program_tracked_table(rec->table->root,
											   rec->table->program,
											   rec->table->source);
	Datum	   *keys;
	int			count = rec->count;
	Datum		array;

	if (root == NULL)
		return;
	keys = MemoryContextAlloc(rec->chunk, Max(count, 1) * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		rec->touched[i].counted = false;
		keys[i] = rec->touched[i].order_key;
	}
	array = PointerGetDatum(construct_array(keys, count, TEXTOID, -1, false,
											TYPALIGN_INT));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (root->current_rows == NULL)
	{
		StringInfoData query;
		Oid			types[1] = {TEXTARRAYOID};
		char	   *type = format_type_extended(root->order_key.type, -1,
												FORMAT_TYPE_FORCE_QUALIFY);
		SPIPlanPtr	plan;
		int			nest = expression_fix_search_path();

		initStringInfo(&query);
		appendStringInfo(&query, "SELECT new FROM %s AS new WHERE (%s) = ANY ($1::pg_catalog.text[]::%s[])",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(root->relid)),
													get_rel_name(root->relid)),
						 root->order_key_text, type);
		plan = SPI_prepare(query.data, 1, types);
		if (plan == NULL)
			elog(ERROR, "could not prepare the look-up of current orders: %s",
				 SPI_result_code_string(SPI_result));
		SPI_keepplan(plan);
		root->current_rows = plan;
		AtEOXact_GUC(true, nest);
	}

	/* See what the statement did that fired the trigger. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute_plan(root->current_rows, &array, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up current orders");
	PopActiveSnapshot();

	if (SPI_processed > 0)
	{
		TupleDesc	desc = lookup_rowtype_tupdesc_copy(SPI_gettypeid(SPI_tuptable->tupdesc, 1), -1);
		TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);

		for (uint64 i = 0; i < SPI_processed; i++)
		{
			HeapTupleHeader header;
			HeapTupleData tuple;
			bool		isnull;

			header = DatumGetHeapTupleHeader(SPI_getbinval(SPI_tuptable->vals[i],
														   SPI_tuptable->tupdesc, 1, &isnull));
			tuple.t_len = HeapTupleHeaderGetDatumLength(header);
			ItemPointerSetInvalid(&tuple.t_self);
			tuple.t_tableOid = InvalidOid;
			tuple.t_data = header;
			ExecStoreHeapTuple(&tuple, slot, false);
			touch(rec, root, slot, false);
			ExecClearTuple(slot);
		}
		if (rec->root_row == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(rec->econtext->ecxt_per_query_memory);

			rec->root_row = MakeSingleTupleTableSlot(CreateTupleDescCopy(desc),
													 &TTSOpsMinimalTuple);
			MemoryContextSwitchTo(old);
		}
		ExecDropSingleTupleTableSlot(slot);
	}
	SPI_finish();
}

/* Record the touched orders of this chunk and forget them. */
static void
finish_chunk(Recorder *rec)
{
	if (rec->count > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(rec->chunk);
		Journal    *journal;

		if (rec->reread)
			read_current_rows(rec);
		if (rec->count > 1)
			qsort_arg(rec->touched, rec->count, sizeof(Touched), compare_touched, rec);
		journal = journal_open(rec->table->journal, rec->table->ledger,
							   rec->table->source);
		for (int i = 0; i < rec->count; i++)
		{
			CHECK_FOR_INTERRUPTS();
			if (i + 1 < rec->count &&
				same_order(rec, &rec->touched[i], &rec->touched[i + 1]))
				continue;
			record_order(rec, journal, &rec->touched[i]);
		}
		journal_close(journal);
		MemoryContextSwitchTo(old);
	}
	MemoryContextReset(rec->chunk);
	rec->touched = NULL;
	rec->count = rec->size = 0;
}

static void
finish_chunk_if_full(Recorder *rec)
{
	if ((rec->count & 255) == 255 &&
		MemoryContextMemAllocated(rec->chunk, false) > rec->limit)
		finish_chunk(rec);
}

/* Begin to read a transition table, with a read pointer of our own. */
static int
begin_rows(Tuplestorestate *store)
{
	int			pointer = tuplestore_alloc_read_pointer(store, EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(store, pointer);
	tuplestore_rescan(store);
	return pointer;
}

/* Does an update leave the order where it was?  NULL equals NULL. */
static bool
same_place(Recorder *rec, TupleTableSlot *before, TupleTableSlot *after)
{
	TrackedTable *table = rec->table;
	Expression *parts[2] = {&table->customer, &table->order_key};

	ResetExprContext(rec->econtext);
	for (int i = 0; i < 2; i++)
	{
		bool		was_null;
		bool		is_null;
		Datum		was = evaluate(rec, parts[i], before, &was_null);
		Datum		is = evaluate(rec, parts[i], after, &is_null);

		if (was_null != is_null)
			return false;
		if (was_null)
			continue;
		if (i == 0 ? DatumGetInt32(FunctionCall2Coll(rec->compare, rec->collation, was, is)) != 0 :
			!DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, was, is)))
			return false;
	}
	return true;
}

/*
 * All rows of an INSERT or DELETE, and those of an UPDATE.  Old and new rows of
 * an update come in the same order.  Returns whether an order was moved to
 * another key or customer.
 */
static bool
touch_rows(Recorder *rec, Relation rel, Tuplestorestate *before,
		   Tuplestorestate *after, bool moved_only)
{
	TupleTableSlot *old_row = NULL;
	TupleTableSlot *new_row = NULL;
	bool		moved = false;
	int			old_pointer = 0;
	int			new_pointer = 0;

	if (before != NULL)
	{
		old_pointer = begin_rows(before);
		old_row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	}
	if (after != NULL)
	{
		new_pointer = begin_rows(after);
		new_row = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	}

	for (;;)
	{
		bool		same = false;

		if (before != NULL)
		{
			tuplestore_select_read_pointer(before, old_pointer);
			if (!tuplestore_gettupleslot(before, true, false, old_row))
				break;
		}
		if (after != NULL)
		{
			tuplestore_select_read_pointer(after, new_pointer);
			if (!tuplestore_gettupleslot(after, true, false, new_row))
				break;
		}
		CHECK_FOR_INTERRUPTS();
		if (before != NULL && after != NULL)
		{
			same = same_place(rec, old_row, new_row);
			moved |= !same;
			if (same && moved_only)
				continue;
		}
		if (before != NULL && !same && !moved_only)
			touch(rec, rec->table, old_row, true);
		if (after != NULL)
			touch(rec, rec->table, new_row, false);
		finish_chunk_if_full(rec);
	}
	finish_chunk(rec);

	if (old_row != NULL)
		ExecDropSingleTupleTableSlot(old_row);
	if (new_row != NULL)
		ExecDropSingleTupleTableSlot(new_row);
	return moved;
}

/*
 * TRUNCATE tells no rows: every recorded order that has no row any more is
 * gone.  Set-based, as the owner.
 */
static void
record_truncate(TrackedTable *table)
{
	StringInfoData query;
	const char *program = quote_identifier(table->program);
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(table->source)};

	initStringInfo(&query);
	appendStringInfo(&query,
					 "INSERT INTO %1$s.journal"
					 " (customer, source, order_key, revision, at, recorded_at, terms, counted, amount, base)"
					 " SELECT customer, source, order_key, revision + 1, at,"
					 "        greatest(pg_catalog.clock_timestamp(), recorded_at + '1 microsecond'), terms, false, 0, 0"
					 "   FROM (SELECT DISTINCT ON (customer, order_key) *"
					 "           FROM (SELECT customer, source, order_key, revision, at, recorded_at, terms, counted"
					 "                   FROM %1$s.journal WHERE source = $1"
					 "                 UNION ALL"
					 "                 SELECT customer, source, order_key, revision, at, recorded_at, terms, counted"
					 "                   FROM %1$s.ledger WHERE source = $1) e"
					 "          ORDER BY customer, order_key, revision DESC) e"
					 "  WHERE counted"
					 "    AND NOT EXISTS (SELECT FROM %2$s AS new WHERE (%3$s)::pg_catalog.text = e.order_key)",
					 program,
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->root)),
												get_rel_name(table->root)),
					 table->order_key_text);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query.data, 1, types, values, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not record a TRUNCATE");
	SPI_finish();
}

static void
record_statement(TriggerData *trigdata, TrackedTable *table)
{
	Recorder	rec = {.table = table};
	TypeCacheEntry *type;
	EState	   *estate;
	MemoryContext context;
	MemoryContext old;
	bool		moved;

	context = AllocSetContextCreate(CurrentMemoryContext, "loyalty recording",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	if (zero_numeric == (Datum) 0)
	{
		MemoryContext here = MemoryContextSwitchTo(TopMemoryContext);

		zero_numeric = DirectFunctionCall1(int8_numeric, Int64GetDatum(0));
		MemoryContextSwitchTo(here);
	}

	estate = CreateExecutorState();
	rec.econtext = GetPerTupleExprContext(estate);
	rec.chunk = AllocSetContextCreate(context, "loyalty chunk", ALLOCSET_DEFAULT_SIZES);
	rec.limit = (Size) work_mem * 1024L;
	rec.now = GetCurrentTimestamp();
	type = lookup_type_cache(table->customer_type, TYPECACHE_CMP_PROC_FINFO);
	rec.compare = &type->cmp_proc_finfo;
	rec.collation = type->typcollation;
	rec.by_value = type->typbyval;
	rec.length = type->typlen;
	rec.facts = MakeSingleTupleTableSlot(table->purchase_desc, &TTSOpsVirtual);
	rec.row = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(trigdata->tg_relation)),
									   &TTSOpsMinimalTuple);
	rec.reread = changed_before(table->root);

	moved = touch_rows(&rec, trigdata->tg_relation, trigdata->tg_oldtable,
					   trigdata->tg_newtable, false);

	/*
	 * An order that left one key may have been noted as gone in a later chunk
	 * than the order that took its key: look at those once more.
	 */
	if (moved)
		(void) touch_rows(&rec, trigdata->tg_relation, trigdata->tg_oldtable,
						  trigdata->tg_newtable, true);

	if (rec.root_row != NULL)
		ExecDropSingleTupleTableSlot(rec.root_row);
	ExecDropSingleTupleTableSlot(rec.row);
	ExecDropSingleTupleTableSlot(rec.facts);
	FreeExecutorState(estate);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * The gate: everything that the trigger protocol promises is checked here.
 */
static TriggerData *
check_trigger_call(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "record")));
	if (!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an AFTER STATEMENT trigger", "record")));
	if (trigdata->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" needs two arguments: program and source", "record"),
				 errhint("Use loyalty.track_orders() to track a table.")));
	if (!TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event) &&
		((!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && trigdata->tg_newtable == NULL) ||
		 (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && trigdata->tg_oldtable == NULL)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" needs transition tables", "record"),
				 errhint("Use loyalty.track_orders() to track a table.")));
	return trigdata;
}

/* Does the statement have rows at all? */
static bool
has_rows(TriggerData *trigdata)
{
	Tuplestorestate *rows = trigdata->tg_newtable ? trigdata->tg_newtable : trigdata->tg_oldtable;

	return rows != NULL && tuplestore_tuple_count(rows) > 0;
}

PG_FUNCTION_INFO_V1(loyalty_record);

/*
 * record(program, source): AFTER STATEMENT trigger on tracked tables.
 */
Datum
loyalty_record(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = check_trigger_call(fcinfo);
	bool		truncate = TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event);
	TrackedTable *table;
	const char *program = trigdata->tg_trigger->tgargs[0];
	Oid			user;
	int			sec;
	int			nest = 0;

	if (!truncate && !has_rows(trigdata))
		return PointerGetDatum(NULL);

	table = program_tracked_table(RelationGetRelid(trigdata->tg_relation), program,
								  pg_strtoint32(trigdata->tg_trigger->tgargs[1]));
	if (table == NULL)
	{
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("table \"%s\" is tracked by the loyalty program \"%s\", which does not exist",
						RelationGetRelationName(trigdata->tg_relation), program),
				 errhint("Drop the triggers of that name from the table.")));
		return PointerGetDatum(NULL);
	}

	GetUserIdAndSecContext(&user, &sec);
	SetUserIdAndSecContext(table->owner,
						   sec | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);

	/* Functions of users must not find objects of the role that inserts. */
	if (table->user_functions)
		nest = expression_fix_search_path();
	if (truncate)
		record_truncate(table);
	else
		record_statement(trigdata, table);
	if (nest != 0)
		AtEOXact_GUC(true, nest);
	SetUserIdAndSecContext(user, sec);

	if (!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		note_change(table->root);
	return PointerGetDatum(NULL);
}
