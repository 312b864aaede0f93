/*
 * recorder.c: writes how touched orders stand to the journal.
 *
 * Orders are put in any order and any number of times.  They are sorted by
 * customer and key, within work_mem and then on disk, so that each is written
 * once and the index is filled in its own order.  What is put says how an order
 * stands, or only that it must be read again; of an order that is put more than
 * once it is not known which row was there last, so it is read again, too.
 *
 * Orders that are more than a row, or have a currency, are put as keys only and
 * always read from the tables.
 *
 * If row security hides orders from the owner, who could not read them, rows are
 * all there is, and of several puts of one order a counted one wins.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "batch.h"
#include "brought.h"
#include "compat.h"
#include "journal.h"
#include "recorder.h"

/* Entries that are appended at once. */
#define BATCH 500

/* Behind the columns of an entry, the row may be sorted along. */
#define SORT_ROW ENTRY_COLUMNS

/* While orders are sorted, their revision tells what is known of them. */
#define REVISION_BROUGHT (-1)	/* the key, and what the order brings along */
#define REVISION_LEFT (-2)		/* its order has the key no more; "moved" tells whether
								 * another one may have it */
#define REVISION_READ 0			/* only the key */
#define REVISION_NEW 1			/* how it stands */

struct Recorder
{
	Batch	   *batch;
	MemoryContext context;
	Brought    *brought;		/* made when first needed */

	/* sorting; not for a single order */
	Tuplesortstate *sort;
	bool		keep_rows;
	TupleDesc	sort_desc;
	TupleTableSlot *put;
	MemoryContext put_context;	/* reset with each put */
	TupleTableSlot **sorted;	/* two more than go into a batch */
	int			sorted_used;
};

/* A sort by customer and order key; by time before that, if by_time says so. */
static void
begin_sort(Recorder *rec, bool by_time)
{
	EntryTable *entries = &rec->batch->journal->journal;
	TupleDesc	journal = RelationGetDescr(entries->heap);
	Relation	index = entries->index;
	AttrNumber	columns[3] = {ENTRY_AT + 1, ENTRY_CUSTOMER + 1, ENTRY_ORDER_KEY + 1};
	Oid			operators[3] = {lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_LT_OPR)->lt_opr};
	Oid			collations[3] = {InvalidOid};
	bool		nulls_first[3] = {false, false, false};
	int			first = by_time ? 0 : 1;

	if (rec->keep_rows)
	{
		rec->sort_desc = CreateTemplateTupleDesc(ENTRY_COLUMNS + 1);
		for (int i = 0; i < ENTRY_COLUMNS; i++)
			TupleDescCopyEntry(rec->sort_desc, i + 1, journal, i + 1);
		TupleDescInitEntry(rec->sort_desc, SORT_ROW + 1, "row", BYTEAOID, -1, 0);
	}
	else
		rec->sort_desc = CreateTupleDescCopy(journal);

	/* The order of the primary key, whose columns are the entry's. */
	for (int i = 1; i < 3; i++)
	{
		int			key = columns[i] - 1;

		operators[i] = get_opfamily_member(index->rd_opfamily[key],
										   index->rd_opcintype[key],
										   index->rd_opcintype[key],
										   BTLessStrategyNumber);
		collations[i] = index->rd_indcollation[key];
	}
	rec->sort = loyalty_tuplesort_begin_heap(rec->sort_desc, 3 - first, columns + first, operators + first,
											 collations + first, nulls_first + first, work_mem);
	rec->put = MakeSingleTupleTableSlot(rec->sort_desc, &TTSOpsVirtual);
}

static Recorder *
make_recorder(TrackedTable *table, RecorderMode mode, int64 expected, bool by_time)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "loyalty recorder",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Recorder   *rec = palloc0(sizeof(Recorder));

	rec->context = context;
	rec->batch = batch_begin(table, mode, expected == 1 ? 1 : BATCH);
	if (expected != 1)
	{
		rec->sorted = palloc0((BATCH + 2) * sizeof(TupleTableSlot *));
		rec->keep_rows = mode == RECORD_ROWS;
		rec->put_context = AllocSetContextCreate(context, "loyalty put",
												 ALLOCSET_SMALL_SIZES);
		begin_sort(rec, by_time);
	}
	MemoryContextSwitchTo(old);
	return rec;
}

/*
 * Begin to record orders of a tracked table.  With expected = 1, nothing is
 * sorted: each order is written when it is put, so it may be put only once.
 */
Recorder *
recorder_begin(TrackedTable *table, RecorderMode mode, int64 expected)
{
	return make_recorder(table, mode, expected, false);
}

/*
 * Begin to record all orders of a tracked table that nobody writes to, each put once.  Where
 * new orders take from budgets, they do so in the order of their times, as if they had come
 * one by one.
 */
Recorder *
recorder_begin_all(TrackedTable *table, RecorderMode mode)
{
	Terms	   *terms = terms_if_possible(table->program_relid, table->terms);
	int			budget_count = 0;

	if (terms != NULL)
		(void) stacking_budgets(terms->stacking, &budget_count);
	return make_recorder(table, mode, -1, budget_count > 0);
}

/*
 * All of this is recorded at another moment than that of the transaction.
 */
void
recorder_at(Recorder *rec, TimestampTz moment)
{
	rec->batch->now = moment;
}

/*
 * Whoever records this can be refused: a statement that takes points back fails if they are
 * not there, under terms that say so.
 */
void
recorder_reject(Recorder *rec)
{
	MemoryContext old = MemoryContextSwitchTo(rec->context);

	if (rec->batch->table->may_reject)
		rec->batch->refunding = refunding_begin(rec->batch->table);
	MemoryContextSwitchTo(old);
}

/*
 * What an order brings along that was another customer's, or had another key, until
 * now: for the next recorder_put() of it, before the other one is put.  NULL if
 * nothing is recorded of that.
 */
const OrderState *
recorder_bring(Recorder *rec, const Order *was, const Order *is)
{
	const OrderState *brought;
	MemoryContext old;

	if (rec->brought == NULL)
	{
		old = MemoryContextSwitchTo(rec->context);
		rec->brought = brought_begin(rec->batch->table, rec->batch->journal);
		MemoryContextSwitchTo(old);
	}
	brought = brought_find(rec->brought, was->customer, was->order_key, is->customer, is->order_key);
	if (brought != NULL)
		brought_note(rec->brought, was->customer, was->order_key, is->customer, is->order_key);
	return brought;
}

/* All moves of the statement were looked up: orders are written now. */
static void
set_moved_at(Recorder *rec)
{
	if (rec->brought != NULL)
		rec->batch->moved_at = brought_moment(rec->brought, rec->batch->now);
}

/* Write the only order of a batch. */
static void
write_single(Recorder *rec, const Order *order, TupleTableSlot *row, const OrderState *brought)
{
	bool		copied;

	set_moved_at(rec);
	if (batch_is_direct(rec->batch, order))
		batch_add_single(rec->batch, order);
	else
		batch_add_item(rec->batch, order,
					   row != NULL && order->counts && rec->batch->mode == RECORD_ROWS ?
					   ExecFetchSlotMinimalTuple(row, &copied) : NULL, brought, false);
	batch_flush(rec->batch);
}

/* Keep the row of an order in the column of the sort. */
static void
put_row(Recorder *rec, TupleTableSlot *row)
{
	bool		free_tuple;
	MinimalTuple tuple;
	bytea	   *bytes;
	MemoryContext old;

	MemoryContextReset(rec->put_context);
	old = MemoryContextSwitchTo(rec->put_context);
	tuple = ExecFetchSlotMinimalTuple(row, &free_tuple);
	bytes = palloc(VARHDRSZ + tuple->t_len);
	SET_VARSIZE(bytes, VARHDRSZ + tuple->t_len);
	memcpy(VARDATA(bytes), tuple, tuple->t_len);
	rec->put->tts_values[SORT_ROW] = PointerGetDatum(bytes);
	MemoryContextSwitchTo(old);
}

/*
 * Note how an order stands, or that it must be read.  In mode RECORD_ROWS, row is
 * its row.  brought: what it brings along, or NULL.
 */
void
recorder_put(Recorder *rec, const Order *order, TupleTableSlot *row, const OrderState *brought)
{
	Batch	   *batch = rec->batch;
	TupleTableSlot *slot = rec->put;

	if (rec->sort == NULL)
	{
		write_single(rec, order, row, brought);
		return;
	}
	if (brought != NULL)
	{
		Order		begins = *order;

		begins.at = brought->at;
		begins.currency = brought->currency;
		begins.rate = brought->rate;
		begins.available = brought->available;
		begins.parts = brought->parts;
		begins.allotted = brought->allotted;
		begins.member = brought->member;
		batch_fill_entry(batch, slot, &begins, REVISION_BROUGHT, brought->terms, brought->recorded_at, brought);
		batch_fill_origin(slot, brought);
	}
	else
		batch_fill_entry(batch, slot, order, order->must_read ? REVISION_READ : REVISION_NEW,
						 batch->table->terms, batch->now, NULL);
	if (rec->keep_rows)
	{
		slot->tts_isnull[SORT_ROW] = row == NULL || !order->counts;
		if (!slot->tts_isnull[SORT_ROW])
			put_row(rec, row);
	}
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(rec->sort, slot);
}

/*
 * The same of an order that has another customer or key now, by the ones that it had.
 */
void
recorder_put_left(Recorder *rec, const Order *order)
{
	Batch	   *batch = rec->batch;

	if (rec->sort == NULL)
	{
		set_moved_at(rec);
		batch_add_item(batch, order, NULL, NULL, true);
		batch_flush(batch);
		return;
	}
	batch_fill_entry(batch, rec->put, order, REVISION_LEFT, batch->table->terms, batch->now, NULL);
	rec->put->tts_values[ENTRY_MOVED] = BoolGetDatum(order->must_read);
	if (rec->keep_rows)
		rec->put->tts_isnull[SORT_ROW] = true;
	ExecStoreVirtualTuple(rec->put);
	tuplesort_puttupleslot(rec->sort, rec->put);
}

/* An unused slot for the next sorted order. */
static TupleTableSlot *
next_slot(Recorder *rec)
{
	TupleTableSlot **slot = &rec->sorted[rec->sorted_used++];

	if (*slot == NULL)
		*slot = MakeSingleTupleTableSlot(rec->sort_desc, &TTSOpsMinimalTuple);
	return *slot;
}

static int32
put_revision(TupleTableSlot *slot)
{
	bool		isnull;

	return DatumGetInt32(slot_getattr(slot, ENTRY_REVISION + 1, &isnull));
}

/* One sorted order goes into the batch. */
static void
take_sorted(Recorder *rec, TupleTableSlot *slot, bool repeated, bool left)
{
	Batch	   *batch = rec->batch;
	Order		order;
	OrderState	brought;
	MinimalTuple row = NULL;
	MemoryContext old;

	batch_read_entry(slot, &order);
	order.must_read = (put_revision(slot) == REVISION_LEFT ? DatumGetBool(slot->tts_values[ENTRY_MOVED]) :
					   put_revision(slot) != REVISION_NEW) ||
		(repeated && !batch->table->rows_hidden);
	if (batch_is_direct(batch, &order))
	{
		batch->direct[batch->directs++] = slot;
		return;
	}
	old = MemoryContextSwitchTo(batch->values);
	if (rec->keep_rows && !slot->tts_isnull[SORT_ROW])
	{
		/* a copy, for the alignment that a tuple must have */
		bytea	   *bytes = DatumGetByteaPP(slot->tts_values[SORT_ROW]);

		row = palloc(VARSIZE_ANY_EXHDR(bytes));
		memcpy(row, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
	if (put_revision(slot) == REVISION_BROUGHT)
	{
		journal_read_state(slot, &brought);

		/*
		 * the order does not stay with the key, so it comes from the first to the last
		 * one
		 */
		if (brought_is_passed_on(rec->brought, order.customer, order.order_key))
			brought.came_from = (Datum) 0;
	}
	batch_add_item(batch, &order, row, put_revision(slot) == REVISION_BROUGHT ? &brought : NULL, left);
	MemoryContextSwitchTo(old);
}

/* Exchange a sorted slot with the one in use last, to use that one again. */
static void
swap_sorted(Recorder *rec, int with)
{
	TupleTableSlot *last = rec->sorted[rec->sorted_used - 1];

	rec->sorted[rec->sorted_used - 1] = rec->sorted[with];
	rec->sorted[with] = last;
}

/* Of two puts of one order: does the first say more than the second? */
static bool
says_more(Recorder *rec, TupleTableSlot *first, TupleTableSlot *second)
{
	bool		isnull;

	if (put_revision(first) == REVISION_BROUGHT || put_revision(second) == REVISION_BROUGHT)
		return put_revision(second) != REVISION_BROUGHT;
	if (put_revision(first) == REVISION_LEFT || put_revision(second) == REVISION_LEFT)
		return put_revision(second) != REVISION_LEFT;
	return rec->batch->table->rows_hidden &&
		DatumGetBool(slot_getattr(first, ENTRY_COUNTS + 1, &isnull)) &&
		!DatumGetBool(slot_getattr(second, ENTRY_COUNTS + 1, &isnull));
}

static void
write_sorted(Recorder *rec)
{
	Batch	   *batch = rec->batch;
	TupleTableSlot *previous = NULL;
	bool		repeated = false;	/* is previous one of several puts? */
	bool		left = false;	/* is one of them that the order has another key now? */

	set_moved_at(rec);
	tuplesort_performsort(rec->sort);
	for (;;)
	{
		TupleTableSlot *next = next_slot(rec);
		bool		got = tuplesort_gettupleslot(rec->sort, true, true, next, NULL);

		if (previous != NULL && got && batch_same_order(batch, previous, next))
		{
			/* one of the two is void; its slot is used again */
			repeated = true;
			left = left || put_revision(next) == REVISION_LEFT;
			if (says_more(rec, previous, next))
				next = previous;
			else
				swap_sorted(rec, rec->sorted_used - 2);
			rec->sorted_used--;
		}
		else
		{
			if (previous != NULL)
				take_sorted(rec, previous, repeated, left);
			repeated = false;
			left = got && put_revision(next) == REVISION_LEFT;
		}
		if (!got)
			break;
		previous = next;
		if (batch->directs + batch->item_count == batch->size)
		{
			batch_flush(batch);
			/* next is not in the batch */
			swap_sorted(rec, 0);
			rec->sorted_used = 1;
		}
	}
	batch_flush(batch);
}

/*
 * Write what was put; returns the number of entries.
 */
int64
recorder_finish(Recorder *rec)
{
	MemoryContext old = MemoryContextSwitchTo(rec->context);
	int64		written;

	if (rec->sort != NULL)
	{
		write_sorted(rec);
		tuplesort_end(rec->sort);
		ExecDropSingleTupleTableSlot(rec->put);
		for (int i = 0; i < BATCH + 2 && rec->sorted[i] != NULL; i++)
			ExecDropSingleTupleTableSlot(rec->sorted[i]);
	}
	if (rec->brought != NULL)
		brought_end(rec->brought);
	if (rec->batch->refunding != NULL)
		refunding_require(rec->batch->refunding);
	written = batch_end(rec->batch);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(rec->context);
	return written;
}
