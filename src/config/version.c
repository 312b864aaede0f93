/*
 * version.c: has a program the layout that the installed extension needs?
 *
 * The tables, views and functions of a program are made by one version of the
 * extension, and stay as they are when another is installed, until somebody calls
 * loyalty.upgrade_program().  Whatever begins to work with a program asks here first, so
 * that it says what to do instead of failing in the middle.
 *
 * The library may be of another version than the extension, too: between the installation
 * of its files and ALTER EXTENSION, and in sessions that were there before both.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "owner.h"
#include "program.h"
#include "version.h"

/* A number of the first row of a query that was run by SPI; an error if it is null. */
static int32
number_of_row(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	if (isnull || SPI_gettypeid(SPI_tuptable->tupdesc, column) != INT4OID)
		elog(ERROR, "a layout is no number");
	return DatumGetInt32(value);
}

/*
 * The layout of a program, and the one that the extension needs; as somebody who may read
 * the program's settings.  A program whose settings are not there yet, as
 * while it is restored, has what is needed.
 */
Layouts
version_layouts(Oid schema)
{
	Oid			settings = get_relname_relid("program", schema);
	bool		known = OidIsValid(settings) && get_attnum(settings, "layout") != InvalidAttrNumber;
	Layouts		layouts = {0};
	const char *query = psprintf("SELECT p.layout, _loyalty.layout(), _loyalty.library_layout() FROM %s.program p",
								 quote_identifier(get_namespace_name(schema)));

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* a program without one is older than layouts are */
	if (SPI_execute(known ? query : "SELECT 0, _loyalty.layout(), _loyalty.library_layout()", true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the layout of a loyalty program");
	if (SPI_processed == 1)
	{
		layouts.present = number_of_row(1);
		layouts.needed = number_of_row(2);
		layouts.library = number_of_row(3);
	}
	SPI_finish();
	return layouts;
}

/*
 * Can the program be worked with?
 */
bool
version_agrees(Layouts layouts)
{
	return layouts.present == layouts.needed && layouts.needed == layouts.library;
}

/*
 * Why it cannot be worked with.
 */
char *
version_difference(Layouts layouts)
{
	if (layouts.needed != layouts.library)
		return psprintf("the extension is of layout %d, the library of this session of %d", layouts.needed, layouts.library);
	return psprintf("it has layout %d, the installed extension needs %d", layouts.present, layouts.needed);
}

/*
 * What to do about it.
 */
char *
version_hint(const char *program, Layouts layouts)
{
	if (layouts.needed > layouts.library)
		return pstrdup("Connect again, with the library that is installed now.");
	if (layouts.needed < layouts.library)
		return pstrdup("Update the extension: ALTER EXTENSION loyalty UPDATE.");
	if (layouts.present > layouts.needed)
		return pstrdup("Install the newer version of the extension that made it: ALTER EXTENSION loyalty UPDATE.");
	return psprintf("Call loyalty.upgrade_program(%s).", quote_literal_cstr(program));
}

/*
 * An error if a program has another layout than the one that is needed; as its owner.
 */
void
version_require(Oid schema)
{
	Layouts		layouts = version_layouts(schema);
	char	   *program = get_namespace_name(schema);

	if (!version_agrees(layouts))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 layouts.needed != layouts.library ?
				 errmsg("the extension loyalty is of layout %d, the library of this session of %d",
						layouts.needed, layouts.library) :
				 errmsg("loyalty program \"%s\" has layout %d, the installed extension needs %d",
						program, layouts.present, layouts.needed),
				 errhint("%s", version_hint(program, layouts))));
}

PG_FUNCTION_INFO_V1(loyalty_library_layout);

/*
 * library_layout() returns int: what _loyalty.layout() said when the library was built.
 */
Datum
loyalty_library_layout(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(LOYALTY_LAYOUT);
}

PG_FUNCTION_INFO_V1(loyalty_require_layout);

/*
 * require_layout(program name) returns void: the same, for functions in SQL.  Everybody
 * may ask: the settings are read as the role that owns them, whoever owns all else.
 */
Datum
loyalty_require_layout(PG_FUNCTION_ARGS)
{
	Oid			schema;
	Oid			settings;
	HeapTuple	tuple;
	Oid			owner;
	OwnerScope	scope;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	schema = get_namespace_oid(NameStr(*PG_GETARG_NAME(0)), true);
	settings = OidIsValid(schema) ? get_relname_relid("program", schema) : InvalidOid;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(settings));
	if (!HeapTupleIsValid(tuple))
		PG_RETURN_VOID();
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);

	owner_enter(&scope, owner, true, NULL);
	version_require(schema);
	owner_leave(&scope);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(loyalty_retired);

/*
 * retired(...): in place of a function whose arguments or meaning are others by now.
 * Views of programs that are not upgraded yet call it, and so do those that come out of
 * a dump.  The table "program", if it is an argument, says which program it is.
 */
Datum
loyalty_retired(PG_FUNCTION_ARGS)
{
	char	   *program = NULL;

	for (int i = 0; i < PG_NARGS() && program == NULL; i++)
	{
		if (get_fn_expr_argtype(fcinfo->flinfo, i) == REGCLASSOID && !PG_ARGISNULL(i))
			program = get_namespace_name(get_rel_namespace(PG_GETARG_OID(i)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 program == NULL ? errmsg("a loyalty program does not have the layout that the installed extension needs") :
			 errmsg("loyalty program \"%s\" does not have the layout that the installed extension needs", program),
			 errdetail("A view or function of it calls %s() as it was in an older version.", get_func_name(fcinfo->flinfo->fn_oid)),
			 program == NULL ? errhint("SELECT loyalty.upgrade_program(name) FROM loyalty.programs;") :
			 errhint("Call loyalty.upgrade_program(%s).", quote_literal_cstr(program))));
	PG_RETURN_NULL();			/* keep the compiler quiet */
}

PG_FUNCTION_INFO_V1(loyalty_lock_view);

/*
 * lock_view(view regclass) returns void
 *
 * Locks a view of the caller's against everybody, as LOCK TABLE cannot without what the
 * view reads; an error if it is not to be had at once.
 */
Datum
loyalty_lock_view(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		allowed;

	if (!HeapTupleIsValid(tuple))
		PG_RETURN_VOID();		/* it was dropped meanwhile */
	allowed = has_privs_of_role(GetUserId(), ((Form_pg_class) GETSTRUCT(tuple))->relowner);
	ReleaseSysCache(tuple);
	if (!allowed)
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(relid));
	if (!ConditionalLockRelationOid(relid, AccessExclusiveLock))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain lock on view \"%s\"", get_rel_name(relid))));
	PG_RETURN_VOID();
}
