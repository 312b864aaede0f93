/*
 * history_op.c: loyalty.history added and aggregated; value.c compares it.
 *
 * Adding two values reads both and writes the sum: it costs as much as they are long, and so
 * a loop that adds one day after the other to a variable costs the square of how many there
 * are.  There is no expanded form that would spare that, since PL/pgSQL lets no function but
 * those of arrays change a variable in place before PostgreSQL 18.  The aggregates keep what
 * they add up as an array, and write it once.
 */
#include "postgres.h"

#include "libpq/pqformat.h"
#include "utils/builtins.h"

#include "compat.h"
#include "history.h"

PG_FUNCTION_INFO_V1(loyalty_history_of);
PG_FUNCTION_INFO_V1(loyalty_history_plus);
PG_FUNCTION_INFO_V1(loyalty_history_minus);
PG_FUNCTION_INFO_V1(loyalty_history_negative);
PG_FUNCTION_INFO_V1(loyalty_history_take);
PG_FUNCTION_INFO_V1(loyalty_history_take_back);
PG_FUNCTION_INFO_V1(loyalty_history_sum_take);
PG_FUNCTION_INFO_V1(loyalty_history_sum_take_back);
PG_FUNCTION_INFO_V1(loyalty_history_combine);
PG_FUNCTION_INFO_V1(loyalty_history_serialize);
PG_FUNCTION_INFO_V1(loyalty_history_deserialize);
PG_FUNCTION_INFO_V1(loyalty_history_final);

/*
 * Add what a caller says of a day: a date, how many times, and an amount; or take it off if
 * the sign is -1.
 */
static void
add_arguments(History *history, DateADT day, int64 times, Datum number, int sign)
{
	int			scale = Max(exact_scale(number), history->scale);

	if (DATE_NOT_FINITE(day))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("day must be finite"),
				 errdetail("It is %s.", DATE_IS_NOBEGIN(day) ? "-infinity" : "infinity"),
				 errhint("Leave out what has no day, as in WHERE isfinite(day).")));
	if (times == PG_INT64_MIN)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number of times out of range"),
				 errdetail("It is " INT64_FORMAT ", and must be one more at least.", times)));
	history_add_day(history, day, sign * times, sign * exact_of_numeric(number, scale), scale);
}

Datum
loyalty_history_of(PG_FUNCTION_ARGS)
{
	History    *history = history_new(1);

	add_arguments(history, PG_GETARG_DATEADT(0), PG_GETARG_INT64(2), PG_GETARG_DATUM(1), 1);
	PG_RETURN_HISTORY(history_encode(history));
}

Datum
loyalty_history_plus(PG_FUNCTION_ARGS)
{
	History    *sum = history_decode(PG_GETARG_HISTORY(0));

	history_add(sum, PG_GETARG_HISTORY(1), 1);
	PG_RETURN_HISTORY(history_encode(sum));
}

Datum
loyalty_history_minus(PG_FUNCTION_ARGS)
{
	History    *difference = history_decode(PG_GETARG_HISTORY(0));

	history_add(difference, PG_GETARG_HISTORY(1), -1);
	PG_RETURN_HISTORY(history_encode(difference));
}

Datum
loyalty_history_negative(PG_FUNCTION_ARGS)
{
	History    *negative = history_new(0);

	history_add(negative, PG_GETARG_HISTORY(0), -1);
	PG_RETURN_HISTORY(history_encode(negative));
}

/*
 * What the aggregates keep while they run.
 */
typedef struct Aggregated
{
	int64		rows;			/* so many were not null; without any, the result is */
	History		sum;
} Aggregated;

/* The memory context of an aggregate's state. */
static MemoryContext
context_of_aggregate(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function can only be called by an aggregate"),
				 errhint("Call loyalty.history() or loyalty.sum().")));
	return context;
}

static Aggregated *
new_state(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	Aggregated *state = palloc0(sizeof(Aggregated));

	history_init(&state->sum, 0);
	MemoryContextSwitchTo(old);
	return state;
}

/* The state so far, or a new one for the first row. */
static Aggregated *
state_of_aggregate(FunctionCallInfo fcinfo)
{
	MemoryContext context = context_of_aggregate(fcinfo);

	return PG_ARGISNULL(0) ? new_state(context) : (Aggregated *) PG_GETARG_POINTER(0);
}

/* Add a row's day and amount, or take it off again.  A row that lacks one does not count. */
static Datum
take_row(FunctionCallInfo fcinfo, int sign)
{
	Aggregated *state = state_of_aggregate(fcinfo);

	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
	{
		add_arguments(&state->sum, PG_GETARG_DATEADT(1), 1, PG_GETARG_DATUM(2), sign);
		state->rows += sign;
	}
	PG_RETURN_POINTER(state);
}

Datum
loyalty_history_take(PG_FUNCTION_ARGS)
{
	return take_row(fcinfo, 1);
}

/*
 * Decimals that no amount needs any more are given up, so that what comes has room for as
 * many digits as it would in a window of its own.
 */
Datum
loyalty_history_take_back(PG_FUNCTION_ARGS)
{
	Datum		state = take_row(fcinfo, -1);

	history_trim(&((Aggregated *) DatumGetPointer(state))->sum);
	return state;
}

/* Add a value, or take it off again.  Null does not count. */
static Datum
take_value(FunctionCallInfo fcinfo, int sign)
{
	Aggregated *state = state_of_aggregate(fcinfo);

	if (!PG_ARGISNULL(1))
	{
		struct varlena *value = PG_GETARG_HISTORY(1);

		history_add(&state->sum, value, sign);
		state->rows += sign;
		PG_FREE_IF_COPY(value, 1);
	}
	PG_RETURN_POINTER(state);
}

Datum
loyalty_history_sum_take(PG_FUNCTION_ARGS)
{
	return take_value(fcinfo, 1);
}

Datum
loyalty_history_sum_take_back(PG_FUNCTION_ARGS)
{
	Datum		state = take_value(fcinfo, -1);

	history_trim(&((Aggregated *) DatumGetPointer(state))->sum);
	return state;
}

/*
 * Add the second state to the first.  It may be of a memory context that is reset soon.
 */
Datum
loyalty_history_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = context_of_aggregate(fcinfo);
	Aggregated *state = PG_ARGISNULL(0) ? NULL : (Aggregated *) PG_GETARG_POINTER(0);
	Aggregated *other = PG_ARGISNULL(1) ? NULL : (Aggregated *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		if (state == NULL)
			state = new_state(context);
		state->rows += other->rows;
		history_add_all(&state->sum, &other->sum);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/*
 * A state as bytes, for another process: how many rows, and the value as it is stored.
 */
Datum
loyalty_history_serialize(PG_FUNCTION_ARGS)
{
	Aggregated *state;
	StringInfoData bytes;
	struct varlena *value;

	(void) context_of_aggregate(fcinfo);
	state = (Aggregated *) PG_GETARG_POINTER(0);
	value = history_encode(&state->sum);
	pq_begintypsend(&bytes);
	pq_sendint64(&bytes, state->rows);
	appendBinaryStringInfo(&bytes, (char *) value, VARSIZE(value));
	PG_RETURN_BYTEA_P(pq_endtypsend(&bytes));
}

Datum
loyalty_history_deserialize(PG_FUNCTION_ARGS)
{
	bytea	   *bytes;
	Aggregated *state;
	int64		rows;
	struct varlena *value;

	(void) context_of_aggregate(fcinfo);
	bytes = PG_GETARG_BYTEA_PP(0);
	value = palloc(VARSIZE_ANY_EXHDR(bytes) - sizeof(rows));
	memcpy(&rows, VARDATA_ANY(bytes), sizeof(rows));
	memcpy(value, VARDATA_ANY(bytes) + sizeof(rows), VARSIZE_ANY_EXHDR(bytes) - sizeof(rows));
	state = new_state(CurrentMemoryContext);
	state->rows = pg_ntoh64(rows);
	history_add(&state->sum, value, 1);
	PG_RETURN_POINTER(state);
}

/*
 * What was added up, or null if all was.  The state is brought into order by it, and means
 * the same as before.
 */
Datum
loyalty_history_final(PG_FUNCTION_ARGS)
{
	Aggregated *state = PG_ARGISNULL(0) ? NULL : (Aggregated *) PG_GETARG_POINTER(0);

	if (state == NULL || state->rows == 0)
		PG_RETURN_NULL();
	PG_RETURN_HISTORY(history_encode(&state->sum));
}
