/*
 * current.c: orders as they stand in the tracked table at this moment.
 *
 * What a trigger was given of an order is not enough when the order was changed
 * again meanwhile, or when another transaction recorded it first.  Then its row
 * is read here, by key, with a plan that is kept:
 *
 * ----------
 *	SELECT purchase.customer, order_key, purchase.at, purchase.amount, points
 *	  FROM table AS new, counts_when, customer and at and amount AS purchase
 *	 WHERE order_key = ANY ($1::text[]::type[])
 * ----------
 *
 * The snapshot is of this moment whatever the isolation level, as in journal.c.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "current.h"
#include "owner.h"

static SPIPlanPtr
prepare(TrackedTable *table, RuleSet *set)
{
	StringInfoData query;
	Oid			types[1] = {TEXTARRAYOID};
	Oid			key_type = table->order_key.type;
	SPIPlanPtr	plan;
	int			nest = settings_begin(table->time_zone);

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT purchase.customer, (%s)::pg_catalog.text, purchase.at, purchase.amount,"
					 " CASE WHEN purchase.at IS NOT NULL AND purchase.amount IS NOT NULL THEN %s END"
					 " FROM %s AS new"
					 " CROSS JOIN LATERAL (SELECT (%s) AS it_does) AS counts"
					 " CROSS JOIN LATERAL (SELECT (%s) AS customer,"
					 " CASE WHEN counts.it_does THEN (%s) END AS at,"
					 " CASE WHEN counts.it_does THEN (%s) END AS amount) AS purchase"
					 " WHERE ",
					 table->order_key_text, set->base_text, table->qualified_name,
					 table->counts_when_text, table->customer_text,
					 table->at_text, table->amount_text);
	if (OidIsValid(get_array_type(key_type)))
		appendStringInfo(&query, "(%s) = ANY ($1::pg_catalog.text[]::%s[])",
						 table->order_key_text,
						 format_type_extended(key_type, -1, FORMAT_TYPE_FORCE_QUALIFY));
	else
		appendStringInfo(&query, "(%s)::pg_catalog.text = ANY ($1)",
						 table->order_key_text);
	plan = SPI_prepare(query.data, 1, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare the look-up of current orders: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	settings_end(nest);
	pfree(query.data);
	return plan;
}

/*
 * Give the orders with these keys (text) to a sink, with the points of one
 * version of the terms.  The table is the one that was tracked.
 */
void
current_orders(TrackedTable *table, Datum *keys, int count, int32 terms,
			   OrderSink sink, void *arg)
{
	RuleSet    *set = program_rules(table, terms);
	Datum		array;
	int			nest;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (set->current == NULL)
		set->current = prepare(table, set);
	array = PointerGetDatum(construct_array(keys, count, TEXTOID, -1, false,
											TYPALIGN_INT));

	/* See what the statement did that fired the trigger. */
	CommandCounterIncrement();
	nest = settings_begin(table->time_zone);
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_plan(set->current, &array, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up current orders");
	PopActiveSnapshot();
	settings_end(nest);

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		Datum		values[5];
		bool		isnull[5];
		Order		order;

		for (int c = 0; c < 5; c++)
			values[c] = SPI_getbinval(tuple, desc, c + 1, &isnull[c]);
		if (isnull[0] || isnull[1])
			continue;
		order.customer = values[0];
		if (table->customer_length == -1)
			order.customer = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[0]));
		order.order_key = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[1]));
		order_gone(&order);
		if (!isnull[2] && !isnull[3])
		{
			order.counted = true;
			order.at = DatumGetTimestampTz(values[2]);
			order.amount = PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[3]));
			order.base = isnull[4] ? order_zero() :
				PointerGetDatum(PG_DETOAST_DATUM_PACKED(values[4]));
			order_check_finite(table, &order);
		}
		sink(arg, &order);
	}
	SPI_finish();
}
