/*
 * metrics.c: metrics, which are SQL expressions over what is known of a customer at a
 * moment.
 *
 * Those of a version of the terms are the columns of its view metrics_<terms>, in the order
 * of their numbers, and behind them the conditions of ratings (see ratings.c).  Conditions of tiers and rules that name a
 * metric have its expression in their own view; here, metrics are read for themselves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "condition.h"
#include "metrics.h"
#include "ratings.h"

/*
 * Load the metrics of a version of the terms.  SPI is connected, as the owner of the program.
 */
void
metrics_load(Terms *terms, Oid schema_oid, const char *schema)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(terms->id)};
	Oid			view = get_relname_relid(psprintf("metrics_%d", terms->id), schema_oid);
	char	   *query = psprintf("SELECT name, kind, rating, steps, bound FROM %s.terms_metric WHERE version OPERATOR(pg_catalog.=) $1 ORDER BY number",
								 quote_identifier(schema));
	SPITupleTable *result;
	uint64		count;
	Definition	definition;

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the metrics of a loyalty program");
	result = SPI_tuptable;
	count = SPI_processed;

	/* without the view, whoever asks for a metric is told */
	if (count == 0 || !OidIsValid(view))
		return;
	terms->metrics_view = view;
	definition = definition_open(view);
	for (uint64 i = 0; i < count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(terms->context);
		Condition  *metric = palloc0(sizeof(Condition));

		metric->kind = CONDITION_IS_METRIC;
		metric->name = SPI_getvalue(result->vals[i], result->tupdesc, 1);
		condition_load(terms, metric, &definition, psprintf("metric_%d", (int) i + 1));
		terms->metrics = lappend(terms->metrics, metric);
		ratings_load(terms, metric, result->vals[i], result->tupdesc);
		MemoryContextSwitchTo(old);
	}
}

/*
 * The value of a metric, given its number, in the current memory context.  The type is what the caller
 * expects.
 */
Datum
metrics_value(Terms *terms, const Facts *facts, int32 number, Oid type, bool *isnull)
{
	Condition  *metric;
	ConditionScope scope;
	Datum		value;
	int16		length;
	bool		by_value;

	metric = number < 1 || number > list_length(terms->metrics) ? NULL : (Condition *) list_nth(terms->metrics, number - 1);
	if (metric == NULL || metric->expression.cached == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("loyalty program \"%s\" has no metric %d under its terms %d",
						get_namespace_name(get_rel_namespace(terms->program)), number, terms->id),
				 errhint("SELECT * FROM loyalty.verify(%s) tells which metric to correct in the table \"terms_metric\".",
						 quote_literal_cstr(get_namespace_name(get_rel_namespace(terms->program))))));
	if (metric->type != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the metric \"%s\" of loyalty program \"%s\" is of another type", metric->name,
						get_namespace_name(get_rel_namespace(terms->program))),
				 errdetail("It is of type %s, and not %s.", format_type_be(metric->type), format_type_be(type))));
	get_typlenbyval(type, &length, &by_value);
	condition_begin(&scope, terms, terms->econtext, facts, NULL);
	value = condition_value(&scope, metric, isnull);
	if (!*isnull)
		value = datumCopy(value, by_value, length);
	condition_end(&scope);
	return value;
}

/*
 * Facts from the arguments of a function, which are spend, orders, points_earned, joined_at,
 * first_order_at, last_order_at, at, reader, purchases, events, and customer_row, from the
 * one of this number on; for conditions of terms that the caller may read.  False: nothing is known.
 */
bool
metrics_read_facts(FunctionCallInfo fcinfo, int first, Terms *terms, Facts *facts)
{
	enum
	{
		SPEND, ORDERS, EARNED, JOINED, FIRST, LAST, AT, READER, PURCHASES, EVENTS, ROW
	};

	terms_check_reader(terms, PG_ARGISNULL(first + READER) ? NULL : PG_GETARG_UUID_P(first + READER));
	if (PG_ARGISNULL(first + SPEND) || PG_ARGISNULL(first + ORDERS) || PG_ARGISNULL(first + EARNED) || PG_ARGISNULL(first + AT))
		return false;
	facts->spend = PG_GETARG_DATUM(first + SPEND);
	facts->orders = PG_GETARG_INT64(first + ORDERS);
	facts->points_earned = PG_GETARG_DATUM(first + EARNED);
	facts->at = PG_GETARG_TIMESTAMPTZ(first + AT);
	facts->has_orders = !PG_ARGISNULL(first + FIRST) && !PG_ARGISNULL(first + LAST);
	if (facts->has_orders)
	{
		facts->first_order_at = PG_GETARG_TIMESTAMPTZ(first + FIRST);
		facts->last_order_at = PG_GETARG_TIMESTAMPTZ(first + LAST);
	}
	facts->purchases = PG_ARGISNULL(first + PURCHASES) ? (Datum) 0 : PG_GETARG_DATUM(first + PURCHASES);
	facts->events = PG_ARGISNULL(first + EVENTS) ? (Datum) 0 : PG_GETARG_DATUM(first + EVENTS);
	facts->customer_row = PG_ARGISNULL(first + ROW) ? (Datum) 0 : PG_GETARG_DATUM(first + ROW);
	terms_set_joined(terms, facts, !PG_ARGISNULL(first + JOINED), PG_ARGISNULL(first + JOINED) ? 0 : PG_GETARG_TIMESTAMPTZ(first + JOINED));
	return true;
}

PG_FUNCTION_INFO_V1(loyalty_metric_value);

/*
 * metric_value(program regclass, terms int, number int, spend numeric, orders bigint,
 *              points_earned numeric, joined_at timestamptz, first_order_at timestamptz,
 *              last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history,
 *              events _loyalty.event_history[], customer_row jsonb, type anyelement) returns anyelement
 *
 * A metric of a customer of whom these facts are known; null if it fails.
 */
Datum
loyalty_metric_value(PG_FUNCTION_ARGS)
{
	Facts		facts = {0};
	Terms	   *terms;
	Datum		value;
	bool		isnull;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	if (!metrics_read_facts(fcinfo, 3, terms, &facts))
		PG_RETURN_NULL();
	value = metrics_value(terms, &facts, PG_GETARG_INT32(2), get_fn_expr_argtype(fcinfo->flinfo, 14), &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}
