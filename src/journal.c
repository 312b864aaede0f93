/*
 * journal.c: reading and appending what is recorded of orders.
 *
 * Written by direct table access: no privilege, row security or trigger of the
 * journal applies, which is what lets a role that may only insert orders record
 * points without any right on the program.  The journal has plain columns, one
 * index and no constraint that direct access would bypass, besides NOT NULL,
 * which the caller guarantees.
 *
 * Read with SnapshotSelf: what is committed at this moment and what this
 * transaction did, whatever its isolation level.  The order row has been waited
 * for, so its newest entry is what counts, even under REPEATABLE READ.  And no
 * predicate lock is taken, so that recording can't make a SERIALIZABLE
 * transaction fail that would not fail without it.
 *
 * Locking: RowExclusiveLock on the journal, AccessShareLock on the ledger, as
 * any INSERT and SELECT take; no row is locked, so nothing waits here.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "journal.h"

static void
open_table(EntryTable *table, Oid relid, LOCKMODE lock)
{
	Oid			index;

	table->heap = table_open(relid, lock);
	(void) RelationGetIndexList(table->heap);
	index = table->heap->rd_pkindex;
	if (!OidIsValid(index))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation \"%s\" of the loyalty program has no primary key",
						RelationGetRelationName(table->heap))));
	table->index = index_open(index, lock);
	table->slot = table_slot_create(table->heap, NULL);
	table->empty = RelationGetNumberOfBlocks(table->heap) == 0;

	for (int i = 0; i < 3; i++)
	{
		Oid			type = table->index->rd_opcintype[i];
		Oid			op = get_opfamily_member(table->index->rd_opfamily[i],
											 type, type, BTEqualStrategyNumber);

		if (!OidIsValid(op))
			elog(ERROR, "missing equality operator for type %u", type);
		ScanKeyEntryInitialize(&table->keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, table->index->rd_indcollation[i],
							   get_opcode(op), (Datum) 0);
	}
}

/*
 * Begin a piece of recording.
 */
Journal *
journal_open(Oid journal_relid, Oid ledger_relid, int32 source)
{
	Journal    *journal = palloc0(sizeof(Journal));

	journal->context = CurrentMemoryContext;
	journal->source = source;
	open_table(&journal->journal, journal_relid, RowExclusiveLock);
	open_table(&journal->ledger, ledger_relid, AccessShareLock);
	return journal;
}

/* The newest visible entry of an order in one of the tables. */
static bool
find_in(Journal *journal, EntryTable *table, Datum customer, Datum order_key,
		OrderState *state)
{
	if (table->empty)
		return false;
	if (table->scan == NULL)
		table->scan = loyalty_index_beginscan(table->heap, table->index,
											  SnapshotSelf, 3);
	table->keys[0].sk_argument = customer;
	table->keys[1].sk_argument = Int32GetDatum(journal->source);
	table->keys[2].sk_argument = order_key;
	index_rescan(table->scan, table->keys, 3, NULL, 0);
	if (!index_getnext_slot(table->scan, BackwardScanDirection, table->slot))
		return false;

	slot_getsomeattrs(table->slot, ENTRY_COLUMNS);
	state->revision = DatumGetInt32(table->slot->tts_values[ENTRY_REVISION]);
	state->at = DatumGetTimestampTz(table->slot->tts_values[ENTRY_AT]);
	state->recorded_at = DatumGetTimestampTz(table->slot->tts_values[ENTRY_RECORDED_AT]);
	state->terms = DatumGetInt32(table->slot->tts_values[ENTRY_TERMS]);
	state->counted = DatumGetBool(table->slot->tts_values[ENTRY_COUNTED]);
	state->amount = PointerGetDatum(PG_DETOAST_DATUM_COPY(table->slot->tts_values[ENTRY_AMOUNT]));
	state->base = PointerGetDatum(PG_DETOAST_DATUM_COPY(table->slot->tts_values[ENTRY_BASE]));
	ExecClearTuple(table->slot);
	return true;
}

/*
 * What is recorded of an order, posted or not; revision 0 if nothing is.
 * Posting moves the older entries first, so the journal has the newer ones; it
 * is looked at first, so that an entry which moves meanwhile is found.
 */
void
journal_find(Journal *journal, Datum customer, Datum order_key,
			 OrderState *state)
{
	memset(state, 0, sizeof(OrderState));
	if (!find_in(journal, &journal->journal, customer, order_key, state))
		(void) find_in(journal, &journal->ledger, customer, order_key, state);
}

static void
flush(Journal *journal)
{
	CommandId	cid = GetCurrentCommandId(true);
	Relation	heap = journal->journal.heap;
	Relation	index = journal->journal.index;

	if (journal->pending == 0)
		return;
	if (journal->index_info == NULL)
		journal->index_info = BuildIndexInfo(index);
	if (journal->pending > 1)
	{
		if (journal->bulk == NULL)
			journal->bulk = GetBulkInsertState();
		table_multi_insert(heap, journal->slots, journal->pending, cid, 0,
						   journal->bulk);
	}
	else
		table_tuple_insert(heap, journal->slots[0], cid, 0, NULL);

	for (int i = 0; i < journal->pending; i++)
	{
		TupleTableSlot *slot = journal->slots[i];

		/* The key is the first four columns of the table, in order. */
		slot_getsomeattrs(slot, ENTRY_REVISION + 1);
		(void) loyalty_index_insert(index, slot->tts_values, slot->tts_isnull,
									&slot->tts_tid, heap, UNIQUE_CHECK_YES,
									journal->index_info);
		ExecClearTuple(slot);
	}
	journal->pending = 0;
	journal->written = true;
}

/*
 * Add an entry.  The datums must live until journal_close().
 */
void
journal_append(Journal *journal, Datum customer, Datum order_key,
			   const OrderState *state)
{
	TupleTableSlot *slot;
	MemoryContext old;

	if (journal->slots[journal->pending] == NULL)
	{
		old = MemoryContextSwitchTo(journal->context);
		journal->slots[journal->pending] =
			MakeSingleTupleTableSlot(RelationGetDescr(journal->journal.heap),
									 table_slot_callbacks(journal->journal.heap));
		MemoryContextSwitchTo(old);
	}
	slot = journal->slots[journal->pending];
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, ENTRY_COLUMNS * sizeof(bool));
	slot->tts_values[ENTRY_CUSTOMER] = customer;
	slot->tts_values[ENTRY_SOURCE] = Int32GetDatum(journal->source);
	slot->tts_values[ENTRY_ORDER_KEY] = order_key;
	slot->tts_values[ENTRY_REVISION] = Int32GetDatum(state->revision);
	slot->tts_values[ENTRY_AT] = TimestampTzGetDatum(state->at);
	slot->tts_values[ENTRY_RECORDED_AT] = TimestampTzGetDatum(state->recorded_at);
	slot->tts_values[ENTRY_TERMS] = Int32GetDatum(state->terms);
	slot->tts_values[ENTRY_COUNTED] = BoolGetDatum(state->counted);
	slot->tts_values[ENTRY_AMOUNT] = state->amount;
	slot->tts_values[ENTRY_BASE] = state->base;
	ExecStoreVirtualTuple(slot);
	if (++journal->pending == JOURNAL_BATCH)
		flush(journal);
}

static void
close_table(EntryTable *table)
{
	if (table->scan != NULL)
		index_endscan(table->scan);
	ExecDropSingleTupleTableSlot(table->slot);
	index_close(table->index, NoLock);
	table_close(table->heap, NoLock);
}

/*
 * Write what is pending and make it visible to the rest of the statement.
 */
void
journal_close(Journal *journal)
{
	flush(journal);
	if (journal->bulk != NULL)
		FreeBulkInsertState(journal->bulk);
	for (int i = 0; i < JOURNAL_BATCH && journal->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(journal->slots[i]);
	close_table(&journal->journal);
	close_table(&journal->ledger);
	if (journal->written)
		CommandCounterIncrement();
	pfree(journal);
}
