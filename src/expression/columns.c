/*
 * columns.c: columns of tracked tables under the names that expressions use.
 *
 * Expressions are stored as text, with the names that columns had when they
 * were written.  So that a rename is followed, and a column in use can't be
 * dropped or get another type unnoticed, each tracked table has a trigger that
 * never fires:
 *
 * ----------
 *	CREATE TRIGGER loyalty_columns_club_1 AFTER UPDATE OF total, status ON orders
 *		FOR EACH STATEMENT WHEN (false)
 *		EXECUTE FUNCTION loyalty.columns('club', '1', '', 'total', 'status')
 * ----------
 *
 * Its column list is a dependency that PostgreSQL keeps, follows through
 * renames and dumps by name; its arguments behind the third are the names of
 * the same columns as expressions use them.
 */
#include "postgres.h"

#include "access/relation.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "columns.h"
#include "trust.h"

#define PREFIX "loyalty_columns_"
#define FIRST_NAME 3

/* The stored name of a column of the tracked table, or NULL. */
static const char *
stored_name(TriggerDesc *triggers, const char *program, AttrNumber attnum)
{
	if (triggers == NULL)
		return NULL;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (strncmp(trigger->tgname, PREFIX, strlen(PREFIX)) != 0 ||
			trigger->tgnargs != FIRST_NAME + trigger->tgnattr ||
			strcmp(trigger->tgargs[0], program) != 0)
			continue;
		for (int c = 0; c < trigger->tgnattr; c++)
			if (trigger->tgattr[c] == attnum)
				return trigger->tgargs[FIRST_NAME + c];
	}
	return NULL;
}

/* Is a name in use as the stored name of another column? */
static bool
is_taken(TriggerDesc *triggers, const char *program, TupleDesc desc,
		 const char *name, AttrNumber but)
{
	for (int i = 0; i < desc->natts; i++)
	{
		const char *stored = stored_name(triggers, program, i + 1);

		if (i + 1 != but && stored != NULL && strcmp(stored, name) == 0)
			return true;
	}
	return false;
}

/*
 * The names (String) by which expressions know the columns of a relation that
 * are not dropped; the relation is the tracked table or a partition of it.  NIL
 * if these are simply the names of the columns.
 */
List *
columns_stored_names(Oid root_relid, Relation rel, const char *program)
{
	Relation	root = relation_open(root_relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *names = NIL;
	bool		differs = false;

	for (int i = 0; i < desc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(desc, i)->attname);
		AttrNumber	attnum;
		const char *stored;

		if (TupleDescAttr(desc, i)->attisdropped)
			continue;
		/* a partition has its columns in an order of its own */
		attnum = rel == root ? i + 1 : get_attnum(root_relid, name);
		stored = attnum == InvalidAttrNumber ? NULL :
			stored_name(root->trigdesc, program, attnum);
		if (stored == NULL)
			stored = is_taken(root->trigdesc, program, RelationGetDescr(root), name, attnum) ?
				psprintf("%s (now)", name) : name;
		differs |= strcmp(stored, name) != 0;
		names = lappend(names, makeString(pstrdup(stored)));
	}
	relation_close(root, NoLock);
	return differs ? names : NIL;
}

/*
 * The tracked table as SQL: "schema.table AS alias", with the names that
 * expressions use.  NULL if the relation is gone.
 */
char *
columns_from_clause(Oid relid, const char *program, const char *alias)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	StringInfoData result;
	List	   *names;
	ListCell   *lc;

	if (rel == NULL)
		return NULL;
	initStringInfo(&result);
	appendStringInfo(&result, "%s AS %s",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel)), alias);
	names = columns_stored_names(relid, rel, program);
	foreach(lc, names)
		appendStringInfo(&result, "%s%s", lc == list_head(names) ? " (" : ", ",
						 quote_identifier(strVal(lfirst(lc))));
	if (names != NIL)
		appendStringInfoChar(&result, ')');
	relation_close(rel, NoLock);
	return result.data;
}

PG_FUNCTION_INFO_V1(loyalty_tracked_table);

/*
 * tracked_table(relation regclass, program name, alias text) returns text
 */
Datum
loyalty_tracked_table(PG_FUNCTION_ARGS)
{
	char	   *result;

	if (get_rel_relkind(PG_GETARG_OID(0)) == '\0')
		PG_RETURN_NULL();
	trust_check_read(PG_GETARG_OID(0));
	result = columns_from_clause(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)),
								 text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

PG_FUNCTION_INFO_V1(loyalty_column_name);

/*
 * column_name(relation regclass, program name, number int) returns text
 *
 * The name by which expressions know a column of a tracked table.
 */
Datum
loyalty_column_name(PG_FUNCTION_ARGS)
{
	Relation	rel;
	int			number = PG_GETARG_INT32(2);
	char	   *result = NULL;
	List	   *names;

	if (get_rel_relkind(PG_GETARG_OID(0)) == '\0')
		PG_RETURN_NULL();
	trust_check_read(PG_GETARG_OID(0));
	rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (rel == NULL)
		PG_RETURN_NULL();
	names = columns_stored_names(PG_GETARG_OID(0), rel, NameStr(*PG_GETARG_NAME(1)));
	for (int i = 0, live = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (att->attisdropped)
			continue;
		if (i + 1 == number)
			result = names == NIL ? pstrdup(NameStr(att->attname)) : strVal(list_nth(names, live));
		live++;
	}
	relation_close(rel, NoLock);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

PG_FUNCTION_INFO_V1(loyalty_columns);

/*
 * columns(): trigger that holds on to columns and never fires.
 */
Datum
loyalty_columns(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "columns")));
	return PointerGetDatum(NULL);
}
