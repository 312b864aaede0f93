/*
 * lots_op.c: lots are made, added, compared and summed up.
 *
 * Values are equal if and only if their bytes are, and they are ordered by their bytes:
 * an order that says nothing, for DISTINCT, indexes and joins.
 *
 * An addition reads both values and writes the sum, about 0.1 microseconds for each lot
 * of both; sum() only reads, and writes once.  There is no expanded form: an account has
 * few lots, and before 18 PL/pgSQL lets no function of an extension change a variable in
 * place, so that a loop would copy as much.  To add up many values, use sum().
 */
#include "postgres.h"

#include "common/hashfn.h"
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
PG_FUNCTION_INFO_V1(loyalty_lots_cmp);
PG_FUNCTION_INFO_V1(loyalty_lots_lt);
PG_FUNCTION_INFO_V1(loyalty_lots_le);
PG_FUNCTION_INFO_V1(loyalty_lots_eq);
PG_FUNCTION_INFO_V1(loyalty_lots_ne);
PG_FUNCTION_INFO_V1(loyalty_lots_ge);
PG_FUNCTION_INFO_V1(loyalty_lots_gt);
PG_FUNCTION_INFO_V1(loyalty_lots_hash);
PG_FUNCTION_INFO_V1(loyalty_lots_hash_extended);
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

/* Compare the two arguments of a function. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	Lots	   *a = PG_GETARG_LOTS(0);
	Lots	   *b = PG_GETARG_LOTS(1);
	Size		a_size = VARSIZE_ANY_EXHDR(a);
	Size		b_size = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_size, b_size));

	if (order == 0)
		order = (a_size > b_size) - (a_size < b_size);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

Datum
loyalty_lots_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

Datum
loyalty_lots_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
loyalty_lots_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
loyalty_lots_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
loyalty_lots_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
loyalty_lots_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

Datum
loyalty_lots_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
loyalty_lots_hash(PG_FUNCTION_ARGS)
{
	Lots	   *lots = PG_GETARG_LOTS(0);
	uint32		hash = hash_bytes((unsigned char *) VARDATA_ANY(lots), VARSIZE_ANY_EXHDR(lots));

	PG_FREE_IF_COPY(lots, 0);
	PG_RETURN_UINT32(hash);
}

Datum
loyalty_lots_hash_extended(PG_FUNCTION_ARGS)
{
	Lots	   *lots = PG_GETARG_LOTS(0);
	uint64		hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(lots),
										   VARSIZE_ANY_EXHDR(lots), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(lots, 0);
	PG_RETURN_INT64((int64) hash);
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
