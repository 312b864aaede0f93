/*
 * key.c: whether an order key can be in two rows.
 *
 * When a row is gone, its order is gone, too, unless another row has the same
 * key.  A partitioned table, or one with children, has as many unique indexes as
 * parts, and a row can be put into one part before it is deleted from another.  A
 * deferrable constraint lets two rows have one key to the end of the transaction.
 * So only a simple case is proved here.  Where there is no proof, deleted orders
 * are looked for.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "key.h"

/*
 * The column that a key is the text of, or 0.  A built-in cast to text gives
 * different texts for values that an index tells apart.
 */
static AttrNumber
key_column(Node *key)
{
	for (;;)
	{
		if (key == NULL)
			return 0;
		else if (IsA(key, RelabelType))
			key = (Node *) ((RelabelType *) key)->arg;
		else if (IsA(key, CollateExpr))
			key = (Node *) ((CollateExpr *) key)->arg;
		else if (IsA(key, CoerceViaIO) && ((CoerceViaIO *) key)->resulttype == TEXTOID)
			key = (Node *) ((CoerceViaIO *) key)->arg;
		else if (IsA(key, FuncExpr) && ((FuncExpr *) key)->funcresulttype == TEXTOID &&
				 ((FuncExpr *) key)->funcformat != COERCE_EXPLICIT_CALL &&
				 ((FuncExpr *) key)->funcid < FirstNormalObjectId &&
				 list_length(((FuncExpr *) key)->args) == 1)
			key = (Node *) linitial(((FuncExpr *) key)->args);
		else
			break;
	}
	return IsA(key, Var) ? ((Var *) key)->varattno : 0;
}

/* Does an index keep a column unique at every moment? */
static bool
keeps_unique(Oid indexid, AttrNumber column)
{
	HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	result = index->indisunique && index->indimmediate && index->indisvalid &&
		index->indnkeyatts == 1 && index->indkey.values[0] == column &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Is it proved that no two rows of a table have the same key at any moment?  The
 * key is an expression over its row.  Whatever the answer depends on invalidates
 * the relation cache of the table when it changes.
 */
bool
key_is_unique(Oid relid, Node *key)
{
	AttrNumber	column = key_column(key);
	Relation	rel;
	bool		unique = false;

	if (column <= 0)
		return false;
	rel = table_open(relid, AccessShareLock);
	if (rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relhassubclass)
	{
		List	   *indexes = RelationGetIndexList(rel);
		ListCell   *lc;

		foreach(lc, indexes)
			unique |= keeps_unique(lfirst_oid(lc), column);
		list_free(indexes);
	}
	table_close(rel, NoLock);
	return unique;
}
