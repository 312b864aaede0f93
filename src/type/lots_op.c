/*
 * lots_op.c: lots are made, added and summed up; value.c compares them.
 *
 * An addition reads both values and writes the sum, about 0.1 microseconds for each lot
 * of both; sum() only reads, and writes once.  There is no expanded form: an account has
 * few lots, and before 18 PL/pgSQL lets no function of an extension change a variable in
 * place, so that a loop would copy as much.  To add up many values, use sum().
 */
#include "postgres.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lots.h"

/* The sum of the rows of an aggregate. */
typedef struct LotSum
{
	LotList    *list;
	int64		rows;			/* without null; no rows have no sum */
} LotSum;

PG_FUNCTION_INFO_V1(loyalty_lots_of);
PG_FUNCTION_INFO_V1(loyalty_lots_add);
PG_FUNCTION_INFO_V1(loyalty_lots_subtract);
PG_FUNCTION_INFO_V1(loyalty_lots_negate);
PG_FUNCTION_INFO_V1(loyalty_lots_sum);
PG_FUNCTION_INFO_V1(loyalty_lots_sum_inverse);
PG_FUNCTION_INFO_V1(loyalty_lots_sum_combine);
PG_FUNCTION_INFO_V1(loyalty_lots_sum_serial);
PG_FUNCTION_INFO_V1(loyalty_lots_sum_deserial);
PG_FUNCTION_INFO_V1(loyalty_lots_sum_final);

/*
 * A value of one lot, or of none if it has no points.
 */
Datum
loyalty_lots_of(PG_FUNCTION_ARGS)
{
	LotList    *list = lots_make();
	Lot			lot;
	Lot			checked;
	char	   *fault;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	list->scale = exact_scale(PG_GETARG_DATUM(0));
	lot.points = exact_of_numeric(PG_GETARG_DATUM(0), list->scale);
	lot.available_at = PG_ARGISNULL(1) ? DT_NOBEGIN : PG_GETARG_TIMESTAMPTZ(1);
	lot.expires_at = PG_ARGISNULL(2) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(2);
	lot.wallet = PG_ARGISNULL(3) ? LOTS_DEFAULT_WALLET : PG_GETARG_INT32(3);

	/* the rest must be right where points are 0, too */
	checked = lot;
	if (checked.points == 0)
		checked.points = 1;
	fault = lot_fault(&checked);
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid lot"),
				 errdetail("%s", fault),
				 errhint("Leave out available_at for points that are available at once, expires_at for points that never expire, and wallet for the first one.")));
	lots_put(list, list->scale, &lot);
	PG_RETURN_LOTS(lots_encode(list));
}

/*
 * The sum of two values.
 */
Datum
loyalty_lots_add(PG_FUNCTION_ARGS)
{
	LotList    *list = lots_decode(PG_GETARG_LOTS(0));

	lots_put_stored(list, PG_GETARG_LOTS(1), false);
	PG_RETURN_LOTS(lots_encode(list));
}

/*
 * What has to be added to the second value to make the first.
 */
Datum
loyalty_lots_subtract(PG_FUNCTION_ARGS)
{
	LotList    *list = lots_decode(PG_GETARG_LOTS(0));

	lots_put_stored(list, PG_GETARG_LOTS(1), true);
	PG_RETURN_LOTS(lots_encode(list));
}

/*
 * What takes away what a value adds.
 */
Datum
loyalty_lots_negate(PG_FUNCTION_ARGS)
{
	LotList    *list = lots_decode(PG_GETARG_LOTS(0));

	lots_negate(list);
	PG_RETURN_LOTS(lots_encode(list));
}

/*
 * The state of an aggregate, which is null before the first row, in the memory where it
 * stays.
 */
static LotSum *
sum_state(FunctionCallInfo fcinfo, MemoryContext *context)
{
	LotSum	   *sum;
	MemoryContext old;

	if (!AggCheckCallContext(fcinfo, context))
		elog(ERROR, "transition function of sum(lots) is called outside of an aggregate");
	if (!PG_ARGISNULL(0))
		return (LotSum *) PG_GETARG_POINTER(0);
	old = MemoryContextSwitchTo(*context);
	sum = palloc(sizeof(LotSum));
	sum->list = lots_make();
	sum->rows = 0;
	MemoryContextSwitchTo(old);
	return sum;
}

/*
 * Add a row, of which only what its lots add is kept.
 */
Datum
loyalty_lots_sum(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	LotSum	   *sum = sum_state(fcinfo, &context);

	if (!PG_ARGISNULL(1))
	{
		lots_put_stored(sum->list, PG_GETARG_LOTS(1), false);
		sum->rows++;
	}
	PG_RETURN_POINTER(sum);
}

/*
 * Take away a row that leaves a window.  The sum keeps the decimals that such a row had, so
 * that numbers of nearly 38 digits may overflow in a window where they do not alone.
 */
Datum
loyalty_lots_sum_inverse(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	LotSum	   *sum = sum_state(fcinfo, &context);

	if (!PG_ARGISNULL(1))
	{
		lots_put_stored(sum->list, PG_GETARG_LOTS(1), true);
		sum->rows--;
	}
	PG_RETURN_POINTER(sum);
}

/*
 * Add what another process summed up.
 */
Datum
loyalty_lots_sum_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	LotSum	   *sum = sum_state(fcinfo, &context);

	if (!PG_ARGISNULL(1))
	{
		LotSum	   *other = (LotSum *) PG_GETARG_POINTER(1);

		lots_add(sum->list, other->list);
		sum->rows += other->rows;
	}
	PG_RETURN_POINTER(sum);
}

/*
 * A state as it is sent to another process: how many rows, and a value.
 */
Datum
loyalty_lots_sum_serial(PG_FUNCTION_ARGS)
{
	LotSum	   *sum = (LotSum *) PG_GETARG_POINTER(0);
	Lots	   *lots = lots_encode(sum->list);
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendint64(&message, sum->rows);
	pq_sendbytes(&message, VARDATA(lots), VARSIZE(lots) - VARHDRSZ);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/*
 * The state of another process.  It lives as long as the call that combines it.
 */
Datum
loyalty_lots_sum_deserial(PG_FUNCTION_ARGS)
{
	bytea	   *message = PG_GETARG_BYTEA_PP(0);
	Size		size = VARSIZE_ANY_EXHDR(message);
	LotSum	   *sum = palloc(sizeof(LotSum));
	Lots	   *lots;
	uint64		rows;

	Assert(size > sizeof(rows));
	memcpy(&rows, VARDATA_ANY(message), sizeof(rows));
	lots = palloc(VARHDRSZ + size - sizeof(rows));
	memcpy(VARDATA(lots), VARDATA_ANY(message) + sizeof(rows), size - sizeof(rows));
	SET_VARSIZE(lots, VARHDRSZ + size - sizeof(rows));
	sum->rows = (int64) pg_ntoh64(rows);
	sum->list = lots_decode(lots);
	PG_RETURN_POINTER(sum);
}

/*
 * The value of an aggregate.  Its state goes on in a window.
 */
Datum
loyalty_lots_sum_final(PG_FUNCTION_ARGS)
{
	LotSum	   *sum = PG_ARGISNULL(0) ? NULL : (LotSum *) PG_GETARG_POINTER(0);

	if (sum == NULL || sum->rows == 0)
		PG_RETURN_NULL();
	PG_RETURN_LOTS(lots_encode(sum->list));
}
