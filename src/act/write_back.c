/*
 * write_back.c: tiers, ratings and metrics in columns of the customer table.
 *
 * What is written is in install/write_back.sql.  It fires the triggers of a table that is not ours: they run
 * with the rights of the owner of the program, who named it, and never with those of a
 * superuser who calls for him; with the search_path of the session, as triggers expect that,
 * and whatever they set is undone.  So nobody may choose the search_path but who may do all that the
 * owner may.
 *
 * A customer's row is locked before what is to be in it is found out: else an older answer
 * could overwrite a newer one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "nested.h"
#include "owner.h"
#include "post.h"
#include "version.h"

/* Who acts, and in which settings. */
typedef struct Scope
{
	Oid			user;
	int			sec_context;
	int			settings;		/* that say how values are written as text */
	int			path;			/* and the search_path of the session */
} Scope;

/* The owner of a program, who is the caller, or whose rights the caller has. */
static Oid
require_owner(const char *program, Oid *schema)
{
	Oid			owner = owner_of_program(program, schema);

	if (!has_privs_of_role(GetUserId(), owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of loyalty program \"%s\"", program),
				 errdetail("Columns of the customer table are written with the rights of \"%s\".", GetUserNameFromId(owner, false)),
				 errhint("Let this role call loyalty.write_back(), or a member of it.")));
	owner_require_call(owner, "write_back_sql");
	return owner;
}

/* Act as the owner; if somebody else calls for him, nothing may be left behind that would run as that one. */
static void
begin_acting(Scope *scope, Oid owner)
{
	char	   *path = pstrdup(namespace_search_path);

	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	if (scope->user != owner)
		SetUserIdAndSecContext(owner, scope->sec_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	scope->settings = settings_begin(NULL);
	scope->path = settings_begin_parsing(path, NULL);
	nested_begin_triggers();
}

static void
end_acting(Scope *scope)
{
	nested_end();
	settings_end(scope->path);
	settings_end(scope->settings);
	SetUserIdAndSecContext(scope->user, scope->sec_context);
}

/* The statements for a batch; false: nothing is to be written. */
static bool
find_statements(Datum program, char **locks, char **writes)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {program};

	if (SPI_execute_with_args("SELECT s.locks, s.writes FROM _loyalty.write_back_sql($1) s", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find out what is to be written back");
	*locks = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	*writes = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	return *locks != NULL && *writes != NULL;
}

/* Run one of them, which returns one row. */
static HeapTuple
run(const char *statement, int arguments, Oid *types, Datum *values, const char *nulls)
{
	if (SPI_execute_with_args(statement, arguments, types, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not write back");
	return SPI_tuptable->vals[0];
}

/* Do a batch: values and nulls are those of the result of write_back_batch(). */
static void
write_batch(Datum program, Datum after, bool from_start, Datum batch, Datum *values, bool *nulls)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		arguments[2] = {after, batch};
	const char	given[3] = {from_start ? 'n' : ' ', ' ', '\0'};
	char	   *locks;
	char	   *writes;
	HeapTuple	row;
	bool		none;

	if (!find_statements(program, &locks, &writes))
		return;
	row = run(locks, 2, types, arguments, given);
	values[0] = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &nulls[0]);
	values[2] = SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &nulls[2]);
	/* whatever a table has, the end is reached */
	values[2] = BoolGetDatum(DatumGetBool(values[2]) && !nulls[0]);
	types[0] = SPI_gettypeid(SPI_tuptable->tupdesc, 3);
	arguments[0] = SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &none);
	if (none)
		return;
	row = run(writes, 1, types, arguments, NULL);
	values[1] = SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &nulls[1]);
}

PG_FUNCTION_INFO_V1(loyalty_write_back_batch);

/*
 * write_back_batch(program name, after text, batch int, OUT last text, OUT done bigint, OUT more bool)
 *
 * Writes into the customer table, of the next customers behind the key "after", or from the start
 * if that is null, what the table "write_back" of the program says.  last is the key to go on with.
 */
Datum
loyalty_write_back_batch(PG_FUNCTION_ARGS)
{
	Datum		values[3] = {(Datum) 0, Int64GetDatum(0), BoolGetDatum(false)};
	bool		nulls[3] = {true, false, false};
	Datum		result;
	Scope		scope;
	TupleDesc	desc;
	Oid			schema;
	Oid			owner;

	nested_refuse_call("write_back_batch");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("program must be given, and batch must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "write_back_batch must return a composite type");
	desc = BlessTupleDesc(desc);
	owner = require_owner(NameStr(*PG_GETARG_NAME(0)), &schema);
	begin_acting(&scope, owner);
	version_require(schema);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	write_batch(PG_GETARG_DATUM(0), PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_ARGISNULL(1), PG_GETARG_DATUM(2), values, nulls);
	result = SPI_datumTransfer(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)), false, -1);
	SPI_finish();
	end_acting(&scope);
	PG_RETURN_DATUM(result);
}

PG_FUNCTION_INFO_V1(loyalty_write_back);

/*
 * write_back(program name, batch int): procedure.
 *
 * Writes into the customer table what the table "write_back" of the program says, of "batch" customers at
 * once, and commits as post() does.
 */
Datum
loyalty_write_back(PG_FUNCTION_ARGS)
{
	bool		atomic;
	Datum		program;
	int64		done;
	Oid			schema;

	if (!PG_ARGISNULL(0))
		(void) require_owner(NameStr(*PG_GETARG_NAME(0)), &schema);
	program = post_begin_procedure(fcinfo, "write_back", &atomic);
	done = post_batches("SELECT p.last, p.done, p.more FROM _loyalty.write_back_batch($1, $2, $3) p",
						program, PG_GETARG_INT32(1), atomic);
	SPI_finish();
	ereport(NOTICE,
			(errmsg("wrote back " INT64_FORMAT " customers", done)));
	PG_RETURN_VOID();
}
