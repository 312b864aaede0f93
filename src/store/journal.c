/*
 * journal.c: reading and appending what is recorded of orders.
 *
 * What is recorded of one order is read with SnapshotSelf: what is committed at
 * this moment and what this transaction did, whatever its isolation level.  The
 * order row has been waited for, so its newest entry is what counts, even under
 * REPEATABLE READ.  Only the newest entry of one order decides, and nobody
 * else writes entries of this order meanwhile, so there is nothing that several
 * rows could say at different moments.  And no predicate lock is taken, so that
 * recording cannot make a SERIALIZABLE transaction fail that would not fail
 * without it.
 *
 * Locking: RowExclusiveLock on the journal, AccessShareLock on the ledger, as
 * any INSERT and SELECT take.  The primary key (customer, tracked table, order key,
 * revision) is what keeps two sessions from recording one order at once: the
 * second to write a revision finds it taken, and may wait for the first with
 * journal_wait().  No other order waits for that.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "journal.h"
#include "layout.h"

/* Customers with more posted orders than this are looked up order by order. */
#define POSTED_KEYS 64

/*
 * Begin a piece of recording.
 */
Journal *
journal_open(Oid journal_relid, Oid ledger_relid, int32 tracked_table,
			 const ScanKeyData *keys)
{
	Journal    *journal = palloc0(sizeof(Journal));

	writer_require_writable();
	journal->context = CurrentMemoryContext;
	journal->tracked_table = tracked_table;
	entry_table_open(&journal->journal, journal_relid, RowExclusiveLock, keys);
	entry_table_open(&journal->ledger, ledger_relid, AccessShareLock, keys);
	return journal;
}

/*
 * A column of an entry that is a moment or null.
 */
Moment
journal_read_moment(TupleTableSlot *slot, EntryColumn column)
{
	Moment		moment = {.is_known = !slot->tts_isnull[column]};

	if (moment.is_known)
		moment.at = DatumGetTimestampTz(slot->tts_values[column]);
	return moment;
}

/* The newest visible entry of an order in one of the tables, in the slot of the table. */
static bool
find_in(Journal *journal, EntryTable *table, Datum customer, Datum order_key)
{
	return entry_find_newest(table, SnapshotSelf, customer, journal->tracked_table, order_key);
}

/* The tier of an entry. */
static HeldTier
read_held(TupleTableSlot *slot)
{
	Datum	   *values = slot->tts_values;
	HeldTier	held = {0};

	held.is_known = !slot->tts_isnull[ENTRY_MULTIPLIER];
	if (held.is_known)
		held.multiplier = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_MULTIPLIER]));
	if (held.is_known && !slot->tts_isnull[ENTRY_TIER])
		held.tier = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_TIER]));
	if (held.is_known && !slot->tts_isnull[ENTRY_HELD_RULES])
		held.rules = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_HELD_RULES]));
	return held;
}

/*
 * What an entry says, in the current memory context.
 */
void
journal_read_state(TupleTableSlot *slot, OrderState *state)
{
	Datum	   *values = slot->tts_values;

	slot_getsomeattrs(slot, ENTRY_COLUMNS);
	state->revision = DatumGetInt32(values[ENTRY_REVISION]);
	state->at = DatumGetTimestampTz(values[ENTRY_AT]);
	state->recorded_at = DatumGetTimestampTz(values[ENTRY_RECORDED_AT]);
	state->terms = DatumGetInt32(values[ENTRY_TERMS]);
	state->counts = DatumGetBool(values[ENTRY_COUNTS]);
	state->amount = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_AMOUNT]));
	state->awards = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_AWARDS]));
	state->parts = slot->tts_isnull[ENTRY_PARTS] ? (Datum) 0 :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_PARTS]));
	state->allotted = slot->tts_isnull[ENTRY_ALLOTTED] ? (Datum) 0 :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_ALLOTTED]));
	state->currency = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_CURRENCY]));
	state->rate = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_RATE]));
	state->joined = journal_read_moment(slot, ENTRY_JOINED_AT);
	state->available = journal_read_moment(slot, ENTRY_AVAILABLE_AT);
	state->member = slot->tts_isnull[ENTRY_MEMBER] ? (Datum) 0 :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_MEMBER]));
	state->moved = DatumGetBool(values[ENTRY_MOVED]);
	state->held = read_held(slot);
	state->came_from = slot->tts_isnull[ENTRY_CAME_FROM] ? (Datum) 0 :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(values[ENTRY_CAME_FROM]));
	state->came_revision = slot->tts_isnull[ENTRY_CAME_REVISION] ? 0 : DatumGetInt32(values[ENTRY_CAME_REVISION]);
	state->came_over = !slot->tts_isnull[ENTRY_CAME_OVER] && DatumGetBool(values[ENTRY_CAME_OVER]);
	state->is_own = false;
}

/* Did this transaction write the entry that was found in the journal? */
static void
read_origin(TupleTableSlot *slot, OrderState *state)
{
	bool		isnull;
	Datum		xmin = slot_getsysattr(slot, MinTransactionIdAttributeNumber, &isnull);

	state->is_own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
	state->place = slot->tts_tid;
}

/*
 * What is recorded of an order, posted or not; revision 0 if nothing is.
 * Posting moves the older entries first, so the journal has the newer ones; it
 * is looked at first, so that an entry which moves meanwhile is found.
 * The values are in the current memory context.
 */
void
journal_find(Journal *journal, Datum customer, Datum order_key,
			 OrderState *state)
{
	memset(state, 0, sizeof(OrderState));
	for (int i = 0; i < 2; i++)
	{
		EntryTable *table = i == 0 ? &journal->journal : &journal->ledger;

		if (!find_in(journal, table, customer, order_key))
			continue;
		journal_read_state(table->slot, state);
		if (table == &journal->journal)
			read_origin(table->slot, state);
		ExecClearTuple(table->slot);
		return;
	}
}

/*
 * The tier that a posted order began with; false if it is not posted, or not under
 * these terms.
 */
bool
journal_find_posted_tier(Journal *journal, Datum customer, Datum order_key, int32 terms,
						 HeldTier *held)
{
	TupleTableSlot *slot;
	bool		found;

	if (!find_in(journal, &journal->ledger, customer, order_key))
		return false;
	slot = journal->ledger.slot;
	slot_getsomeattrs(slot, ENTRY_COLUMNS);
	found = DatumGetInt32(slot->tts_values[ENTRY_TERMS]) == terms;
	if (found)
		*held = read_held(slot);
	ExecClearTuple(slot);
	return found;
}

/*
 * The newest posted revision of an order, or 0.
 */
int32
journal_posted_revision(Journal *journal, Datum customer, Datum order_key)
{
	int32		revision;
	bool		isnull;

	if (!find_in(journal, &journal->ledger, customer, order_key))
		return 0;
	revision = DatumGetInt32(slot_getattr(journal->ledger.slot,
										  ENTRY_REVISION + 1, &isnull));
	ExecClearTuple(journal->ledger.slot);
	return revision;
}

/* The next order key of the customer in the ledger's index, or NULL. */
static text *
next_posted_key(Journal *journal)
{
	IndexScanDesc scan = journal->customer_scan;
	MemoryContext old = MemoryContextSwitchTo(journal->context);
	bool		found = index_getnext_tid(scan, ForwardScanDirection) != NULL;
	text	   *key = NULL;
	bool		isnull;

	MemoryContextSwitchTo(journal->posted_context);
	if (found)
		key = DatumGetTextPCopy(index_getattr(scan->xs_itup, ENTRY_ORDER_KEY + 1,
											  scan->xs_itupdesc, &isnull));
	MemoryContextSwitchTo(old);
	return key;
}

/* Read which orders of a customer are in the ledger, from its index alone. */
static void
read_posted_keys(Journal *journal, Datum customer)
{
	EntryTable *ledger = &journal->ledger;
	FormData_pg_attribute *att = TupleDescAttr(RelationGetDescr(ledger->heap), 0);
	MemoryContext old = MemoryContextSwitchTo(journal->context);
	text	   *key;

	if (journal->customer_scan == NULL)
	{
		journal->posted_context = AllocSetContextCreate(journal->context,
														"loyalty posted keys",
														ALLOCSET_DEFAULT_SIZES);
		journal->customer_scan = loyalty_index_beginscan(ledger->heap, ledger->index,
														 SnapshotSelf, 2);
		journal->customer_scan->xs_want_itup = true;
	}
	MemoryContextReset(journal->posted_context);
	MemoryContextSwitchTo(journal->posted_context);
	journal->posted_customer = datumCopy(customer, att->attbyval, att->attlen);
	journal->posted_keys = palloc(POSTED_KEYS * sizeof(text *));
	journal->posted_count = 0;
	MemoryContextSwitchTo(journal->context);
	ledger->keys[0].sk_argument = journal->posted_customer;
	ledger->keys[1].sk_argument = Int32GetDatum(journal->tracked_table);
	index_rescan(journal->customer_scan, ledger->keys, 2, NULL, 0);
	while ((key = next_posted_key(journal)) != NULL)
	{
		if (journal->posted_count == POSTED_KEYS)
		{
			journal->posted_count = -1;
			break;
		}
		journal->posted_keys[journal->posted_count++] = key;
	}
	MemoryContextSwitchTo(old);
	journal->posted_valid = true;
}

/*
 * Whether the ledger may have entries of an order.  Made for many orders in
 * customer order: one look at the index serves all orders of a customer.
 */
bool
journal_posted(Journal *journal, Datum customer, Datum order_key)
{
	FormData_pg_attribute *att = TupleDescAttr(RelationGetDescr(journal->ledger.heap), 0);
	text	   *key = DatumGetTextPP(order_key);

	if (!journal->posted_valid ||
		!datumIsEqual(journal->posted_customer, customer, att->attbyval, att->attlen))
		read_posted_keys(journal, customer);
	if (journal->posted_count < 0)
		return journal_posted_revision(journal, customer, order_key) != 0;
	for (int i = 0; i < journal->posted_count; i++)
	{
		text	   *posted = journal->posted_keys[i];

		if (VARSIZE_ANY_EXHDR(posted) == VARSIZE_ANY_EXHDR(key) &&
			memcmp(VARDATA_ANY(posted), VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key)) == 0)
			return true;
	}
	return false;
}

/*
 * Append entries.  conflict[i] tells that the revision of entry i may be taken
 * already: such an entry must be retracted.
 */
void
journal_append(Journal *journal, TupleTableSlot **slots, int count,
			   bool *conflict)
{
	entry_table_insert(&journal->journal, slots, count, conflict);
	journal->posted_valid = false;	/* posting goes on meanwhile */
}

/*
 * Take back an entry that this transaction has written.
 */
void
journal_remove(Journal *journal, ItemPointer place)
{
	CommandCounterIncrement();
	entry_table_delete(&journal->journal, place, 1);
}

/*
 * Take back an entry that was appended in the current command or before.
 */
void
journal_retract(Journal *journal, TupleTableSlot *slot)
{
	journal_remove(journal, &slot->tts_tid);
}

/*
 * If another transaction in progress has written the same revision of the order
 * in the slot, wait for its end.
 */
void
journal_wait(Journal *journal, TupleTableSlot *slot)
{
	EntryTable *table = &journal->journal;
	SnapshotData dirty;
	IndexScanDesc scan;
	TupleTableSlot *found = table_slot_create(table->heap, NULL);
	TransactionId wait_for = InvalidTransactionId;

	InitDirtySnapshot(dirty);
	slot_getsomeattrs(slot, ENTRY_KEYS);
	for (int i = 0; i < ENTRY_KEYS; i++)
		table->keys[i].sk_argument = slot->tts_values[i];
	scan = loyalty_index_beginscan(table->heap, table->index, &dirty, ENTRY_KEYS);
	index_rescan(scan, table->keys, ENTRY_KEYS, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, found))
	{
		if (TransactionIdIsValid(dirty.xmin))
		{
			wait_for = dirty.xmin;
			break;
		}
	}
	index_endscan(scan);
	ExecDropSingleTupleTableSlot(found);
	if (TransactionIdIsValid(wait_for))
		XactLockTableWait(wait_for, table->heap, &slot->tts_tid,
						  XLTW_InsertIndexUnique);
}

/*
 * Make what was written visible to the rest of the statement.
 */
void
journal_close(Journal *journal)
{
	if (journal->customer_scan != NULL)
		index_endscan(journal->customer_scan);
	entry_table_close(&journal->journal);
	entry_table_close(&journal->ledger);
	CommandCounterIncrement();
}
