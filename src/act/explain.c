/*
 * explain.c: why an order has its points, or would have them.
 *
 * What is said is made up in SQL (install/explain.sql).  It evaluates the expressions of a
 * program, so it is run here as recording runs them: as the owner of the program, in
 * its time zone, and whatever the settings of the session are.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "answer.h"
#include "authorize.h"
#include "nested.h"
#include "owner.h"
#include "result.h"

/* The table "program" comes first, and then what is asked about. */
#define ARGUMENTS 4

/* The steps that a function answers, numbered, and with numbers as short as they are exact. */
#define STEPS(function) \
	"SELECT e.n::pg_catalog.int4, e.what, e.name, e.status, pg_catalog.trim_scale(e.value), pg_catalog.trim_scale(e.points)" \
	" FROM _loyalty." function "($1, $2, $3, $4) WITH ORDINALITY e (step, what, name, status, value, points, n) ORDER BY e.n"

/* Answer with the rows of a query, which takes the arguments. */
static void
answer_steps(FunctionCallInfo fcinfo, const char *function, const char *query)
{
	TupleDesc	desc;
	Tuplestorestate *store = result_begin(fcinfo, &desc);
	Oid			types[ARGUMENTS];
	Datum		values[ARGUMENTS];
	char		nulls[ARGUMENTS];
	OwnerScope	scope;
	Oid			owner;

	Assert(PG_NARGS() == ARGUMENTS);
	nested_refuse_call(function);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("program must not be null")));
	owner = authorize_require_owner(PG_GETARG_OID(0), function);
	for (int i = 0; i < ARGUMENTS; i++)
	{
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	owner_enter(&scope, owner, true, NULL);
	settings_answer();
	settings_compute();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	answer_fix_zone(get_namespace_name(get_rel_namespace(PG_GETARG_OID(0))));
	if (SPI_execute_with_args(query, ARGUMENTS, types, values, nulls, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not explain an order");
	Assert(SPI_tuptable->tupdesc->natts == desc->natts);
	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(store, SPI_tuptable->vals[i]);
	SPI_finish();
	owner_leave(&scope);
}

PG_FUNCTION_INFO_V1(loyalty_explain);

/*
 * explain(program regclass, order_key text, tracked regclass, event text) returns setof explanation
 *
 * The steps from nothing to the points that an order has.
 */
Datum
loyalty_explain(PG_FUNCTION_ARGS)
{
	answer_steps(fcinfo, "explain", STEPS("explain_order"));
	return (Datum) 0;
}

/*
 * Whoever calls may have made the types of the arguments.  A row of a table has no code of its
 * own; a domain over one has, which would run as the owner, so it is refused before.
 */
static void
require_rows(Oid order, Oid lines)
{
	Oid			element = get_element_type(lines);

	if (get_typtype(order) != TYPTYPE_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("an order must be a row of a table"),
				 errdetail("It is of type %s.", format_type_be(order)),
				 errhint("Write it as ROW(...)::shop.orders, or jsonb_populate_record(NULL::shop.orders, '{...}') with the name of your table.")));
	if (element != TEXTOID && get_typtype(element) != TYPTYPE_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("lines must be an array of rows of a table"),
				 errdetail("They are of type %s.", format_type_be(lines))));
}

PG_FUNCTION_INFO_V1(loyalty_simulate_order);

/*
 * simulate_order(program regclass, order anyelement, lines anycompatiblearray, event text)
 * returns setof explanation
 *
 * The same of an order that is not there: a row of a tracked table, and rows of its lines.
 */
Datum
loyalty_simulate_order(PG_FUNCTION_ARGS)
{
	require_rows(get_fn_expr_argtype(fcinfo->flinfo, 1), get_fn_expr_argtype(fcinfo->flinfo, 2));
	answer_steps(fcinfo, "simulate_order", STEPS("explain_row"));
	return (Datum) 0;
}
