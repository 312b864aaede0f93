/*
 * budget_table.c: the rows of budgets of earning rules.
 *
 * A row is locked, read and written by direct table access, like all that recording writes, so no
 * role that orders needs a right on it; and as it is by now, whatever the isolation level, so
 * that no order fails for another one's sake.  The trigger of the table, which is made for statements that
 * others write, is passed by.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "budget_table.h"
#include "compat.h"
#include "layout.h"

/* The columns of the table "budget". */
enum
{
	BUDGET_NAME, BUDGET_POINTS, BUDGET_GIVEN, BUDGET_COLUMNS
};

struct BudgetTable
{
	Relation	heap;
	Relation	index;			/* its primary key, over the name */
};

/* Is the table laid out as it was made?  Its owner may have put another one in its place. */
static bool
has_budget_layout(Relation heap)
{
	static const Oid types[BUDGET_COLUMNS] = {TEXTOID, NUMERICOID, NUMERICOID};
	TupleDesc	desc = RelationGetDescr(heap);

	if (heap->rd_rel->relkind != RELKIND_RELATION || heap->rd_rel->relam != HEAP_TABLE_AM_OID || desc->natts < BUDGET_COLUMNS)
		return false;
	for (int i = 0; i < BUDGET_COLUMNS; i++)
		if (TupleDescAttr(desc, i)->atttypid != types[i] || TupleDescAttr(desc, i)->attisdropped)
			return false;
	return true;
}

/*
 * Open the table of the program in a schema; NULL if there is none that is laid out so.
 */
BudgetTable *
budget_table_open(Oid schema)
{
	Oid			relid = get_relname_relid("budget", schema);
	Relation	heap = OidIsValid(relid) ? try_relation_open(relid, RowExclusiveLock) : NULL;
	Relation	index = NULL;
	BudgetTable *table;

	if (heap == NULL)
		return NULL;
	if (has_budget_layout(heap) && OidIsValid(layout_primary_key(heap)))
		index = index_open(layout_primary_key(heap), RowExclusiveLock);
	if (index == NULL || index->rd_index->indkey.values[0] != BUDGET_NAME + 1)
	{
		if (index != NULL)
			index_close(index, NoLock);
		relation_close(heap, NoLock);
		return NULL;
	}
	table = palloc(sizeof(BudgetTable));
	table->heap = heap;
	table->index = index;
	return table;
}

/* The place of the row of a budget goes into the slot; false if there is none. */
static bool
find_budget_row(BudgetTable *table, const char *name, TupleTableSlot *slot)
{
	IndexScanDesc scan = loyalty_index_beginscan(table->heap, table->index, SnapshotSelf, 1);
	ScanKeyData key;
	bool		found;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
	index_rescan(scan, &key, 1, NULL, 0);
	found = index_getnext_slot(scan, ForwardScanDirection, slot);
	index_endscan(scan);
	return found;
}

/* Read a locked row; false if it is not as a row must be. */
static bool
read_budget_row(TupleTableSlot *slot, BudgetRow *row)
{
	slot_getallattrs(slot);
	if (slot->tts_isnull[BUDGET_POINTS] || slot->tts_isnull[BUDGET_GIVEN])
		return false;
	row->points = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[BUDGET_POINTS]));
	row->given = PointerGetDatum(PG_DETOAST_DATUM_COPY(slot->tts_values[BUDGET_GIVEN]));
	row->tuple = ExecCopySlotHeapTuple(slot);
	row->tuple->t_self = slot->tts_tid;
	return true;
}

/*
 * Lock the row of a budget to the end of the transaction, and read it as it is by then, in the current
 * memory context; false if there is none.
 */
bool
budget_table_lock(BudgetTable *table, const char *name, BudgetRow *row)
{
	TupleTableSlot *slot = table_slot_create(table->heap, NULL);
	TupleTableSlot *newest = table_slot_create(table->heap, NULL);
	TM_Result	result = TM_Deleted;
	bool		locked;

	/* somebody may delete it meanwhile, and make it again */
	while ((result == TM_Updated || result == TM_Deleted) && find_budget_row(table, name, slot))
	{
		ItemPointerData place = slot->tts_tid;
		TM_FailureData failure;

		CHECK_FOR_INTERRUPTS();
		result = table_tuple_lock(table->heap, &place, GetLatestSnapshot(), newest, GetCurrentCommandId(false),
								  LockTupleNoKeyExclusive, LockWaitBlock, TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure);
	}
	if (result != TM_Ok && result != TM_Updated && result != TM_Deleted)
		elog(ERROR, "could not lock the budget \"%s\"", name);
	locked = result == TM_Ok && read_budget_row(newest, row);
	ExecDropSingleTupleTableSlot(slot);
	ExecDropSingleTupleTableSlot(newest);
	return locked;
}

/*
 * Write what is given of a budget, whose row is locked.
 */
void
budget_table_write(BudgetTable *table, const BudgetRow *row)
{
	TupleDesc	desc = RelationGetDescr(table->heap);
	Datum	   *values = palloc0(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc0(desc->natts * sizeof(bool));
	bool	   *replaced = palloc0(desc->natts * sizeof(bool));
	HeapTuple	tuple;

	values[BUDGET_GIVEN] = row->given;
	replaced[BUDGET_GIVEN] = true;
	tuple = heap_modify_tuple(row->tuple, desc, values, isnull, replaced);
	CatalogTupleUpdate(table->heap, &row->tuple->t_self, tuple);
}

/*
 * Close it; the locks stay to the end of the transaction.
 */
void
budget_table_close(BudgetTable *table)
{
	index_close(table->index, NoLock);
	relation_close(table->heap, NoLock);
	pfree(table);
}
