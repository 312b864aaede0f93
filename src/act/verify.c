/*
 * verify.c: what readers of a program may ask, answered as its owner.
 *
 * verify() recomputes everything in plain SQL (install/verify.sql) that evaluates
 * the program's expressions and compares its keys, so it must not run with the
 * rights of whoever asks; neither must backlog(), since the journal is the owner's, nor
 * deferred_revenue(), which reads views that he made.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "answer.h"
#include "nested.h"
#include "owner.h"
#include "result.h"
#include "version.h"

/*
 * Local times are those of the program, whatever the session has; within owner_enter(), with SPI
 * connected.
 */
void
answer_fix_zone(const char *program)
{
	char	   *query = psprintf("SELECT time_zone::pg_catalog.text FROM %s.program",
								 quote_identifier(program));
	char	   *zone;

	if (SPI_execute(query, true, 1) != SPI_OK_SELECT || SPI_processed != 1)
		return;					/* verify() tells of that */
	zone = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (zone != NULL)
		settings_time_zone(zone);
}

/* No question has more arguments. */
#define ARGUMENTS 4

/*
 * Answer a question about a program, its first argument, with the rows of the
 * first query that has any, for everybody who may read its ledger.  The arguments of the
 * queries are its name and the numbers that are asked with.  They call a function that not
 * everybody may call.
 */
static void
answer_reader(FunctionCallInfo fcinfo, const char *function, const char *const *queries, int count)
{
	TupleDesc	desc;
	Tuplestorestate *store = result_begin(fcinfo, &desc);
	Oid			schema;
	Oid			owner;
	const char *asked;
	AclResult	acl;
	OwnerScope	scope;
	Oid			types[ARGUMENTS] = {NAMEOID, NUMERICOID, NUMERICOID, NUMERICOID};
	Datum		values[ARGUMENTS];
	char		nulls[ARGUMENTS];

	Assert(PG_NARGS() <= ARGUMENTS);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program must not be null")));
	owner = owner_of_program(NameStr(*PG_GETARG_NAME(0)), &schema);
	/* without a ledger, that is what there is to tell */
	asked = OidIsValid(get_relname_relid("ledger", schema)) ? "ledger" : "program";
	acl = pg_class_aclcheck(get_relname_relid(asked, schema), GetUserId(), ACL_SELECT);
	if (acl != ACLCHECK_OK)
		aclcheck_error(acl, OBJECT_TABLE, asked);
	owner_require_call(owner, function);

	owner_enter(&scope, owner, true, NULL);
	settings_answer();
	settings_compute();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	version_require(schema);
	answer_fix_zone(NameStr(*PG_GETARG_NAME(0)));
	for (int i = 0; i < PG_NARGS(); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	for (int q = 0; q < count && tuplestore_tuple_count(store) == 0; q++)
	{
		if (SPI_execute_with_args(queries[q], PG_NARGS(), types, values, nulls, true, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not look into a loyalty program");
		Assert(SPI_tuptable->tupdesc->natts == desc->natts);
		for (uint64 i = 0; i < SPI_processed; i++)
			tuplestore_puttuple(store, SPI_tuptable->vals[i]);
	}
	SPI_finish();
	owner_leave(&scope);
}

PG_FUNCTION_INFO_V1(loyalty_verify);

/*
 * verify(program name) returns table (violation, customer, order_key, detail)
 */
Datum
loyalty_verify(PG_FUNCTION_ARGS)
{
	static const char *const queries[] = {
		"SELECT DISTINCT 'expression must not run with the rights of the owner'::pg_catalog.text,"
		" NULL::pg_catalog.text, NULL::pg_catalog.text, f FROM _loyalty.foreign_code($1) f ORDER BY 4",
		"SELECT v.violation, v.customer, v.order_key, v.detail FROM _loyalty.verify_program($1) v"
	};

	nested_refuse_call("verify");
	answer_reader(fcinfo, "verify_program", queries, lengthof(queries));
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(loyalty_backlog);

/*
 * backlog(program name) returns table (unposted bigint, oldest timestamptz, set_aside bigint)
 */
Datum
loyalty_backlog(PG_FUNCTION_ARGS)
{
	static const char *const queries[] = {
		"SELECT b.unposted, b.oldest, b.set_aside FROM _loyalty.backlog_of($1) b"
	};

	answer_reader(fcinfo, "backlog_of", queries, lengthof(queries));
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(loyalty_deferred_revenue);

/*
 * deferred_revenue(program name, point_value numeric, redemption_rate numeric,
 * expected_rate numeric) returns table (month, revenue ...)
 */
Datum
loyalty_deferred_revenue(PG_FUNCTION_ARGS)
{
	static const char *const queries[] = {
		"SELECT d.* FROM _loyalty.deferred_revenue_of($1, $2, $3, $4) d"
	};

	answer_reader(fcinfo, "deferred_revenue_of", queries, lengthof(queries));
	return (Datum) 0;
}
