/*
 * fold.c: the entries of one customer, made ready to be added.
 *
 * The fold (accrual.c) must know how an order is posted if a later revision of it is to
 * be added, and nothing of all other orders but the times of the first and the last of
 * them.  Both are looked up here in the ledger by its primary key.  The times take a look
 * at all orders of the customer, but only if the first or the last order itself is among
 * those that changed; even then no more is remembered than the entries to be added.
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"
#include "layout.h"
#include "member_limits.h"
#include "number.h"
#include "program.h"

/* What may be null; then it is (Datum) 0. */
static Datum
nullable_value(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? (Datum) 0 : slot->tts_values[column];
}

/*
 * What the journal says of an entry whose place in the order of entries is known: values
 * stay in the slot.
 */
void
fold_read_entry(TupleTableSlot *slot, RecordedEntry *entry)
{
	Datum	   *values = slot->tts_values;
	bool	   *nulls = slot->tts_isnull;

	slot_getallattrs(slot);
	entry->terms = DatumGetInt32(values[ENTRY_TERMS]);
	entry->counts = DatumGetBool(values[ENTRY_COUNTS]);
	entry->event = (const text *) DatumGetPointer(nullable_value(slot, ENTRY_EVENT));
	entry->amount = values[ENTRY_AMOUNT];
	entry->awards = values[ENTRY_AWARDS];
	entry->parts = stacking_given(nullable_value(slot, ENTRY_PARTS), nullable_value(slot, ENTRY_ALLOTTED));
	entry->joined = journal_read_moment(slot, ENTRY_JOINED_AT);
	entry->available = journal_read_moment(slot, ENTRY_AVAILABLE_AT);
	entry->held.is_known = !nulls[ENTRY_MULTIPLIER];
	entry->held.multiplier = entry->held.is_known ? values[ENTRY_MULTIPLIER] : (Datum) 0;
	entry->held.tier = nullable_value(slot, ENTRY_TIER);
	entry->held.rules = nullable_value(slot, ENTRY_HELD_RULES);
}

/*
 * What the journal says of the place of an entry in the order of entries, its terms,
 * whether its order counts, whether it is an event, and which key it had; keys are copied.
 */
void
fold_read_place(TupleTableSlot *slot, RecordedEntry *entry)
{
	Datum	   *values = slot->tts_values;

	slot_getsomeattrs(slot, ENTRY_COUNTS + 1);
	entry->tracked_table = DatumGetInt32(values[ENTRY_TRACKED_TABLE]);
	entry->order_key = DatumGetTextPCopy(values[ENTRY_ORDER_KEY]);
	entry->revision = DatumGetInt32(values[ENTRY_REVISION]);
	entry->at = DatumGetTimestampTz(values[ENTRY_AT]);
	entry->recorded_at = DatumGetTimestampTz(values[ENTRY_RECORDED_AT]);
	entry->terms = DatumGetInt32(values[ENTRY_TERMS]);
	entry->counts = DatumGetBool(values[ENTRY_COUNTS]);
	entry->is_rerated = false;
	entry->came = entry->left = NULL;
	entry->came_from = NULL;
	entry->came_revision = 0;
	entry->came_over = false;
	slot_getsomeattrs(slot, ENTRY_EVENT + 1);
	entry->is_event = !slot->tts_isnull[ENTRY_EVENT];
	if (!slot->tts_isnull[ENTRY_CAME_FROM] && !slot->tts_isnull[ENTRY_CAME_REVISION])
	{
		entry->came_from = DatumGetTextPCopy(values[ENTRY_CAME_FROM]);
		entry->came_revision = DatumGetInt32(values[ENTRY_CAME_REVISION]);
		entry->came_over = !slot->tts_isnull[ENTRY_CAME_OVER] && DatumGetBool(values[ENTRY_CAME_OVER]);
	}
}

/*
 * The keys of an account: of its customer, and of an array of those who were merged into
 * this one, or (Datum) 0; in the current memory context.
 */
CustomerKeys
fold_keys(Datum customer, Datum merged, Oid type)
{
	CustomerKeys result = {.count = 1};
	int16		length;
	bool		by_value;
	char		align;
	Datum	   *others = NULL;
	int			count = 0;

	if (merged != (Datum) 0)
	{
		get_typlenbyvalalign(type, &length, &by_value, &align);
		deconstruct_array(DatumGetArrayTypeP(merged), type, length, by_value, align, &others, NULL, &count);
	}
	result.keys = palloc((count + 1) * sizeof(Datum));
	result.keys[0] = customer;
	for (int i = 0; i < count; i++)
		result.keys[result.count++] = others[i];
	return result;
}

/*
 * An account out of the arguments of a function: the customer, whose type is that of the
 * call, in a row spend, orders, points_earned, first_order_at, last_order_at, points and
 * lots, and from "merged" on who was merged into the customer, and the histories if they are given.
 */
void
fold_read_account(FunctionCallInfo fcinfo, int customer, int sums, int merged, PostedAccount *account)
{
	account->customer = PG_GETARG_DATUM(customer);
	account->customer_type = get_fn_expr_argtype(fcinfo->flinfo, customer);
	if (!OidIsValid(account->customer_type))
		elog(ERROR, "could not determine the type of a customer");
	if (get_typlen(account->customer_type) == -1)
		account->customer = PointerGetDatum(PG_DETOAST_DATUM(account->customer));
	account->spend = PG_ARGISNULL(sums) ? number_zero() : PG_GETARG_DATUM(sums);
	account->orders = PG_ARGISNULL(sums + 1) ? 0 : PG_GETARG_INT64(sums + 1);
	account->points_earned = PG_ARGISNULL(sums + 2) ? number_zero() : PG_GETARG_DATUM(sums + 2);
	account->bounds.any = !PG_ARGISNULL(sums + 3) && !PG_ARGISNULL(sums + 4);
	account->bounds.first = account->bounds.any ? PG_GETARG_TIMESTAMPTZ(sums + 3) : 0;
	account->bounds.last = account->bounds.any ? PG_GETARG_TIMESTAMPTZ(sums + 4) : 0;
	account->points = PG_ARGISNULL(sums + 5) ? number_zero() : PG_GETARG_DATUM(sums + 5);
	account->lots = PG_ARGISNULL(sums + 6) ? (Datum) 0 : PG_GETARG_DATUM(sums + 6);
	account->purchases = PG_NARGS() <= merged + 1 || PG_ARGISNULL(merged + 1) ? (Datum) 0 : PG_GETARG_DATUM(merged + 1);
	account->events = PG_NARGS() <= merged + 2 || PG_ARGISNULL(merged + 2) ? (Datum) 0 : PG_GETARG_DATUM(merged + 2);
	account->keys = fold_keys(account->customer, PG_ARGISNULL(merged) ? (Datum) 0 : PG_GETARG_DATUM(merged),
							  account->customer_type);
}

static int
compare_pointers(const void *a, const void *b)
{
	return recorded_entry_compare(*(RecordedEntry *const *) a, *(RecordedEntry *const *) b);
}

/*
 * Put entries into the order in which they are added.
 */
void
fold_sort(RecordedEntry **entries, int count)
{
	qsort(entries, count, sizeof(RecordedEntry *), compare_pointers);
}

/*
 * Must the fold know something of posted orders to add entries: is there a later revision of an
 * order among them, or have rules limits?  program: the table "program".
 */
bool
fold_needs_posted(Accrual *accrual, Oid program, RecordedEntry **entries, int count)
{
	bool		needs = false;
	Terms	   *terms = NULL;

	for (int i = 0; i < count; i++)
	{
		bool		has_limits;

		/* most entries are of the same terms as the one before */
		if (terms == NULL || terms->id != entries[i]->terms)
			terms = terms_find(program, entries[i]->terms);
		has_limits = limits_expect(accrual, terms, entries[i]->at);
		needs = needs || has_limits || entries[i]->revision > 1;
	}
	return needs || accrual_needs_expired(accrual);
}

/*
 * Tell the fold the histories of the account as it is posted, each (Datum) 0 for none, if a
 * condition asks for them: of the terms "asked", or NULL, or of those of an entry.
 */
void
fold_know_histories(Accrual *accrual, Oid program, const Terms *asked, RecordedEntry **entries, int count,
					Datum purchases, Datum events)
{
	bool		needs = asked != NULL && (asked->uses_histories || asked->metrics_use_histories);
	const Terms *terms = asked;

	for (int i = 0; i < count && !needs; i++)
	{
		if (terms == NULL || terms->id != entries[i]->terms)
			terms = terms_find(program, entries[i]->terms);
		needs = terms->uses_histories;
	}
	if (needs)
		accrual_set_histories(accrual, purchases, events);
}

/* Tell the fold how an order is posted. */
static void
know_order(Accrual *accrual, const RecordedEntry *entry, EntryTable *ledger, Snapshot snapshot,
		   const CustomerKeys *keys)
{
	TupleTableSlot *slot;
	Datum	   *values;

	if (!entry_find_newest(ledger, snapshot, keys->keys[entry->recorded_for], entry->tracked_table,
						   PointerGetDatum(entry->order_key)))
		return;
	slot = ledger->slot;
	slot_getsomeattrs(slot, LEDGER_COLUMNS);
	values = slot->tts_values;
	accrual_known_order(accrual, entry,
						DatumGetInt32(values[ENTRY_REVISION]),
						DatumGetInt32(values[ENTRY_TERMS]),
						DatumGetBool(values[ENTRY_COUNTS]),
						DatumGetTimestampTz(values[ENTRY_AT]),
						journal_read_moment(slot, ENTRY_AVAILABLE_AT),
						values[ENTRY_AMOUNT], values[LEDGER_ORDER_POINTS],
						nullable_value(slot, LEDGER_FORGIVEN),
						values[ENTRY_MULTIPLIER],
						slot->tts_isnull[ENTRY_TIER] ? NULL :
						TextDatumGetCString(values[ENTRY_TIER]),
						nullable_value(slot, ENTRY_HELD_RULES), nullable_value(slot, LEDGER_ROOMS), nullable_value(slot, LEDGER_APART));
	ExecClearTuple(slot);
}

/* The newest entry of an order, of those read so far. */
typedef struct Newest
{
	bool		counts;			/* as an order; false before the first one, too */
	TimestampTz at;
	int			recorded_for;
	int32		tracked_table;
	text	   *order_key;		/* in a buffer */
	Size		size;			/* of it */
	int32		terms;
	Datum		apart;			/* a copy, or (Datum) 0: nothing, or it is not asked for */
} Newest;

/* What is asked about all posted orders of an account. */
typedef struct OrdersAsked
{
	Bounds	   *bounds;			/* of those that are not expected; or NULL */
	Oid			limits_of;		/* the table "program" whose rules have limits, or
								 * InvalidOid */
} OrdersAsked;

/* Is this an entry of the same order? */
static bool
is_same_order(const Newest *newest, int32 tracked_table, const text *order_key)
{
	Size		size = VARHDRSZ + VARSIZE_ANY_EXHDR(order_key);

	return newest->order_key != NULL && tracked_table == newest->tracked_table &&
		size == VARSIZE(newest->order_key) &&
		memcmp(VARDATA(newest->order_key), VARDATA_ANY(order_key), size - VARHDRSZ) == 0;
}

/* The next order is that of this entry. */
static void
begin_newest(Newest *newest, int32 tracked_table, const text *order_key)
{
	Size		size = VARHDRSZ + VARSIZE_ANY_EXHDR(order_key);

	if (newest->order_key == NULL || size > newest->size)
	{
		newest->size = Max(size, 128);
		newest->order_key = newest->order_key == NULL ? palloc(newest->size) :
			repalloc(newest->order_key, newest->size);
	}
	newest->tracked_table = tracked_table;
	SET_VARSIZE(newest->order_key, size);
	memcpy(VARDATA(newest->order_key), VARDATA_ANY(order_key), size - VARHDRSZ);
}

static void
set_apart(Newest *newest, Datum apart)
{
	if (newest->apart != (Datum) 0)
		pfree(DatumGetPointer(newest->apart));
	newest->apart = apart;
}

/* An order is read to its end. */
static void
end_newest(Accrual *accrual, Newest *newest, const OrdersAsked *asked)
{
	Bounds	   *bounds = asked->bounds;

	if (bounds != NULL && newest->counts && (!bounds->any || newest->at < bounds->first || newest->at > bounds->last) &&
		!accrual_expects(accrual, newest->recorded_for, newest->tracked_table, newest->order_key))
		bounds_extend(bounds, newest->at);
	if (newest->apart != (Datum) 0)
		limits_known(accrual, terms_find(asked->limits_of, newest->terms), newest->at, newest->apart);
	set_apart(newest, (Datum) 0);
}

/* Read the posted orders that were recorded for one of the keys of an account. */
static void
read_orders_of(Accrual *accrual, EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys, int which,
			   const OrdersAsked *asked)
{
	Newest		newest = {.recorded_for = which};
	EntryScan	scan;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = keys->keys[which];
	scan = entry_scan_begin(ledger, snapshot, ledger->keys, 1);
	while (entry_scan_next(&scan))
	{
		Datum	   *values = scan.slot->tts_values;
		text	   *order_key;

		slot_getsomeattrs(scan.slot, OidIsValid(asked->limits_of) ? LEDGER_COLUMNS : ENTRY_EVENT + 1);
		order_key = DatumGetTextPP(values[ENTRY_ORDER_KEY]);
		if (!is_same_order(&newest, DatumGetInt32(values[ENTRY_TRACKED_TABLE]), order_key))
		{
			end_newest(accrual, &newest, asked);
			begin_newest(&newest, DatumGetInt32(values[ENTRY_TRACKED_TABLE]), order_key);
		}
		newest.counts = DatumGetBool(values[ENTRY_COUNTS]) && scan.slot->tts_isnull[ENTRY_EVENT];
		newest.at = DatumGetTimestampTz(values[ENTRY_AT]);
		newest.terms = DatumGetInt32(values[ENTRY_TERMS]);
		if (OidIsValid(asked->limits_of))
			set_apart(&newest, scan.slot->tts_isnull[LEDGER_APART] ? (Datum) 0 :
					  PointerGetDatum(PG_DETOAST_DATUM_COPY(values[LEDGER_APART])));
		if (PointerGetDatum(order_key) != values[ENTRY_ORDER_KEY])
			pfree(order_key);
	}
	end_newest(accrual, &newest, asked);
	entry_scan_end(&scan);
}

/*
 * Tell the fold the times of the first and the last posted order that is not expected, and counts,
 * and what all of them give under limits, as far as it needs that.  The entries of the account are read
 * for it, as no index knows the times of orders and the periods of rules.
 */
static void
know_orders(Accrual *accrual, EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys)
{
	Bounds		bounds = {0};
	OrdersAsked asked = {0};

	if (accrual_needs_bounds(accrual))
		asked.bounds = &bounds;
	if (accrual->uses != NULL)
		asked.limits_of = program_relation(RelationGetNamespace(ledger->heap), "program");
	if (asked.bounds == NULL && !OidIsValid(asked.limits_of))
		return;
	for (int i = 0; i < keys->count; i++)
		read_orders_of(accrual, ledger, snapshot, keys, i, &asked);
	if (asked.bounds != NULL)
		accrual->others = bounds;
}

/* What entries of the kind "expiry" of a customer took off lots. */
static void
put_expired_lots(EntryTable *ledger, Snapshot snapshot, Datum customer, LotList *expired)
{
	EntryScan	scan;

	ledger->keys[ENTRY_CUSTOMER].sk_argument = customer;
	ledger->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(TIME_TABLE);
	scan = entry_scan_begin(ledger, snapshot, ledger->keys, ENTRY_TRACKED_TABLE + 1);
	while (entry_scan_next(&scan))
	{
		Datum	   *values = scan.slot->tts_values;
		bool	   *nulls = scan.slot->tts_isnull;

		slot_getsomeattrs(scan.slot, LEDGER_COLUMNS);
		if (!nulls[LEDGER_KIND] && !nulls[LEDGER_LOTS] &&
			strcmp(TextDatumGetCString(values[LEDGER_KIND]), EXPIRY) == 0)
			lots_put_stored(expired, DatumGetLots(values[LEDGER_LOTS]), true);
	}
	entry_scan_end(&scan);
}

/*
 * What entries of the kind "expiry" took off the lots of an account, and off those of who
 * was merged into it before; in the current memory context.
 */
LotList *
fold_expired_lots(EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys)
{
	LotList    *expired = lots_make();

	for (int i = 0; i < keys->count; i++)
		put_expired_lots(ledger, snapshot, keys->keys[i], expired);
	lots_settle(expired);
	return expired;
}

/*
 * Tell the fold of a customer, which begins with the account as it is posted, how orders
 * are posted of which later revisions come, or of all that come.
 */
void
fold_know_posted(Accrual *accrual, RecordedEntry **entries, int count, bool all,
				 EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys)
{
	for (int i = 0; i < count; i++)
	{
		RecordedEntry *entry = entries[i];

		if ((entry->revision > 1 || all) &&
			accrual_expect(accrual, entry->recorded_for, entry->tracked_table, entry->order_key))
			know_order(accrual, entry, ledger, snapshot, keys);
	}
	fold_find_rekeyed(accrual, entries, count);
	fold_know_payments(accrual, entries, count, ledger, snapshot, keys);
	know_orders(accrual, ledger, snapshot, keys);
	if (accrual_needs_expired(accrual))
	{
		MemoryContext old = MemoryContextSwitchTo(accrual->context);

		accrual->expired = fold_expired_lots(ledger, snapshot, keys);
		MemoryContextSwitchTo(old);
	}
}

/*
 * The table must be laid out as ours, with customers of this type: anybody can call the
 * functions that read, with whatever program and customer.
 */
void
fold_check_customer(EntryTable *table, bool ledger, Oid customer_type)
{
	layout_check_entries(table->heap, ledger, AccessShareLock);
	if (TupleDescAttr(RelationGetDescr(table->heap), ENTRY_CUSTOMER)->atttypid != customer_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the customers of loyalty program \"%s\" are of another type",
						get_namespace_name(RelationGetNamespace(table->heap))),
				 errdetail("They are of type %s.",
						   format_type_be(TupleDescAttr(RelationGetDescr(table->heap), ENTRY_CUSTOMER)->atttypid))));
}

/* What fold_read_entries() reads into. */
typedef struct ReadEntries
{
	RecordedEntry **entries;
	int			count;
	int			size;
	TupleTableSlot *slot;		/* or NULL: there was no entry yet */
} ReadEntries;

/* Read the entries of one of the keys of an account. */
static void
read_entries_of(EntryTable *journal, const CustomerKeys *keys, int which, ReadEntries *read)
{
	EntryScan	scan;

	journal->keys[ENTRY_CUSTOMER].sk_argument = keys->keys[which];
	scan = entry_scan_begin(journal, GetActiveSnapshot(), journal->keys, 1);
	while (entry_scan_next(&scan))
	{
		RecordedEntry *entry = palloc(sizeof(RecordedEntry));

		if (read->slot == NULL)
			read->slot = MakeSingleTupleTableSlot(RelationGetDescr(journal->heap), &TTSOpsMinimalTuple);
		/* the values of the entry point into a copy of the row */
		ExecStoreMinimalTuple(ExecCopySlotMinimalTuple(scan.slot), read->slot, false);
		entry->recorded_for = which;
		fold_read_place(read->slot, entry);
		fold_read_entry(read->slot, entry);
		if (read->count == read->size)
		{
			read->size = Max(8, read->size * 2);
			read->entries = read->entries == NULL ? palloc(read->size * sizeof(RecordedEntry *)) :
				repalloc_huge(read->entries, read->size * sizeof(RecordedEntry *));
		}
		read->entries[read->count++] = entry;
	}
	entry_scan_end(&scan);
}

/*
 * The entries of an account in the journal, as the snapshot of the query shows them; in
 * the current memory context.
 */
RecordedEntry **
fold_read_entries(Oid schema, const PostedAccount *account, int *count)
{
	EntryTable	journal;
	ReadEntries read = {0};

	entry_table_open(&journal, program_relation(schema, "journal"), AccessShareLock, NULL);
	fold_check_customer(&journal, false, account->customer_type);
	for (int i = 0; i < account->keys.count; i++)
		read_entries_of(&journal, &account->keys, i, &read);
	if (read.slot != NULL)
		ExecDropSingleTupleTableSlot(read.slot);
	entry_table_close(&journal);
	*count = read.count;
	return read.entries;
}

/*
 * Begin to fold entries of a customer as the snapshot of the query shows them, which are
 * brought into order; in the current memory context.  asked: terms whose conditions are asked about the
 * account afterwards, or NULL.
 */
Accrual *
fold_begin_read(Oid schema, const PostedAccount *account, const Terms *asked, RecordedEntry **entries, int count)
{
	Accrual    *accrual = accrual_begin(CurrentMemoryContext);
	EntryTable	ledger;

	accrual->is_read = true;
	accrual_set_account(accrual, account->spend, account->orders, account->points_earned,
						&account->bounds);
	accrual_set_points(accrual, account->points, account->lots);
	fold_sort(entries, count);
	fold_know_histories(accrual, program_relation(schema, "program"), asked, entries, count, account->purchases, account->events);
	if (fold_needs_posted(accrual, program_relation(schema, "program"), entries, count))
	{
		entry_table_open(&ledger, program_relation(schema, "ledger"), AccessShareLock, NULL);
		fold_check_customer(&ledger, true, account->customer_type);
		fold_know_posted(accrual, entries, count, false, &ledger, GetActiveSnapshot(), &account->keys);
		entry_table_close(&ledger);
	}
	return accrual;
}
