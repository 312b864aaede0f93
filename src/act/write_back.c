/*
 * write_back.c: tiers, ratings and metrics in columns of the customer table.
 *
 * What is written is in install/write_back.sql.  It fires the triggers of a table that is not ours: they run
 * with the rights of the owner of the program, who named it, and never with those of a
 * superuser who calls for him; and with the settings of the session, as triggers expect that.  So
 * nobody may choose these settings but who may do all that the owner may.
 */
#include "postgres.h"

#include "access/htup_details.h"
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

/* The statement for a batch, or NULL: nothing is to be written. */
static char *
find_statement(Datum program)
{
	Oid			types[1] = {NAMEOID};
	Datum		values[1] = {program};

	if (SPI_execute_with_args("SELECT _loyalty.write_back_sql($1)", 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not find out what is to be written back");
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
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
	Oid			types[2] = {TEXTOID, INT4OID};
	char		given[3] = {' ', ' ', '\0'};
	Datum		values[3] = {(Datum) 0, Int64GetDatum(0), BoolGetDatum(false)};
	bool		nulls[3] = {true, false, false};
	Datum		result;
	OwnerScope	scope;
	TupleDesc	desc;
	Oid			schema;
	char	   *statement;

	nested_refuse_call("write_back_batch");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(2) || PG_GETARG_INT32(2) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("program must be given, and batch must be at least 1")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "write_back_batch must return a composite type");
	desc = BlessTupleDesc(desc);
	owner_enter(&scope, require_owner(NameStr(*PG_GETARG_NAME(0)), &schema), false, NULL);
	version_require(schema);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	statement = find_statement(PG_GETARG_DATUM(0));
	if (statement != NULL)
	{
		Datum		arguments[2] = {PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};

		given[0] = PG_ARGISNULL(1) ? 'n' : ' ';
		/* the customer table may have events, which its update records */
		nested_begin_triggers();
		if (SPI_execute_with_args(statement, 2, types, arguments, given, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not write back");
		nested_end();
		for (int i = 0; i < lengthof(values); i++)
			values[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &nulls[i]);
	}
	result = SPI_datumTransfer(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)), false, -1);
	SPI_finish();
	owner_leave(&scope);
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
	Datum		program = post_begin_procedure(fcinfo, "write_back", &atomic);
	int64		done = post_batches("SELECT p.last, p.done, p.more FROM _loyalty.write_back_batch($1, $2, $3) p",
									program, PG_GETARG_INT32(1), atomic);

	SPI_finish();
	ereport(NOTICE,
			(errmsg("wrote back " INT64_FORMAT " customers", done)));
	PG_RETURN_VOID();
}
