/*
 * batch.c: orders that are written to the journal at once.
 *
 * An order that is most likely new is appended as revision 1 straight away; the
 * primary key of the journal, and then a look at the ledger, tell if it was
 * recorded before.  In this order, so that an entry which is posted meanwhile
 * is found in one or the other.  All others are looked up, and written as a new
 * revision if they stand otherwise than recorded.
 *
 * The terms of an order are those it was first recorded under, for good: when it
 * is not known to be new, its points are evaluated after it was looked up, over
 * the row that was put with it or else over its row in the table.  So is the rate
 * of its currency.  An order that gets another customer or key begins with what it
 * brings along (see brought.c), even where another order had that key of that customer before.
 * In mode RECORD_ANEW, orders begin anew under the present terms (see rerate.c).
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "batch.h"
#include "compat.h"
#include "current.h"
#include "joined.h"
#include "journal.h"
#include "moment.h"

/*
 * Begin to write orders of a tracked table, as many as "size" at once, in the current
 * memory context.
 */
Batch *
batch_begin(TrackedTable *table, RecorderMode mode, int size)
{
	Batch	   *batch = palloc0(sizeof(Batch));

	batch->table = table;
	batch->mode = mode;
	batch->terms = terms_if_possible(table->program_relid, table->terms);
	batch->now = moment_of_recording();
	/* Terms that came into force since this transaction began to record. */
	if (batch->terms != NULL)
		batch->now = Max(batch->now, batch->terms->since);
	batch->context = CurrentMemoryContext;
	if (table->event != NULL)
		batch->event = CStringGetTextDatum(table->event);
	batch->values = size == 1 ? CurrentMemoryContext :
		AllocSetContextCreate(CurrentMemoryContext, "loyalty batch", ALLOCSET_DEFAULT_SIZES);
	batch->journal = journal_open(table->journal, table->ledger, table->tracked_table,
								  table->entry_keys);
	/* The lock that was just taken may have brought news of the journal. */
	batch->journal->journal.is_known_plain = table->valid && !table->look_first;
	batch->size = size;
	batch->direct = palloc0(size * sizeof(TupleTableSlot *));
	batch->completed = palloc0(size * sizeof(TupleTableSlot *));
	batch->items = palloc(size * sizeof(Lookup));
	batch->entries = palloc0(size * sizeof(TupleTableSlot *));
	batch->entry_items = palloc(size * sizeof(Lookup *));
	batch->conflict = palloc(size * sizeof(bool));
	batch->customers = palloc(size * sizeof(Datum));
	batch->joined = palloc(size * sizeof(Moment));
	return batch;
}

/*
 * Fill a slot of the journal's layout.  kept: what was there of the order before, or
 * what it begins with; or NULL.
 */
void
batch_fill_entry(Batch *batch, TupleTableSlot *slot, const Order *order, int32 revision,
				 int32 terms, TimestampTz recorded_at, const OrderState *kept)
{
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, ENTRY_COLUMNS * sizeof(bool));
	for (int i = ENTRY_COLUMNS; i < slot->tts_tupleDescriptor->natts; i++)
		slot->tts_isnull[i] = true; /* columns that users added */
	slot->tts_values[ENTRY_CUSTOMER] = order->customer;
	slot->tts_values[ENTRY_TRACKED_TABLE] = Int32GetDatum(batch->table->tracked_table);
	slot->tts_values[ENTRY_ORDER_KEY] = order->order_key;
	slot->tts_values[ENTRY_REVISION] = Int32GetDatum(revision);
	slot->tts_values[ENTRY_AT] = TimestampTzGetDatum(order->at);
	slot->tts_values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(recorded_at);
	/* while orders are sorted, terms 0 tell that points are not known yet */
	slot->tts_values[ENTRY_TERMS] = Int32GetDatum(order->no_points ? 0 : terms);
	slot->tts_values[ENTRY_COUNTS] = BoolGetDatum(order->counts);
	slot->tts_values[ENTRY_AMOUNT] = order->amount;
	slot->tts_values[ENTRY_AWARDS] = order->awards;
	slot->tts_isnull[ENTRY_PARTS] = order->parts == (Datum) 0;
	slot->tts_values[ENTRY_PARTS] = order->parts;
	slot->tts_isnull[ENTRY_ALLOTTED] = order->allotted == (Datum) 0;
	slot->tts_values[ENTRY_ALLOTTED] = order->allotted;
	slot->tts_values[ENTRY_CURRENCY] = order->currency;
	slot->tts_values[ENTRY_RATE] = order->rate;
	slot->tts_values[ENTRY_MOVED] = BoolGetDatum(kept != NULL && kept->moved);
	slot->tts_isnull[ENTRY_JOINED_AT] = kept == NULL || !kept->joined.is_known;
	if (!slot->tts_isnull[ENTRY_JOINED_AT])
		slot->tts_values[ENTRY_JOINED_AT] = TimestampTzGetDatum(kept->joined.at);
	slot->tts_isnull[ENTRY_AVAILABLE_AT] = !order->available.is_known;
	if (order->available.is_known)
		slot->tts_values[ENTRY_AVAILABLE_AT] = TimestampTzGetDatum(order->available.at);

	/* The fold finds the tier of all others. */
	slot->tts_isnull[ENTRY_MULTIPLIER] = kept == NULL || !kept->moved || !kept->held.is_known;
	slot->tts_isnull[ENTRY_TIER] = slot->tts_isnull[ENTRY_MULTIPLIER] || kept->held.tier == (Datum) 0;
	if (!slot->tts_isnull[ENTRY_MULTIPLIER])
		slot->tts_values[ENTRY_MULTIPLIER] = kept->held.multiplier;
	if (!slot->tts_isnull[ENTRY_TIER])
		slot->tts_values[ENTRY_TIER] = kept->held.tier;
	slot->tts_isnull[ENTRY_HELD_RULES] = slot->tts_isnull[ENTRY_MULTIPLIER] || kept->held.rules == (Datum) 0;
	if (!slot->tts_isnull[ENTRY_HELD_RULES])
		slot->tts_values[ENTRY_HELD_RULES] = kept->held.rules;
	slot->tts_isnull[ENTRY_CAME_FROM] = slot->tts_isnull[ENTRY_CAME_REVISION] = slot->tts_isnull[ENTRY_CAME_OVER] = true;
	slot->tts_isnull[ENTRY_EVENT] = batch->event == (Datum) 0;
	slot->tts_values[ENTRY_EVENT] = batch->event;
	slot->tts_isnull[ENTRY_MEMBER] = order->member == (Datum) 0;
	slot->tts_values[ENTRY_MEMBER] = order->member;
}

/*
 * Say in such a slot which key the order had until now, by what it brings along.
 */
void
batch_fill_origin(TupleTableSlot *slot, const OrderState *brought)
{
	if (brought->came_from == (Datum) 0)
		return;
	slot->tts_isnull[ENTRY_CAME_FROM] = slot->tts_isnull[ENTRY_CAME_REVISION] = slot->tts_isnull[ENTRY_CAME_OVER] = false;
	slot->tts_values[ENTRY_CAME_FROM] = brought->came_from;
	slot->tts_values[ENTRY_CAME_REVISION] = Int32GetDatum(brought->came_revision);
	slot->tts_values[ENTRY_CAME_OVER] = BoolGetDatum(brought->came_over);
}

/*
 * The order of an entry in such a slot; lives as long as the slot.
 */
void
batch_read_entry(TupleTableSlot *slot, Order *order)
{
	slot_getallattrs(slot);
	order->customer = slot->tts_values[ENTRY_CUSTOMER];
	order->order_key = slot->tts_values[ENTRY_ORDER_KEY];
	order->counts = DatumGetBool(slot->tts_values[ENTRY_COUNTS]);
	order->must_read = false;
	order->no_points = DatumGetInt32(slot->tts_values[ENTRY_TERMS]) == 0;
	order->at = DatumGetTimestampTz(slot->tts_values[ENTRY_AT]);
	order->amount = slot->tts_values[ENTRY_AMOUNT];
	order->awards = slot->tts_values[ENTRY_AWARDS];
	order->parts = slot->tts_isnull[ENTRY_PARTS] ? (Datum) 0 : slot->tts_values[ENTRY_PARTS];
	order->allotted = slot->tts_isnull[ENTRY_ALLOTTED] ? (Datum) 0 : slot->tts_values[ENTRY_ALLOTTED];
	order->currency = slot->tts_values[ENTRY_CURRENCY];
	order->rate = slot->tts_values[ENTRY_RATE];
	order->available = journal_read_moment(slot, ENTRY_AVAILABLE_AT);
	order->member = slot->tts_isnull[ENTRY_MEMBER] ? (Datum) 0 : slot->tts_values[ENTRY_MEMBER];
}

/* The i-th of some slots for entries that are written. */
static TupleTableSlot *
entry_slot(Batch *batch, TupleTableSlot **slots, int i)
{
	if (slots[i] == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(batch->context);

		slots[i] = MakeSingleTupleTableSlot(RelationGetDescr(batch->journal->journal.heap),
											&TTSOpsHeapTuple);
		MemoryContextSwitchTo(old);
	}
	return slots[i];
}

static int32 item_terms(Batch *batch, Lookup *item);

/* Parts of an order, or what is kept of its customer, which may be (Datum) 0, in the current memory context. */
static Datum
copy_value(Datum value)
{
	return value == (Datum) 0 ? value : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/* Points of an item under its own terms, from the row it came with. */
static void
evaluate_row(Batch *batch, Lookup *item)
{
	MemoryContext old;

	if (batch->row_slot == NULL)
	{
		old = MemoryContextSwitchTo(batch->context);
		order_reader_begin(&batch->reader, batch->table);
		batch->row_slot = MakeSingleTupleTableSlot(batch->table->row_desc, &TTSOpsMinimalTuple);
		MemoryContextSwitchTo(old);
	}
	ResetExprContext(batch->reader.econtext);
	ExecStoreMinimalTuple(item->row, batch->row_slot, false);
	order_evaluate_points(&batch->reader, batch->row_slot, &item->order, item_terms(batch, item));
	old = MemoryContextSwitchTo(batch->values);
	item->order.awards = PointerGetDatum(PG_DETOAST_DATUM_COPY(item->order.awards));
	item->order.parts = copy_value(item->order.parts);
	MemoryContextSwitchTo(old);
	ExecClearTuple(batch->row_slot);
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

/* Does each rule give the same? */
static bool
same_parts(Datum a, Datum b)
{
	ByAward		x;
	ByAward		y;

	if (a == (Datum) 0 || b == (Datum) 0)
		return a == b;
	x = stacking_read(a);
	y = stacking_read(b);
	if (x.count != y.count)
		return false;
	for (int i = 0; i < x.count; i++)
		if (x.isnull[i] != y.isnull[i] || (!x.isnull[i] && !same_numeric(x.values[i], y.values[i])))
			return false;
	return true;
}

static bool
same_customer(Batch *batch, Datum a, Datum b)
{
	if (batch->compare.fn_addr == NULL)
	{
		Relation	index = batch->journal->journal.index;
		TypeCacheEntry *type = lookup_type_cache(index->rd_opcintype[0], TYPECACHE_CMP_PROC);

		fmgr_info_cxt(type->cmp_proc, &batch->compare, batch->context);
		batch->collation = index->rd_indcollation[0];
	}
	return DatumGetInt32(FunctionCall2Coll(&batch->compare, batch->collation, a, b)) == 0;
}

/*
 * Are two entries of one order?
 */
bool
batch_same_order(Batch *batch, TupleTableSlot *a, TupleTableSlot *b)
{
	slot_getsomeattrs(a, ENTRY_KEYS);
	slot_getsomeattrs(b, ENTRY_KEYS);
	return same_text(a->tts_values[ENTRY_ORDER_KEY], b->tts_values[ENTRY_ORDER_KEY]) &&
		same_customer(batch, a->tts_values[ENTRY_CUSTOMER], b->tts_values[ENTRY_CUSTOMER]);
}

/* What current_orders() finds is put into the items that asked. */
typedef struct Refresh
{
	Batch	   *batch;
	Lookup	  **items;
} Refresh;

static void
refresh_item(void *arg, Order *order, int asked)
{
	Refresh    *refresh = (Refresh *) arg;
	Batch	   *batch = refresh->batch;
	Order	   *known = &refresh->items[asked]->order;
	MemoryContext old;

	/* The order may be another customer's now. */
	if (!order->counts || !same_customer(batch, known->customer, order->customer))
		return;
	old = MemoryContextSwitchTo(batch->values);
	known->counts = true;
	known->no_points = false;
	known->at = order->at;
	known->amount = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->amount));
	known->awards = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->awards));
	known->parts = copy_value(order->parts);
	known->member = copy_value(order->member);
	known->currency = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->currency));
	known->rate = PointerGetDatum(PG_DETOAST_DATUM_COPY(order->rate));
	known->available = order->available;
	MemoryContextSwitchTo(old);
}

/*
 * What an order keeps: what it brings along from another key, whichever order had its key before;
 * or else what is recorded of it.
 */
static const OrderState *
item_keeps(const Lookup *item)
{
	return item->known.revision != 0 && item->first.came_from == (Datum) 0 ? &item->known : &item->first;
}

/* The terms of an order are those of the first time, for good, unless it begins anew. */
static int32
item_terms(Batch *batch, Lookup *item)
{
	const OrderState *kept = item_keeps(item);

	return kept->revision == 0 || batch->mode == RECORD_ANEW ? batch->table->terms : kept->terms;
}

/*
 * Orders whose own terms have no view any more, since something that it used was dropped,
 * are left as they are recorded, until somebody makes it again and reconciles.
 */
static bool
leave_unknown(Batch *batch, Lookup **items, int count, int32 terms)
{
	TrackedTable *table = batch->table;

	if (program_has_rules(table, terms))
		return false;
	for (int i = 0; i < count; i++)
		items[i]->unknown = true;
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg_plural("%d order of table \"%s\" is not recorded by the loyalty program \"%s\": its view under the terms %d was dropped",
						   "%d orders of table \"%s\" are not recorded by the loyalty program \"%s\": their view under the terms %d was dropped",
						   count, count, get_rel_name(table->root), table->program, terms),
			 errhint("SELECT * FROM loyalty.verify(%s) tells what to do.", quote_literal_cstr(table->program))));
	return true;
}

/* Read orders again from the table, with the points of one version of the terms. */
static void
refresh_items(Batch *batch, Lookup **items, int count, int32 terms)
{
	TrackedTable *root = program_root_table(batch->table);
	Refresh		refresh = {.batch = batch,.items = items};
	OrderPin   *pins = palloc(count * sizeof(OrderPin));

	if (root == NULL || leave_unknown(batch, items, count, terms))
		return;
	for (int i = 0; i < count; i++)
	{
		const OrderState *kept = item_keeps(items[i]);

		pins[i].order_key = items[i]->order.order_key;
		pins[i].customer = items[i]->order.customer;
		pins[i].currency = kept->revision == 0 ? (Datum) 0 : kept->currency;
		pins[i].rate = kept->rate;
		pins[i].member = kept->revision == 0 || kept->member == (Datum) 0 || batch->mode == RECORD_ANEW ?
			DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")) : kept->member;
		order_gone(&items[i]->order);
	}
	current_orders(root, pins, count, terms, refresh_item, &refresh);
	pfree(pins);
}

/*
 * Orders of which nothing is known, and that have no lines yet of which they are the sum,
 * do not count: there is nothing to read.
 */
static void
skip_without_lines(Batch *batch)
{
	TrackedTable *root = batch->item_count == 0 ? NULL : program_root_table(batch->table);
	Datum	   *keys;
	Lookup	  **unknown;
	bool	   *without;
	int			count = 0;

	if (root == NULL || !OidIsValid(root->line_probe.relid))
		return;
	keys = palloc(batch->item_count * sizeof(Datum));
	unknown = palloc(batch->item_count * sizeof(Lookup *));
	without = palloc(batch->item_count * sizeof(bool));
	for (int i = 0; i < batch->item_count; i++)
	{
		if (!batch->items[i].must_read || item_keeps(&batch->items[i])->revision != 0)
			continue;
		keys[count] = batch->items[i].order.order_key;
		unknown[count++] = &batch->items[i];
	}
	if (count == 0 || !current_without_lines(root, keys, count, without))
		return;
	for (int i = 0; i < count; i++)
	{
		if (!without[i])
			continue;
		order_gone(&unknown[i]->order);
		unknown[i]->must_read = false;
	}
}

/*
 * Points under the terms by which the items are known.  Items that must be read
 * are only keys as yet: their rows are read now, after it was found out what is
 * recorded of them.  If another transaction records one in between, its revision
 * is taken, and the item is looked at anew.
 */
static void
apply_known_terms(Batch *batch)
{
	Lookup	  **stale = NULL;
	int			count = 0;

	skip_without_lines(batch);
	for (int i = 0; i < batch->item_count; i++)
	{
		Lookup	   *item = &batch->items[i];

		if (!item->must_read &&
			(!item->order.counts ||
			 (!item->order.no_points && item_terms(batch, item) == batch->table->terms)))
			continue;
		if (!item->must_read && item->row != NULL && program_has_rules(batch->table, item_terms(batch, item)))
		{
			evaluate_row(batch, item);
			continue;
		}
		if (stale == NULL)
			stale = palloc(batch->item_count * sizeof(Lookup *));
		stale[count++] = item;
	}
	while (count > 0)
	{
		int32		terms = item_terms(batch, stale[0]);
		Lookup	  **group = palloc(count * sizeof(Lookup *));
		int			in_group = 0;
		int			left = 0;

		for (int i = 0; i < count; i++)
		{
			if (item_terms(batch, stale[i]) == terms)
				group[in_group++] = stale[i];
			else
				stale[left++] = stale[i];
		}
		refresh_items(batch, group, in_group, terms);
		pfree(group);
		count = left;
	}
}

/* Does an order keep the same of its customer's row? */
static bool
same_member(Datum a, Datum b)
{
	if (a == (Datum) 0 || b == (Datum) 0)
		return a == b;
	return DatumGetBool(DirectFunctionCall2(jsonb_eq, a, b));
}

static bool
same_moment(Moment a, Moment b)
{
	return a.is_known == b.is_known && (!a.is_known || a.at == b.at);
}

/* Does an order stand as it is recorded? */
static bool
is_recorded(const Order *order, const OrderState *known)
{
	return known->revision != 0 && order->counts == known->counts &&
		order->at == known->at && same_text(order->currency, known->currency) &&
		same_numeric(order->amount, known->amount) &&
		same_numeric(order->awards, known->awards) &&
		same_parts(order->parts, known->parts) &&
		same_numeric(order->rate, known->rate) &&
		same_member(order->member, known->member) &&
		same_moment(order->available, known->available);
}

/* When the next revision of an order is recorded. */
static TimestampTz
next_moment(Batch *batch, const Lookup *item)
{
	const OrderState *known = &item->known;
	TimestampTz result = item->left || item->first.came_from != (Datum) 0 ? batch->moved_at : batch->now;

	/*
	 * Entries are folded by recorded_at, then by at.  Those of one order are in order,
	 * even if its time, or the clock, goes back.
	 */
	if (known->revision != 0)
		result = Max(result, known->recorded_at + (item->next.at < known->at ? 1 : 0));
	return result;
}

/*
 * Does an order have an entry though it stands as is recorded under its key?  The one that gets a
 * key brings other things along than the one that had it; and the one that leaves a key passes on what it has,
 * even if it does not count, or another one has that key.
 */
static bool
goes_on(const Lookup *item)
{
	return item->first.came_from != (Datum) 0 || item->left;
}

/* Has an order a next revision that is to be written, and how does it stand then? */
static void
decide_next(Batch *batch, Lookup *item)
{
	const OrderState *known = &item->known;
	const OrderState *kept = item_keeps(item);
	Order	   *order = &item->next;

	*order = item->order;
	item->due = false;
	/* What is brought along is kept, even by an order that does not count by now. */
	if (item->unknown || (kept->revision == 0 && !order->counts))
		return;
	/* Of an archived order, nobody asks for more of its customer than it keeps. */
	if (order->member == (Datum) 0 && batch->mode != RECORD_ANEW)
		order->member = kept->member;
	/* An order that is gone keeps its times, and its rate. */
	if (!order->counts)
	{
		order->at = kept->at;
		order->currency = kept->currency;
		order->rate = kept->rate;
		order->available = kept->available;
	}
	item->due = batch->mode == RECORD_ANEW ? known->terms != batch->table->terms :
		!is_recorded(order, known) || goes_on(item);
}

/*
 * What an order has of budgets until its next revision.  One that gets another key has what it had
 * by the old one, and the entry by that gives nothing back.
 */
static Allotment
item_allotment(Batch *batch, const Lookup *item)
{
	const OrderState *had = item->first.came_from != (Datum) 0 ? &item->first : &item->known;
	Allotment	result = {0};

	if ((item->left && had == &item->known) || had->allotted == (Datum) 0)
		return result;
	result.terms = terms_if_possible(batch->table->program_relid, had->terms);
	result.parts = had->parts;
	result.allotted = had->allotted;
	return result;
}

/* Can budgets have to do with an order?  Without rules that stack when entries are folded, none can. */
static bool
may_have_budget(const Lookup *item)
{
	return item->order.parts != (Datum) 0 || item->known.allotted != (Datum) 0 || item->first.allotted != (Datum) 0 ||
		item->removed_allotted != (Datum) 0;
}

/* Expect and lock the budgets of all items, before the first of them is written. */
static void
prepare_budgets(Batch *batch)
{
	for (int i = 0; i < batch->item_count; i++)
	{
		Lookup	   *item = &batch->items[i];
		Allotment	had;
		Terms	   *terms;
		bool		asks;

		if (!may_have_budget(item))
			continue;
		had = item_allotment(batch, item);
		terms = item->due ? terms_if_possible(batch->table->program_relid, item_terms(batch, item)) : NULL;
		asks = budgets_are_asked(terms, item->next.parts);
		if (!asks && (terms == NULL || had.terms == NULL) && item->removed_allotted == (Datum) 0)
			continue;
		if (batch->budgets == NULL)
			batch->budgets = budgets_begin(batch->table);
		if (asks)
			budgets_expect(batch->budgets, terms, item->next.parts);
		if (terms != NULL && had.terms != NULL)
			budgets_expect(batch->budgets, had.terms, had.allotted);
		if (item->removed_allotted != (Datum) 0)
			budgets_expect(batch->budgets, terms_find(batch->table->program_relid, item->removed_terms), item->removed_allotted);
	}
	if (batch->budgets == NULL)
		return;
	budgets_lock(batch->budgets);
	for (int i = 0; i < batch->item_count; i++)
		if (batch->items[i].removed_allotted != (Datum) 0)
			budgets_count(batch->budgets, terms_find(batch->table->program_relid, batch->items[i].removed_terms),
						  batch->items[i].removed_allotted, false);
}

/* What budgets give to the next revision of an order. */
static Datum
allot(Batch *batch, const Lookup *item, int32 version)
{
	Datum		parts = item->next.parts;
	Terms	   *terms;
	Allotment	had;

	if (!may_have_budget(item))
		return (Datum) 0;
	terms = terms_if_possible(batch->table->program_relid, version);
	had = item_allotment(batch, item);
	if (terms == NULL || (had.terms == NULL && !budgets_are_asked(terms, parts)))
		return (Datum) 0;
	/* the order was changed by others while it was recorded */
	if (batch->budgets == NULL)
		batch->budgets = budgets_begin(batch->table);
	if (parts != (Datum) 0)
		budgets_expect(batch->budgets, terms, parts);
	if (had.terms != NULL)
		budgets_expect(batch->budgets, had.terms, had.allotted);
	budgets_lock(batch->budgets);
	return budgets_allot(batch->budgets, terms, parts, &had);
}

/* The revision in a slot, which budgets gave to, is not written after all. */
static void
untake(Batch *batch, const Lookup *item, TupleTableSlot *slot)
{
	Allotment	had = item_allotment(batch, item);

	if (batch->budgets == NULL)
		return;
	if (!slot->tts_isnull[ENTRY_ALLOTTED])
		budgets_count(batch->budgets, terms_if_possible(batch->table->program_relid, DatumGetInt32(slot->tts_values[ENTRY_TERMS])),
					  slot->tts_values[ENTRY_ALLOTTED], false);
	budgets_count(batch->budgets, had.terms, had.allotted, true);
}

/* Fill a slot with the next revision of an order; false if there is none to write. */
static bool
next_revision(Batch *batch, Lookup *item, TupleTableSlot *slot)
{
	const OrderState *known = &item->known;
	const OrderState *kept = item_keeps(item);
	OrderState	anew = {.moved = true,.joined = item->first.joined};
	int32		terms = item_terms(batch, item);

	if (!item->due)
		return false;
	item->next.allotted = allot(batch, item, terms);
	batch_fill_entry(batch, slot, &item->next, known->revision + 1, terms,
					 next_moment(batch, item), batch->mode == RECORD_ANEW ? &anew : kept);
	batch_fill_origin(slot, &item->first);
	ExecStoreVirtualTuple(slot);
	return true;
}

/* An entry was written.  before: what was recorded of its order. */
static void
note_written(Batch *batch, TupleTableSlot *slot, const OrderState *before)
{
	batch->written++;
	if (batch->refunding != NULL && batch->mode != RECORD_ANEW)
		refunding_note(batch->refunding, slot, before);
}

/*
 * Another transaction has recorded the same order, or does so: wait for it,
 * look at the order anew, and write what is left to write.  Row locks make this
 * rare: it takes two rows with the same order key.
 */
static void
record_again(Batch *batch, Lookup *item, TupleTableSlot *slot)
{
	bool		conflict;

	do
	{
		CHECK_FOR_INTERRUPTS();
		untake(batch, item, slot);
		journal_retract(batch->journal, slot);
		journal_wait(batch->journal, slot);
		journal_find(batch->journal, item->order.customer, item->order.order_key,
					 &item->known);
		refresh_items(batch, &item, 1, item_terms(batch, item));
		decide_next(batch, item);
		if (!next_revision(batch, item, slot))
			return;
		journal_append(batch->journal, &slot, 1, &conflict);
		conflict = conflict ||
			journal_posted_revision(batch->journal, item->order.customer,
									item->order.order_key) > item->known.revision;
	} while (conflict);
	note_written(batch, slot, &item->known);
}

/* Does the tenure of customers matter to new orders? */
static bool
uses_tenure(Batch *batch)
{
	return batch->terms == NULL || batch->terms->uses_tenure;
}

/* Since when the customers of new orders are customers. */
static void
read_joined(Batch *batch, int count)
{
	TrackedTable *root = program_root_table(batch->table);

	memset(batch->joined, 0, count * sizeof(Moment));
	if (root != NULL && count > 0)
		joined_read(root, batch->customers, count, batch->joined);
}

/* Does an order begin with this, so that it is asked since when its customer is one? */
static bool
begins(Batch *batch, const Lookup *item)
{
	return batch->mode == RECORD_ANEW ||
		(item_keeps(item)->revision == 0 && item->order.counts);
}

static void
read_joined_of_items(Batch *batch)
{
	int			count = 0;

	for (int i = 0; i < batch->item_count; i++)
		if (begins(batch, &batch->items[i]))
			batch->customers[count++] = batch->items[i].order.customer;
	read_joined(batch, count);
	count = 0;
	for (int i = 0; i < batch->item_count; i++)
		if (begins(batch, &batch->items[i]))
			batch->items[i].first.joined = batch->joined[count++];
}

/* Complete the entries of new orders, whose slots may be those of the sort. */
static void
read_joined_of_directs(Batch *batch)
{
	for (int i = 0; i < batch->directs; i++)
	{
		slot_getallattrs(batch->direct[i]);
		batch->customers[i] = batch->direct[i]->tts_values[ENTRY_CUSTOMER];
	}
	read_joined(batch, batch->directs);
	for (int i = 0; i < batch->directs; i++)
	{
		TupleTableSlot *from = batch->direct[i];
		TupleTableSlot *slot = entry_slot(batch, batch->completed, i);
		int			natts = slot->tts_tupleDescriptor->natts;

		ExecClearTuple(slot);
		memcpy(slot->tts_values, from->tts_values, natts * sizeof(Datum));
		memcpy(slot->tts_isnull, from->tts_isnull, natts * sizeof(bool));
		slot->tts_values[ENTRY_JOINED_AT] = TimestampTzGetDatum(batch->joined[i].at);
		slot->tts_isnull[ENTRY_JOINED_AT] = !batch->joined[i].is_known;
		batch->direct[i] = ExecStoreVirtualTuple(slot);
	}
}

/*
 * Look up what is recorded of an order.  If it got its customer or key in this
 * statement, a trigger may have changed it again before this is looked at, so that
 * it has been recorded as if it was new: then it begins anew, with what it brings
 * along.
 */
static void
find_known(Batch *batch, Lookup *item)
{
	OrderState *known = &item->known;

	journal_find(batch->journal, item->order.customer, item->order.order_key, known);
	if (batch->mode != RECORD_CURRENT || item->first.revision == 0 || item->left || known->revision != 1 ||
		!known->is_own || known->moved || batch->table->look_first)
		return;
	journal_remove(batch->journal, &known->place);
	item->removed_terms = known->terms;
	item->removed_allotted = known->allotted;
	memset(known, 0, sizeof(OrderState));
}

/* Look up the items of the batch and write those that changed. */
static void
record_items(Batch *batch)
{
	int			count = 0;

	for (int i = 0; i < batch->item_count; i++)
		find_known(batch, &batch->items[i]);
	apply_known_terms(batch);
	if (uses_tenure(batch))
		read_joined_of_items(batch);
	for (int i = 0; i < batch->item_count; i++)
		decide_next(batch, &batch->items[i]);
	prepare_budgets(batch);
	for (int i = 0; i < batch->item_count; i++)
	{
		if (next_revision(batch, &batch->items[i], entry_slot(batch, batch->entries, count)))
			batch->entry_items[count++] = &batch->items[i];
	}
	if (count > 0)
		journal_append(batch->journal, batch->entries, count, batch->conflict);
	for (int i = 0; i < count; i++)
	{
		Lookup	   *item = batch->entry_items[i];

		/* Nobody else records this order, unless it is more than one row. */
		if (!batch->conflict[i] && item->must_read)
			batch->conflict[i] =
				journal_posted_revision(batch->journal, item->order.customer,
										item->order.order_key) > item->known.revision;
		if (batch->conflict[i])
			record_again(batch, item, batch->entries[i]);
		else
			note_written(batch, batch->entries[i], &item->known);
	}
	if (batch->budgets != NULL)
		budgets_end(batch->budgets);
	batch->budgets = NULL;
}

/*
 * Add an order that is looked up, with its row, if that says how it stands, and what
 * it brings along, or NULL.  left: it has another customer or key now.
 */
void
batch_add_item(Batch *batch, const Order *order, MinimalTuple row, const OrderState *brought, bool left)
{
	Lookup	   *item = &batch->items[batch->item_count++];

	item->order = *order;
	item->must_read = batch->mode == RECORD_CURRENT || order->must_read;
	item->left = left;
	item->row = row;
	item->unknown = false;
	item->removed_terms = 0;
	item->removed_allotted = (Datum) 0;
	memset(&item->first, 0, sizeof(OrderState));
	if (brought != NULL)
		item->first = *brought;
}

/*
 * Is an order written at once, to find out by the keys whether it was known?
 */
bool
batch_is_direct(Batch *batch, const Order *order)
{
	return batch->mode == RECORD_NEW && order->counts && !order->no_points &&
		!order->must_read && !batch->table->look_first && !budgets_are_asked(batch->terms, order->parts);
}

/*
 * Add an order that is written at once, the only one of a batch.
 */
void
batch_add_single(Batch *batch, const Order *order)
{
	TupleTableSlot *slot = entry_slot(batch, batch->entries, 0);

	Assert(batch->size == 1 && batch->directs == 0);
	batch_fill_entry(batch, slot, order, 1, batch->table->terms, batch->now, NULL);
	batch->direct[batch->directs++] = ExecStoreVirtualTuple(slot);
	batch->single = order;
}

/* Write orders that are most likely new; those that are not become items. */
static void
record_directs(Batch *batch)
{
	if (uses_tenure(batch))
		read_joined_of_directs(batch);
	journal_append(batch->journal, batch->direct, batch->directs, batch->conflict);
	for (int i = 0; i < batch->directs; i++)
	{
		Order		order;
		bool		known = batch->conflict[i];

		if (batch->single != NULL)
		{
			order = *batch->single;
			known = known || journal_posted_revision(batch->journal, order.customer,
													 order.order_key) != 0;
		}
		else
		{
			batch_read_entry(batch->direct[i], &order);
			known = known || journal_posted(batch->journal, order.customer, order.order_key);
		}
		if (known)
		{
			journal_retract(batch->journal, batch->direct[i]);
			batch_add_item(batch, &order, NULL, NULL, false);
		}
		else
			note_written(batch, batch->direct[i], NULL);
	}
	batch->directs = 0;
}

/*
 * Write the batch.
 */
void
batch_flush(Batch *batch)
{
	MemoryContext old = MemoryContextSwitchTo(batch->values);

	CHECK_FOR_INTERRUPTS();
	record_items(batch);
	batch->item_count = 0;
	if (batch->directs > 0)
	{
		record_directs(batch);
		/* Those that were recorded before, after all. */
		record_items(batch);
		batch->item_count = 0;
	}
	MemoryContextSwitchTo(old);
	if (batch->values != batch->context)
		MemoryContextReset(batch->values);
}

static void
drop_slots(TupleTableSlot **slots, int size)
{
	for (int i = 0; i < size && slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
}

/*
 * Close what was opened; returns the number of entries.
 */
int64
batch_end(Batch *batch)
{
	drop_slots(batch->entries, batch->size);
	drop_slots(batch->completed, batch->size);
	if (batch->row_slot != NULL)
	{
		ExecDropSingleTupleTableSlot(batch->row_slot);
		order_reader_end(&batch->reader);
	}
	journal_close(batch->journal);
	return batch->written;
}
