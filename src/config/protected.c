/*
 * protected.c: the views that say what a program means are altered by the extension
 * alone.
 *
 * What ALTER did is seen when it is done, and then a view that was renamed, or moved to
 * another schema, is not known any more as what it was.  So this looks at the command
 * before it runs, as only C can.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "owner.h"

/* The relation that a command alters, or NULL. */
static RangeVar *
altered_relation(Node *command)
{
	switch (nodeTag(command))
	{
		case T_AlterTableStmt:
			return ((AlterTableStmt *) command)->relation;
		case T_RenameStmt:
			return ((RenameStmt *) command)->relation;
		case T_AlterObjectSchemaStmt:
			return ((AlterObjectSchemaStmt *) command)->relation;
		default:
			return NULL;
	}
}

/* Is this the schema of a program?  That has a table "program" with a trigger of ours. */
static bool
is_program(Oid schema, Oid extension_schema)
{
	Oid			relid = get_relname_relid("program", schema);
	Relation	rel;
	bool		found = false;

	if (!OidIsValid(relid))
		return false;
	rel = relation_open(relid, AccessShareLock);
	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Oid			funcid = rel->trigdesc->triggers[i].tgfoid;

		found |= get_func_namespace(funcid) == extension_schema &&
			strcmp(get_func_name(funcid), "configuration_changed") == 0;
	}
	relation_close(rel, AccessShareLock);
	return found;
}

/*
 * Does a view of this name say what a program means?  As _loyalty.is_definition() says,
 * which whoever alters a view may lack the right to find by its name.
 */
static bool
is_definition(const char *view, Oid extension_schema)
{
	Oid			type = NAMEOID;
	Oid			funcid = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
										 CStringGetDatum("is_definition"),
										 PointerGetDatum(buildoidvector(&type, 1)),
										 ObjectIdGetDatum(extension_schema));
	NameData	name;

	if (!OidIsValid(funcid))
		return false;
	namestrcpy(&name, view);
	return DatumGetBool(OidFunctionCall1(funcid, NameGetDatum(&name)));
}

PG_FUNCTION_INFO_V1(loyalty_protect_views);

/*
 * protect_views() returns event_trigger: at the start of ALTER VIEW, and of ALTER TABLE,
 * which alters views, too.
 */
Datum
loyalty_protect_views(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigdata = (EventTriggerData *) fcinfo->context;
	RangeVar   *name;
	Oid			relid;
	Oid			schema;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an event trigger", "protect_views")));
	name = altered_relation(trigdata->parsetree);
	if (name == NULL || settings_tell_writing())
		PG_RETURN_NULL();
	relid = RangeVarGetRelid(name, NoLock, true);
	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_VIEW)
		PG_RETURN_NULL();
	schema = get_rel_namespace(relid);
	if (is_program(schema, get_func_namespace(fcinfo->flinfo->fn_oid)) &&
		is_definition(get_rel_name(relid), get_func_namespace(fcinfo->flinfo->fn_oid)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("view \"%s\" says what a loyalty program means, and is made by the extension",
						quote_qualified_identifier(get_namespace_name(schema), get_rel_name(relid))),
				 errhint("Call loyalty.alter_orders(), loyalty.alter_refunds() or loyalty.pause(), or change rules and tiers; to give the program away, call loyalty.change_owner(). Views of your own can read it.")));
	PG_RETURN_NULL();
}
