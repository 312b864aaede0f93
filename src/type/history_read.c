/*
 * history_read.c: what functions tell of a loyalty.history.
 *
 * They go through the value once, in the order of its days.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "history.h"
#include "result.h"

PG_FUNCTION_INFO_V1(loyalty_history_total);
PG_FUNCTION_INFO_V1(loyalty_history_times);
PG_FUNCTION_INFO_V1(loyalty_history_during);
PG_FUNCTION_INFO_V1(loyalty_history_first_day);
PG_FUNCTION_INFO_V1(loyalty_history_last_day);
PG_FUNCTION_INFO_V1(loyalty_history_days);
PG_FUNCTION_INFO_V1(loyalty_history_gaps);
PG_FUNCTION_INFO_V1(loyalty_history_unnest);

/* The first day that does not begin before a moment; without one, what is given. */
static int64
day_of_argument(FunctionCallInfo fcinfo, int argument, int64 otherwise)
{
	Timestamp	moment;
	int64		day;

	if (PG_ARGISNULL(argument))
		return otherwise;
	moment = PG_GETARG_TIMESTAMP(argument);
	if (TIMESTAMP_IS_NOBEGIN(moment))
		return PG_INT64_MIN;
	if (TIMESTAMP_IS_NOEND(moment))
		return PG_INT64_MAX;
	day = moment / USECS_PER_DAY;
	return day + (day * USECS_PER_DAY < moment);
}

/* The arguments since and until. */
static HistorySpan
span_of_arguments(FunctionCallInfo fcinfo)
{
	HistorySpan span;

	span.since = day_of_argument(fcinfo, 1, PG_INT64_MIN);
	span.until = day_of_argument(fcinfo, 2, PG_INT64_MAX);
	return span;
}

/* These are not strict, since a bound that is null is none; but of null nothing is known. */
Datum
loyalty_history_total(PG_FUNCTION_ARGS)
{
	int			scale;
	int128		total;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	total = history_total_in(PG_GETARG_HISTORY(0), span_of_arguments(fcinfo), &scale);
	return exact_to_numeric(total, scale);
}

Datum
loyalty_history_times(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT64(history_times_in(PG_GETARG_HISTORY(0), span_of_arguments(fcinfo)));
}

Datum
loyalty_history_during(PG_FUNCTION_ARGS)
{
	History    *part;
	HistoryReader reader;
	HistorySpan span;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	span = span_of_arguments(fcinfo);
	part = history_new(0);
	history_read(&reader, PG_GETARG_HISTORY(0));
	while (history_next_in(&reader, span))
		history_add_day(part, reader.now.day, reader.now.times, reader.now.amount, reader.scale);
	PG_RETURN_HISTORY(history_encode(part));
}

Datum
loyalty_history_first_day(PG_FUNCTION_ARGS)
{
	HistoryReader reader;

	history_read(&reader, PG_GETARG_HISTORY(0));
	if (!history_next(&reader))
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(reader.now.day);
}

Datum
loyalty_history_last_day(PG_FUNCTION_ARGS)
{
	HistoryReader reader;

	history_read(&reader, PG_GETARG_HISTORY(0));
	while (history_next(&reader))
		;
	if (!reader.begun)
		PG_RETURN_NULL();
	PG_RETURN_DATEADT(reader.now.day);
}

Datum
loyalty_history_days(PG_FUNCTION_ARGS)
{
	HistoryReader reader;
	int32		days = 0;

	history_read(&reader, PG_GETARG_HISTORY(0));
	while (history_next(&reader))
		days++;
	PG_RETURN_INT32(days);
}

/* Any two dates are less than 2^31 days apart. */
Datum
loyalty_history_gaps(PG_FUNCTION_ARGS)
{
	History    *history = history_decode(PG_GETARG_HISTORY(0));
	Datum	   *gaps;

	if (history->count < 2)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(INT4OID));
	gaps = palloc((history->count - 1) * sizeof(Datum));
	for (int i = 1; i < history->count; i++)
		gaps[i - 1] = Int32GetDatum(history->days[i].day - history->days[i - 1].day);
	PG_RETURN_ARRAYTYPE_P(construct_array(gaps, history->count - 1, INT4OID, sizeof(int32), true,
										  TYPALIGN_INT));
}

Datum
loyalty_history_unnest(PG_FUNCTION_ARGS)
{
	HistoryReader reader;
	TupleDesc	desc;
	Tuplestorestate *store = result_begin(fcinfo, &desc);

	history_read(&reader, PG_GETARG_HISTORY(0));
	while (history_next(&reader))
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = DateADTGetDatum(reader.now.day);
		values[1] = Int64GetDatum(reader.now.times);
		values[2] = exact_to_numeric(reader.now.amount, reader.scale);
		tuplestore_putvalues(store, desc, values, nulls);
		pfree(DatumGetPointer(values[2]));
	}
	return (Datum) 0;
}
