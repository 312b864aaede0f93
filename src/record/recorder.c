/*
 * recorder.c: writes how touched orders stand to the journal.
 *
 * Orders are put in any order and any number of times.  They are sorted by
 * customer and key, within work_mem and then on disk, so that each is written
 * once and the index is filled in its own order.  What is put says how an order
 * stands, or only that it must be read again; of an order that is put more than
 * once it is not known which row was there last, so it is read again, too.
 *
 * An order that is most likely new is appended as revision 1 straight away; the
 * primary key of the journal, and then a look at the ledger, tell if it was
 * recorded before.  In this order, so that an entry which is posted meanwhile
 * is found in one or the other.  All others are looked up, and written as a new
 * revision if they stand otherwise than recorded.
 *
 * The terms of an order are those it was first recorded under, for good: when it
 * is not known to be new, its points are evaluated after it was looked up, over
 * the row that was put with it or else over its row in the table.  So is the rate of its
 * currency.  Orders that are more than a row, or have a currency, are put as keys
 * only and always read from the tables.
 *
 * If row security hides orders from the owner, who could not read them, rows are
 * all there is, and of several puts of one order a counted one wins.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "compat.h"
#include "current.h"
#include "joined.h"
#include "journal.h"
#include "moment.h"
#include "recorder.h"
#include "terms.h"

/* Entries that are appended at once. */
#define BATCH 500

/* Behind the columns of an entry, the row may be sorted along. */
#define SORT_ROW ENTRY_COLUMNS

/* While orders are sorted, their revision tells what is known of them. */
#define REVISION_READ 0			/* only the key */
#define REVISION_NEW 1			/* how it stands */

/* An order that must be looked up. */
typedef struct Lookup
{
	Order		order;
	bool		must_read;		/* its row says how it stands */
	MinimalTuple row;			/* or NULL */
	JoinedAt	joined;			/* if it is new and the tenure matters */
	OrderState	known;
} Lookup;

struct Recorder
{
	TrackedTable *table;
	RecorderMode mode;
	Terms	   *terms;			/* of new orders, or NULL if they cannot be read */
	TimestampTz now;			/* when all of this is recorded */
	MemoryContext context;
	MemoryContext put_context;	/* reset with each put */
	MemoryContext batch_context;	/* reset with each batch */
	Journal    *journal;
	int64		written;

	/* sorting; not for a single order */
	Tuplesortstate *sort;
	bool		keep_rows;
	TupleDesc	sort_desc;
	TupleTableSlot *put;
	FmgrInfo	compare;		/* of customers */
	Oid			collation;

	/* the batch: arrays of "size" */
	int			size;
	TupleTableSlot **sorted;	/* two more */
	int			sorted_used;
	TupleTableSlot **direct;	/* complete entries */
	TupleTableSlot **completed; /* their slots, if the joining date was added */
	int			directs;
	Order		single;			/* what direct[0] is of, if nothing is sorted */
	Lookup	   *items;
	int			item_count;
	TupleTableSlot **entries;
	Lookup	  **entry_items;
	bool	   *conflict;
	Datum	   *customers;		/* of new orders, and since when they are customers */
	JoinedAt   *joined;

	OrderReader reader;
	TupleTableSlot *row_slot;
};

static const JoinedAt not_known = {false, 0};

/* Fill a slot of the journal's layout. */
static void
fill_entry(Recorder *rec, TupleTableSlot *slot, const Order *order,
		   int32 revision, int32 terms, TimestampTz recorded_at, JoinedAt joined)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, ENTRY_COLUMNS * sizeof(bool));
	for (int i = ENTRY_COLUMNS; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true; /* columns that users added */
	slot->tts_values[ENTRY_CUSTOMER] = order->customer;
	slot->tts_values[ENTRY_SOURCE] = Int32GetDatum(rec->table->source);
	slot->tts_values[ENTRY_ORDER_KEY] = order->order_key;
	slot->tts_values[ENTRY_REVISION] = Int32GetDatum(revision);
	slot->tts_values[ENTRY_AT] = TimestampTzGetDatum(order->at);
	slot->tts_values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(recorded_at);
	/* while orders are sorted, terms 0 tell that points are not known yet */
	slot->tts_values[ENTRY_TERMS] = Int32GetDatum(order->no_points ? 0 : terms);
	slot->tts_values[ENTRY_COUNTED] = BoolGetDatum(order->counted);
	slot->tts_values[ENTRY_AMOUNT] = order->amount;
	slot->tts_values[ENTRY_BASE] = order->base;
	slot->tts_values[ENTRY_CURRENCY] = order->currency;
	slot->tts_values[ENTRY_RATE] = order->rate;
	slot->tts_values[ENTRY_JOINED_AT] = TimestampTzGetDatum(joined.at);
	slot->tts_isnull[ENTRY_JOINED_AT] = !joined.is_known;
}

static void
read_entry(TupleTableSlot *slot, Order *order)
{
	slot_getallattrs(slot);
	order->customer = slot->tts_values[ENTRY_CUSTOMER];
	order->order_key = slot->tts_values[ENTRY_ORDER_KEY];
	order->counted = DatumGetBool(slot->tts_values[ENTRY_COUNTED]);
	order->must_read = DatumGetInt32(slot->tts_values[ENTRY_REVISION]) == REVISION_READ;
	order->no_points = DatumGetInt32(slot->tts_values[ENTRY_TERMS]) == 0;
	order->at = DatumGetTimestampTz(slot->tts_values[ENTRY_AT]);
	order->amount = slot->tts_values[ENTRY_AMOUNT];
	order->base = slot->tts_values[ENTRY_BASE];
	order->currency = slot->tts_values[ENTRY_CURRENCY];
	order->rate = slot->tts_values[ENTRY_RATE];
}

/* A sort by customer and order key. */
static void
begin_sort(Recorder *rec)
{
	TupleDesc	journal = RelationGetDescr(rec->journal->journal.heap);
	Relation	index = rec->journal->journal.index;
	AttrNumber	columns[2] = {ENTRY_CUSTOMER + 1, ENTRY_ORDER_KEY + 1};
	Oid			operators[2];
	Oid			collations[2];
	bool		nulls_first[2] = {false, false};
	TypeCacheEntry *type;

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
	for (int i = 0; i < 2; i++)
	{
		int			key = columns[i] - 1;

		operators[i] = get_opfamily_member(index->rd_opfamily[key],
										   index->rd_opcintype[key],
										   index->rd_opcintype[key],
										   BTLessStrategyNumber);
		collations[i] = index->rd_indcollation[key];
	}
	type = lookup_type_cache(index->rd_opcintype[0], TYPECACHE_CMP_PROC);
	fmgr_info(type->cmp_proc, &rec->compare);
	rec->collation = index->rd_indcollation[0];

	rec->sort = loyalty_tuplesort_begin_heap(rec->sort_desc, 2, columns, operators,
											 collations, nulls_first, work_mem);
	rec->put = MakeSingleTupleTableSlot(rec->sort_desc, &TTSOpsVirtual);
}

/*
 * Begin to record orders of a tracked table.  With expected = 1, nothing is
 * sorted: each order is written when it is put, so it may be put only once.
 */
Recorder *
recorder_begin(TrackedTable *table, RecorderMode mode, int64 expected)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "loyalty recorder",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Recorder   *rec = palloc0(sizeof(Recorder));

	rec->table = table;
	rec->mode = mode;
	rec->terms = terms_if_possible(table->program_relid, table->terms);
	rec->now = moment_of_recording();
	/* Terms that came into force since this transaction began to record. */
	if (rec->terms != NULL)
		rec->now = Max(rec->now, rec->terms->since);
	rec->context = context;
	rec->batch_context = context;
	rec->journal = journal_open(table->journal, table->ledger, table->source,
								table->entry_keys);
	/* The lock that was just taken may have brought news of the journal. */
	rec->journal->journal.is_known_plain = table->valid && !table->look_first;
	rec->size = expected == 1 ? 1 : BATCH;
	rec->direct = palloc0(rec->size * sizeof(TupleTableSlot *));
	rec->entries = palloc0(rec->size * sizeof(TupleTableSlot *));
	rec->entry_items = palloc(rec->size * sizeof(Lookup *));
	rec->items = palloc(rec->size * sizeof(Lookup));
	rec->conflict = palloc(rec->size * sizeof(bool));
	rec->customers = palloc(rec->size * sizeof(Datum));
	rec->joined = palloc(rec->size * sizeof(JoinedAt));
	rec->completed = palloc0(rec->size * sizeof(TupleTableSlot *));
	if (expected != 1)
	{
		rec->sorted = palloc0((rec->size + 2) * sizeof(TupleTableSlot *));
		rec->keep_rows = mode == RECORD_ROWS;
		rec->put_context = AllocSetContextCreate(context, "loyalty put",
												 ALLOCSET_SMALL_SIZES);
		rec->batch_context = AllocSetContextCreate(context, "loyalty batch",
												   ALLOCSET_DEFAULT_SIZES);
		begin_sort(rec);
	}
	MemoryContextSwitchTo(old);
	return rec;
}

/* The i-th of some slots for entries that are written. */
static TupleTableSlot *
entry_slot(Recorder *rec, TupleTableSlot **slots, int i)
{
	if (slots[i] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(rec->context);

		slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(rec->journal->journal.heap),
											&TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	return slots[i];
}

static int32 item_terms(Recorder *rec, Lookup *item);

/* Points of an item under its own terms, from the row it came with. */
static void
evaluate_row(Recorder *rec, Lookup *item)
{
	MemoryContext old;

	if (rec->row_slot == NULL)
	{
		old = MemoryContextSwitchTo(rec->context);
		order_reader_begin(&rec->reader, rec->table);
		rec->row_slot = MakeSingleTupleTableSlot(rec->table->row_desc, &TTSOpsMinimalTuple);
		MemoryContextSwitchTo(old);
	}
	ResetExprContext(rec->reader.econtext);
	ExecStoreMinimalTuple(item->row, rec->row_slot, false);
	order_evaluate_points(&rec->reader, rec->row_slot, &item->order, item_terms(rec, item));
	old = MemoryContextSwitchTo(rec->batch_context);
	item->order.base = PointerGetDatum(PG_DETOAST_DATUM_COPY(item->order.base));
	MemoryContextSwitchTo(old);
	ExecClearTuple(rec->row_slot);
}

static bool
same_text(Datum a, Datum b)
{
	text	   *x = DatumGetTextPP(a);
	text	   *y = DatumGetTextPP(b);

	return VARSIZE_ANY_EXHDR(x) == VARSIZE_ANY_EXHDR(y) &&
		memcmp(VARDATA_ANY(x), VARDATA_ANY(y), VARSIZE_ANY_EXHDR(x)) == 0;
}

static bool
same_numeric(Datum a, Datum b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_eq, a, b));
}

static bool
same_customer(Recorder *rec, Datum a, Datum b)
{
	if (rec->sort == NULL && rec->compare.fn_addr == NULL)
	{
		Relation	index = rec->journal->journal.index;
		TypeCacheEntry *type = lookup_type_cache(index->rd_opcintype[0], TYPECACHE_CMP_PROC);

		fmgr_info_cxt(type->cmp_proc, &rec->compare, rec->context);
		rec->collation = index->rd_indcollation[0];
	}
	return DatumGetInt32(FunctionCall2Coll(&rec->compare, rec->collation, a, b)) == 0;
}

/* What current_orders() finds is put into the items that asked. */
typedef struct Refresh
{
	Recorder   *rec;
	Lookup	  **items;
} Refresh;

static void
refresh_item(void *arg, Order *order, int asked)
{
	Refresh    *refresh = (Refresh *) arg;
	Recorder   *rec = refresh->rec;
	Order	   *known = &refresh->items[asked]->order;
	MemoryContext old;

	/* The order may be another customer's now. */
	if (!order->counted || !same_customer(rec, known->customer, order->customer))
		return;
	old = MemoryContextSwitchTo(rec->batch_context);
	known->counted = true;
	known->no_points = false;
	known->at = order->at;
	known->amount = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->amount));
	known->base = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->base));
	known->currency = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->currency));
	known->rate = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->rate));
	MemoryContextSwitchTo(old);
}

/* The terms of an order are those of the first time, for good. */
static int32
item_terms(Recorder *rec, Lookup *item)
{
	return item->known.revision == 0 ? rec->table->terms : item->known.terms;
}

/* Read orders again from the table, with the points of one version of the terms. */
static void
refresh_items(Recorder *rec, Lookup **items, int count, int32 terms)
{
	TrackedTable *root = program_root_table(rec->table);
	Refresh		refresh = {.rec = rec,.items = items};
	OrderPin   *pins = palloc(count * sizeof(OrderPin));

	if (root == NULL)
		return;
	for (int i = 0; i < count; i++)
	{
		OrderState *known = &items[i]->known;

		pins[i].order_key = items[i]->order.order_key;
		pins[i].currency = known->revision == 0 ? (Datum) 0 : known->currency;
		pins[i].rate = known->rate;
		order_gone(&items[i]->order);
	}
	current_orders(root, pins, count, terms, refresh_item, &refresh);
	pfree(pins);
}

/*
 * Points under the terms by which the items are known.  Items that must be read
 * are only keys as yet: their rows are read now, after it was found out what is
 * recorded of them.  If another transaction records one in between, its revision
 * is taken, and the item is looked at anew.
 */
static void
apply_known_terms(Recorder *rec)
{
	Lookup	  **stale = NULL;
	int			count = 0;

	for (int i = 0; i < rec->item_count; i++)
	{
		Lookup	   *item = &rec->items[i];

		if (!item->must_read &&
			(!item->order.counted ||
			 (!item->order.no_points && item_terms(rec, item) == rec->table->terms)))
			continue;
		if (!item->must_read && item->row != NULL)
		{
			evaluate_row(rec, item);
			continue;
		}
		if (stale == NULL)
			stale = palloc(rec->item_count * sizeof(Lookup *));
		stale[count++] = item;
	}
	while (count > 0)
	{
		int32		terms = item_terms(rec, stale[0]);
		Lookup	  **group = palloc(count * sizeof(Lookup *));
		int			in_group = 0;
		int			left = 0;

		for (int i = 0; i < count; i++)
		{
			if (item_terms(rec, stale[i]) == terms)
				group[in_group++] = stale[i];
			else
				stale[left++] = stale[i];
		}
		refresh_items(rec, group, in_group, terms);
		pfree(group);
		count = left;
	}
}

/* Fill a slot with the next revision of an order; false if there is none to write. */
static bool
next_revision(Recorder *rec, Lookup *item, TupleTableSlot *slot)
{
	OrderState *known = &item->known;
	Order		order = item->order;
	TimestampTz recorded_at = rec->now;

	if (known->revision == 0 && !order.counted)
		return false;
	/* An order that is gone keeps its time, and its rate. */
	if (!order.counted)
	{
		order.at = known->at;
		order.currency = known->currency;
		order.rate = known->rate;
	}
	if (known->revision != 0 && order.counted == known->counted &&
		order.at == known->at && same_text(order.currency, known->currency) &&
		same_numeric(order.amount, known->amount) &&
		same_numeric(order.base, known->base) &&
		same_numeric(order.rate, known->rate))
		return false;

	/*
	 * Entries are folded by recorded_at, then by at.  Those of one order are in
	 * order, even if its time, or the clock, goes back.
	 */
	if (known->revision != 0)
		recorded_at = Max(recorded_at, known->recorded_at + (order.at < known->at ? 1 : 0));
	fill_entry(rec, slot, &order, known->revision + 1, item_terms(rec, item), recorded_at,
			   known->revision == 0 ? item->joined : known->joined);
	ExecStoreVirtualTuple(slot);
	return true;
}

/*
 * Another transaction has recorded the same order, or does so: wait for it,
 * look at the order anew, and write what is left to write.  Row locks make this
 * rare: it takes two rows with the same order key.
 */
static void
record_again(Recorder *rec, Lookup *item, TupleTableSlot *slot)
{
	bool		conflict;

	do
	{
		CHECK_FOR_INTERRUPTS();
		journal_retract(rec->journal, slot);
		journal_wait(rec->journal, slot);
		journal_find(rec->journal, item->order.customer, item->order.order_key,
					 &item->known);
		refresh_items(rec, &item, 1, item_terms(rec, item));
		if (!next_revision(rec, item, slot))
			return;
		journal_append(rec->journal, &slot, 1, &conflict);
		conflict = conflict ||
			journal_posted_revision(rec->journal, item->order.customer,
									item->order.order_key) > item->known.revision;
	} while (conflict);
	rec->written++;
}

/* Does the tenure of customers matter to new orders? */
static bool
uses_tenure(Recorder *rec)
{
	return rec->terms == NULL || rec->terms->uses_tenure;
}

/* Since when the customers of new orders are customers. */
static void
read_joined(Recorder *rec, int count)
{
	TrackedTable *root = program_root_table(rec->table);

	memset(rec->joined, 0, count * sizeof(JoinedAt));
	if (root != NULL && count > 0)
		joined_read(root, rec->customers, count, rec->joined);
}

static void
read_joined_of_items(Recorder *rec)
{
	int			count = 0;

	for (int i = 0; i < rec->item_count; i++)
		if (rec->items[i].known.revision == 0 && rec->items[i].order.counted)
			rec->customers[count++] = rec->items[i].order.customer;
	read_joined(rec, count);
	count = 0;
	for (int i = 0; i < rec->item_count; i++)
		if (rec->items[i].known.revision == 0 && rec->items[i].order.counted)
			rec->items[i].joined = rec->joined[count++];
}

/* Complete the entries of new orders, whose slots may be those of the sort. */
static void
read_joined_of_directs(Recorder *rec)
{
	for (int i = 0; i < rec->directs; i++)
	{
		slot_getallattrs(rec->direct[i]);
		rec->customers[i] = rec->direct[i]->tts_values[ENTRY_CUSTOMER];
	}
	read_joined(rec, rec->directs);
	for (int i = 0; i < rec->directs; i++)
	{
		TupleTableSlot *from = rec->direct[i];
		TupleTableSlot *slot = entry_slot(rec, rec->completed, i);
		int			natts = slot->tts_tupleDescriptor->natts;

		ExecClearTuple(slot);
		memcpy(slot->tts_values, from->tts_values, natts * sizeof(Datum));
		memcpy(slot->tts_isnull, from->tts_isnull, natts * sizeof(bool));
		slot->tts_values[ENTRY_JOINED_AT] = TimestampTzGetDatum(rec->joined[i].at);
		slot->tts_isnull[ENTRY_JOINED_AT] = !rec->joined[i].is_known;
		rec->direct[i] = ExecStoreVirtualTuple(slot);
	}
}

/* Look up the items of the batch and write those that changed. */
static void
record_items(Recorder *rec)
{
	int			count = 0;

	for (int i = 0; i < rec->item_count; i++)
		journal_find(rec->journal, rec->items[i].order.customer,
					 rec->items[i].order.order_key, &rec->items[i].known);
	apply_known_terms(rec);
	if (uses_tenure(rec))
		read_joined_of_items(rec);
	for (int i = 0; i < rec->item_count; i++)
	{
		if (next_revision(rec, &rec->items[i], entry_slot(rec, rec->entries, count)))
			rec->entry_items[count++] = &rec->items[i];
	}
	if (count == 0)
		return;
	journal_append(rec->journal, rec->entries, count, rec->conflict);
	for (int i = 0; i < count; i++)
	{
		Lookup	   *item = rec->entry_items[i];

		/* Nobody else records this order, unless it is more than one row. */
		if (!rec->conflict[i] && item->must_read)
			rec->conflict[i] =
				journal_posted_revision(rec->journal, item->order.customer,
										item->order.order_key) > item->known.revision;
		if (rec->conflict[i])
			record_again(rec, item, rec->entries[i]);
		else
			rec->written++;
	}
}

static Lookup *
add_item(Recorder *rec, const Order *order, MinimalTuple row)
{
	Lookup	   *item = &rec->items[rec->item_count++];

	item->order = *order;
	item->joined = not_known;
	item->must_read = rec->mode == RECORD_CURRENT || order->must_read;
	item->row = row;
	return item;
}

/* Is an order written at once, to find out by the keys whether it was known? */
static bool
is_direct(Recorder *rec, const Order *order)
{
	return rec->mode == RECORD_NEW && order->counted && !order->no_points &&
		!order->must_read && !rec->table->look_first;
}

/* Write the batch. */
static void
flush(Recorder *rec)
{
	MemoryContext old = MemoryContextSwitchTo(rec->batch_context);

	CHECK_FOR_INTERRUPTS();
	record_items(rec);
	rec->item_count = 0;
	if (rec->directs > 0)
	{
		if (uses_tenure(rec))
			read_joined_of_directs(rec);
		journal_append(rec->journal, rec->direct, rec->directs, rec->conflict);
		for (int i = 0; i < rec->directs; i++)
		{
			Order		order;
			bool		known = rec->conflict[i];

			if (rec->sort == NULL)
			{
				order = rec->single;
				known = known || journal_posted_revision(rec->journal, order.customer,
														 order.order_key) != 0;
			}
			else
			{
				read_entry(rec->direct[i], &order);
				known = known || journal_posted(rec->journal, order.customer, order.order_key);
			}
			if (known)
			{
				journal_retract(rec->journal, rec->direct[i]);
				add_item(rec, &order, NULL);
			}
			else
				rec->written++;
		}
		rec->directs = 0;
		/* Those that were recorded before, after all. */
		record_items(rec);
		rec->item_count = 0;
	}
	MemoryContextSwitchTo(old);
	if (rec->batch_context != rec->context)
		MemoryContextReset(rec->batch_context);
}

/*
 * Note how an order stands.  In mode RECORD_ROWS, row is its row.
 */
void
recorder_put(Recorder *rec, Order *order, TupleTableSlot *row)
{
	MemoryContext old;
	TupleTableSlot *slot = rec->put;

	if (rec->sort == NULL)
	{
		if (is_direct(rec, order))
		{
			fill_entry(rec, entry_slot(rec, rec->entries, 0), order, 1, rec->table->terms, rec->now,
					   not_known);
			rec->direct[rec->directs++] = ExecStoreVirtualTuple(rec->entries[0]);
			rec->single = *order;
		}
		else
		{
			bool		copied;

			add_item(rec, order, row != NULL && order->counted && rec->mode == RECORD_ROWS ?
					 ExecFetchSlotMinimalTuple(row, &copied) : NULL);
		}
		flush(rec);
		return;
	}

	fill_entry(rec, slot, order, order->must_read ? REVISION_READ : REVISION_NEW,
			   rec->table->terms, rec->now, not_known);
	if (rec->keep_rows)
	{
		slot->tts_isnull[SORT_ROW] = row == NULL || !order->counted;
		if (!slot->tts_isnull[SORT_ROW])
		{
			bool		free_tuple;
			MinimalTuple tuple;
			bytea	   *bytes;

			MemoryContextReset(rec->put_context);
			old = MemoryContextSwitchTo(rec->put_context);
			tuple = ExecFetchSlotMinimalTuple(row, &free_tuple);
			bytes = palloc(VARHDRSZ + tuple->t_len);
			SET_VARSIZE(bytes, VARHDRSZ + tuple->t_len);
			memcpy(VARDATA(bytes), tuple, tuple->t_len);
			slot->tts_values[SORT_ROW] = PointerGetDatum(bytes);
			MemoryContextSwitchTo(old);
		}
	}
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(rec->sort, slot);
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

/* One sorted order goes into the batch. */
static void
take_sorted(Recorder *rec, TupleTableSlot *slot, bool repeated)
{
	Order		order;
	MinimalTuple row = NULL;

	read_entry(slot, &order);
	order.must_read |= repeated && !rec->table->rows_hidden;
	if (is_direct(rec, &order))
	{
		rec->direct[rec->directs++] = slot;
		return;
	}
	if (rec->keep_rows && !slot->tts_isnull[SORT_ROW])
	{
		/* a copy, for the alignment that a tuple must have */
		bytea	   *bytes = DatumGetByteaPP(slot->tts_values[SORT_ROW]);

		row = MemoryContextAlloc(rec->batch_context, VARSIZE_ANY_EXHDR(bytes));
		memcpy(row, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	}
	add_item(rec, &order, row);
}

static bool
same_order(Recorder *rec, TupleTableSlot *a, TupleTableSlot *b)
{
	slot_getsomeattrs(a, ENTRY_KEYS);
	slot_getsomeattrs(b, ENTRY_KEYS);
	return same_text(a->tts_values[ENTRY_ORDER_KEY], b->tts_values[ENTRY_ORDER_KEY]) &&
		same_customer(rec, a->tts_values[ENTRY_CUSTOMER], b->tts_values[ENTRY_CUSTOMER]);
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

	return rec->table->rows_hidden &&
		DatumGetBool(slot_getattr(first, ENTRY_COUNTED + 1, &isnull)) &&
		!DatumGetBool(slot_getattr(second, ENTRY_COUNTED + 1, &isnull));
}

static void
write_sorted(Recorder *rec)
{
	TupleTableSlot *previous = NULL;
	bool		repeated = false;	/* is previous one of several puts? */

	tuplesort_performsort(rec->sort);
	for (;;)
	{
		TupleTableSlot *next = next_slot(rec);
		bool		got = tuplesort_gettupleslot(rec->sort, true, true, next, NULL);

		if (previous != NULL && got && same_order(rec, previous, next))
		{
			/* one of the two is void; its slot is used again */
			repeated = true;
			if (says_more(rec, previous, next))
				next = previous;
			else
				swap_sorted(rec, rec->sorted_used - 2);
			rec->sorted_used--;
		}
		else
		{
			if (previous != NULL)
				take_sorted(rec, previous, repeated);
			repeated = false;
		}
		if (!got)
			break;
		previous = next;
		if (rec->directs + rec->item_count == rec->size)
		{
			flush(rec);
			/* next is not in the batch */
			swap_sorted(rec, 0);
			rec->sorted_used = 1;
		}
	}
	flush(rec);
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
		for (int i = 0; i < rec->size + 2 && rec->sorted[i] != NULL; i++)
			ExecDropSingleTupleTableSlot(rec->sorted[i]);
	}
	for (int i = 0; i < rec->size && rec->entries[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(rec->entries[i]);
	for (int i = 0; i < rec->size && rec->completed[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(rec->completed[i]);
	if (rec->row_slot != NULL)
	{
		ExecDropSingleTupleTableSlot(rec->row_slot);
		order_reader_end(&rec->reader);
	}
	journal_close(rec->journal);
	written = rec->written;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(rec->context);
	return written;
}
