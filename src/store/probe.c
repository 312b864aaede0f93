/*
 * probe.c: rows of a table of the host, found by an index on one of its columns.
 *
 * Most customers, orders and lines are found by a plain column of a plain table.  To
 * start a query for one row costs several times what its index takes, so such rows are
 * looked up directly, with the rights of the owner of the program and the snapshots of
 * snapshot.c.  Whatever is not that plain takes the query: a table with partitions,
 * children or row security, a column without an index that fits, an owner with rights
 * on some columns only.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "probe.h"
#include "snapshot.h"
#include "watch.h"

/*
 * Rows of a table are to be found by a column, as this function compares it under this
 * collation.
 */
void
probe_init(Probe *probe, Oid relid, AttrNumber column, Oid type, Oid equality, Oid collation)
{
	memset(probe, 0, sizeof(Probe));
	probe->relid = relid;
	probe->column = column;
	probe->type = getBaseType(type);
	probe->equality = equality;
	probe->collation = collation;
	/* The index is looked for when it is needed first. */
	probe->checked = watch_begin() - 1;
}

/* Does an index find rows by the column, and compare it in the same way? */
static bool
index_fits(Relation index, const Probe *probe)
{
	Form_pg_index form = index->rd_index;
	Oid			operator;

	if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || form->indcheckxmin ||
		form->indkey.values[0] != probe->column ||
		index->rd_indcollation[0] != probe->collation || RelationGetIndexPredicate(index) != NIL)
		return false;
	operator = get_opfamily_member(index->rd_opfamily[0], index->rd_opcintype[0],
								   index->rd_opcintype[0], BTEqualStrategyNumber);
	return OidIsValid(operator) && get_opcode(operator) == probe->equality;
}

/* Find the index, in a table that is locked. */
static void
find_index(Probe *probe, Relation heap)
{
	List	   *indexes = NIL;
	ListCell   *lc;

	probe->index = InvalidOid;
	probe->checked = watch_begin();
	if (heap->rd_rel->relkind == RELKIND_RELATION && !heap->rd_rel->relhassubclass)
		indexes = RelationGetIndexList(heap);
	foreach(lc, indexes)
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		if (!OidIsValid(probe->index) && index_fits(index, probe))
			probe->index = lfirst_oid(lc);
		index_close(index, NoLock);
	}
	list_free(indexes);
	ScanKeyEntryInitialize(&probe->key, 0, 1, BTEqualStrategyNumber, InvalidOid,
						   probe->collation, probe->equality, (Datum) 0);
}

/* What is there at this moment. */
static void
begin_scan(ProbeScan *scan)
{
	snapshot_push_current(false);
	scan->scan = loyalty_index_beginscan(scan->heap, scan->index, GetActiveSnapshot(), 1);
}

static void
end_scan(ProbeScan *scan)
{
	ExecClearTuple(scan->slot);
	index_endscan(scan->scan);
	PopActiveSnapshot();
}

/*
 * Begin to look for rows as they are at this moment; false if it takes a query.  The
 * current user is the owner of the program.
 */
bool
probe_begin(ProbeScan *scan, Probe *probe)
{
	if (!OidIsValid(probe->relid))
		return false;
	scan->probe = probe;
	scan->heap = table_open(probe->relid, AccessShareLock);
	/* The lock that was just taken may have brought news of the indexes. */
	if (probe->checked != watch_begin())
		find_index(probe, scan->heap);
	if (!OidIsValid(probe->index) || scan->heap->rd_rel->relrowsecurity ||
		pg_class_aclcheck(probe->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
	{
		table_close(scan->heap, NoLock);
		return false;
	}
	scan->index = index_open(probe->index, AccessShareLock);
	/* See what the statement did that fired the trigger. */
	CommandCounterIncrement();
	scan->slot = table_slot_create(scan->heap, NULL);
	begin_scan(scan);
	return true;
}

/*
 * Find a row, and leave it in the slot; false if there is none.
 */
bool
probe_find(ProbeScan *scan, Datum value)
{
	ScanKeyData key = scan->probe->key;

	key.sk_argument = value;
	index_rescan(scan->scan, &key, 1, NULL, 0);
	return index_getnext_slot(scan->scan, ForwardScanDirection, scan->slot);
}

/*
 * Can a value of another type, as text, be one of this type, too?  Only whole numbers are
 * compared with others of another size, so all else can.
 */
bool
probe_can_be(Oid type, Datum value)
{
	int64		most = type == INT2OID ? PG_INT16_MAX : type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
	long long	number;

	if (type != INT2OID && type != INT4OID && type != INT8OID)
		return true;
	errno = 0;
	number = strtoll(TextDatumGetCString(value), NULL, 10);
	return errno == 0 && number <= most && number >= -most - 1;
}

/*
 * The same as probe_find() for a value that is given as text, and can be one of the type.
 */
bool
probe_find_text(ProbeScan *scan, Datum value)
{
	Oid			type = scan->probe->type;
	Oid			input;
	Oid			argument;

	if (type == TEXTOID || type == VARCHAROID)
		return probe_find(scan, value);
	getTypeInputInfo(type, &input, &argument);
	return probe_find(scan, OidInputFunctionCall(input, TextDatumGetCString(value), argument, -1));
}

/*
 * From here on, rows are found as they are by now.
 */
void
probe_look_anew(ProbeScan *scan)
{
	end_scan(scan);
	begin_scan(scan);
}

void
probe_end(ProbeScan *scan)
{
	end_scan(scan);
	ExecDropSingleTupleTableSlot(scan->slot);
	index_close(scan->index, NoLock);
	table_close(scan->heap, NoLock);
}
