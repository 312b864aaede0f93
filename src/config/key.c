/*
 * key.c: how order keys are compared and looked up, and whether one can be in two rows.
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
#include "nodes/nodeFuncs.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

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

/*
 * Are keys of a type equal only if their texts are?  Then archived orders, of which the
 * text is kept, are found by it.
 */
static bool
equal_as_text(Node *key)
{
	switch (getBaseType(exprType(key)))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case UUIDOID:
			return true;
		case TEXTOID:
		case VARCHAROID:
			return get_collation_isdeterministic(exprCollation(key));
		default:
			return false;
	}
}

/*
 * Where to look for rows by their key without a query, if a view just shows it.
 */
void
key_init_probe(Probe *probe, Oid view, const char *row)
{
	Definition	definition = definition_open(view);
	Var		   *key = definition_plain_column(&definition, row, "key");

	if (key != NULL && equal_as_text((Node *) key))
		probe_init(probe, definition_relation(&definition, row), key->varattno, key->vartype,
				   get_opcode(lookup_type_cache(key->vartype, TYPECACHE_EQ_OPR)->eq_opr), key->varcollid);
}

/*
 * How the key of an order is compared, and the type by which it is looked up.
 */
void
key_load(TrackedTable *table, Definition *definition)
{
	Oid			type = exprType(definition_expression(definition, NULL, "key"));
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR);
	MemoryContext old = MemoryContextSwitchTo(table->context);

	if (!OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("order keys of type %s have no equality", format_type_be(type))));
	table->same_key = program_operator(entry->eq_opr);
	table->key_type_oid = getBaseType(type);
	table->same_as_text = equal_as_text(definition_expression(definition, NULL, "key"));
	table->key_type = format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	MemoryContextSwitchTo(old);
}
