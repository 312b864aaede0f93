/*
 * entries.c: the journal and the ledger, which hold the entries of a program.
 *
 * Both have the primary key (customer, tracked table, order key, revision) over their
 * first columns, and are read by it.  They are written by a writer (writer.c),
 * with all guarantees of PostgreSQL but privileges and row security.  Whoever
 * reads says with which snapshot, and why that one.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "entries.h"
#include "layout.h"

/*
 * Scan keys that look for equality with the first columns of a primary key of
 * entries; the arguments are set when they are used.  In the current memory
 * context.
 */
void
entry_init_keys(Relation index, ScanKeyData *keys)
{
	for (int i = 0; i < ENTRY_KEYS; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			op = get_opfamily_member(index->rd_opfamily[i],
											 type, type, BTEqualStrategyNumber);

		if (!OidIsValid(op))
			elog(ERROR, "missing equality operator for type %u", type);
		ScanKeyEntryInitialize(&keys[i], 0, i + 1, BTEqualStrategyNumber,
							   InvalidOid, index->rd_indcollation[i],
							   get_opcode(op), (Datum) 0);
	}
}

/*
 * Open the journal or the ledger with its primary key, for which entry_init_keys()
 * made the keys; without, they are made here.
 */
void
entry_table_open(EntryTable *table, Oid relid, LOCKMODE lock, const ScanKeyData *keys)
{
	Oid			key;

	table->heap = table_open(relid, lock);
	key = layout_primary_key(table->heap);
	if (!OidIsValid(key))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation \"%s\" of the loyalty program has no primary key",
						RelationGetRelationName(table->heap))));
	table->index = index_open(key, lock);
	table->slot = NULL;
	table->scan = NULL;
	table->writer = NULL;
	table->is_known_plain = false;
	table->context = CurrentMemoryContext;
	if (keys != NULL)
		memcpy(table->keys, keys, sizeof(table->keys));
	else
		entry_init_keys(table->index, table->keys);
}

static Writer *
entry_table_writer(EntryTable *table)
{
	if (table->writer == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(table->context);

		table->writer = writer_begin(table->heap, table->index,
									 table->is_known_plain || writer_is_plain(table->heap));
		MemoryContextSwitchTo(old);
	}
	return table->writer;
}

/*
 * Write entries; conflict is as in writer_insert().
 */
void
entry_table_insert(EntryTable *table, TupleTableSlot **slots, int count, bool *conflict)
{
	writer_insert(entry_table_writer(table), slots, count, conflict);
}

/*
 * Delete entries by their places.
 */
void
entry_table_delete(EntryTable *table, ItemPointer tids, int count)
{
	writer_delete(entry_table_writer(table), tids, count);
}

/*
 * Close it; the locks stay to the end of the transaction.
 */
void
entry_table_close(EntryTable *table)
{
	if (table->writer != NULL)
		writer_end(table->writer);
	if (table->scan != NULL)
		index_endscan(table->scan);
	if (table->slot != NULL)
		ExecDropSingleTupleTableSlot(table->slot);
	index_close(table->index, NoLock);
	table_close(table->heap, NoLock);
}

/*
 * A scan key for entries of customers that compare so with this one.
 */
void
entry_customer_key(EntryTable *table, StrategyNumber strategy, Datum customer, ScanKeyData *key)
{
	Relation	index = table->index;
	Oid			type = index->rd_opcintype[0];
	Oid			op = get_opfamily_member(index->rd_opfamily[0], type, type, strategy);

	if (!OidIsValid(op))
		elog(ERROR, "missing comparison operator for type %u", type);
	ScanKeyEntryInitialize(key, 0, 1, strategy, InvalidOid, index->rd_indcollation[0],
						   get_opcode(op), customer);
}

/*
 * The newest entry of an order, as a snapshot shows it, which is the same each time that
 * a table is asked: leaves it in the slot of the table.  A scan keeps memory of its own
 * from the context that it is advanced in, so that is always the table's.
 */
bool
entry_find_newest(EntryTable *table, Snapshot snapshot, Datum customer, int32 tracked_table,
				  Datum order_key)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	bool		found;

	if (table->scan == NULL)
	{
		table->slot = table_slot_create(table->heap, NULL);
		table->scan = loyalty_index_beginscan(table->heap, table->index, snapshot,
											  ENTRY_ORDER_KEY + 1);
	}
	table->keys[ENTRY_CUSTOMER].sk_argument = customer;
	table->keys[ENTRY_TRACKED_TABLE].sk_argument = Int32GetDatum(tracked_table);
	table->keys[ENTRY_ORDER_KEY].sk_argument = order_key;
	index_rescan(table->scan, table->keys, ENTRY_ORDER_KEY + 1, NULL, 0);
	found = index_getnext_slot(table->scan, BackwardScanDirection, table->slot);
	MemoryContextSwitchTo(old);
	return found;
}

/*
 * Begin to read the entries that keys find, as a snapshot shows them.
 */
EntryScan
entry_scan_begin(EntryTable *table, Snapshot snapshot, ScanKeyData *keys, int count)
{
	EntryScan	result;

	result.slot = table_slot_create(table->heap, NULL);
	result.scan = loyalty_index_beginscan(table->heap, table->index, snapshot, count);
	index_rescan(result.scan, keys, count, NULL, 0);
	return result;
}

/*
 * The next entry goes into the slot of the scan; false if there is none.
 */
bool
entry_scan_next(EntryScan *scan)
{
	CHECK_FOR_INTERRUPTS();
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/*
 * Stop reading.
 */
void
entry_scan_end(EntryScan *scan)
{
	index_endscan(scan->scan);
	ExecDropSingleTupleTableSlot(scan->slot);
}
