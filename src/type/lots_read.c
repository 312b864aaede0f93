/*
 * lots_read.c: what applications ask of lots.
 *
 * At any moment a lot is expired, pending or available, so that these three always make
 * up the total.  Points below zero count, too: they are what a difference takes.
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "lots.h"

PG_FUNCTION_INFO_V1(loyalty_lots_total);
PG_FUNCTION_INFO_V1(loyalty_lots_is_due);
PG_FUNCTION_INFO_V1(loyalty_lots_available);
PG_FUNCTION_INFO_V1(loyalty_lots_pending);
PG_FUNCTION_INFO_V1(loyalty_lots_expired);
PG_FUNCTION_INFO_V1(loyalty_lots_expiring);
PG_FUNCTION_INFO_V1(loyalty_lots_next_expiry);
PG_FUNCTION_INFO_V1(loyalty_lots_unnest);

/*
 * Check that a number that somebody names can be that of a wallet.
 */
void
lots_check_wallet(int32 wallet)
{
	if (wallet < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is no such wallet"),
				 errdetail("The wallet is %d, and wallets have numbers from 1 on.", wallet),
				 errhint("Leave the argument out to ask for all wallets.")));
}

/* The wallet that an argument names, or 0 for all. */
static int32
wallet_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		return 0;
	lots_check_wallet(PG_GETARG_INT32(argument));
	return PG_GETARG_INT32(argument);
}

/*
 * The moment that an argument names, which must be one.
 */
TimestampTz
lots_moment_argument(FunctionCallInfo fcinfo, int argument)
{
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(argument);

	if (TIMESTAMP_NOT_FINITE(at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lots cannot be asked about an infinite moment"),
				 errdetail("The moment is %s.", TIMESTAMP_IS_NOBEGIN(at) ? "-infinity" : "infinity"),
				 errhint("Name a moment, such as now().")));
	return at;
}

/*
 * The points of all lots, whatever becomes of them.
 */
Datum
loyalty_lots_total(PG_FUNCTION_ARGS)
{
	LotReader	reader;
	int32		wallet;
	int128		total = 0;
	Lot			lot;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	reader = lots_reader(PG_GETARG_LOTS(0));
	wallet = wallet_argument(fcinfo, 1);
	while (lots_next(&reader, &lot))
		if (wallet == 0 || lot.wallet == wallet)
			total = exact_add(total, lot.points);
	PG_RETURN_DATUM(lots_points(total, reader.scale));
}

/* The points of the lots that are in some state at a moment. */
static Datum
points_in(FunctionCallInfo fcinfo, LotState state)
{
	LotReader	reader;
	TimestampTz at;
	int32		wallet;
	int128		total = 0;
	Lot			lot;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	reader = lots_reader(PG_GETARG_LOTS(0));
	at = lots_moment_argument(fcinfo, 1);
	wallet = wallet_argument(fcinfo, 2);
	while (lots_next(&reader, &lot))
		if ((wallet == 0 || lot.wallet == wallet) && lot_state(&lot, at) == state)
			total = exact_add(total, lot.points);
	PG_RETURN_DATUM(lots_points(total, reader.scale));
}

Datum
loyalty_lots_available(PG_FUNCTION_ARGS)
{
	return points_in(fcinfo, LOT_AVAILABLE);
}

Datum
loyalty_lots_pending(PG_FUNCTION_ARGS)
{
	return points_in(fcinfo, LOT_PENDING);
}

Datum
loyalty_lots_expired(PG_FUNCTION_ARGS)
{
	return points_in(fcinfo, LOT_EXPIRED);
}

/*
 * The points of the lots that expire after a moment, and not later than another one.
 * Those that never expire do not do so until infinity either.
 */
Datum
loyalty_lots_expiring(PG_FUNCTION_ARGS)
{
	LotReader	reader;
	TimestampTz since;
	TimestampTz until;
	int32		wallet;
	int128		total = 0;
	Lot			lot;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	reader = lots_reader(PG_GETARG_LOTS(0));
	since = PG_GETARG_TIMESTAMPTZ(1);
	until = PG_GETARG_TIMESTAMPTZ(2);
	wallet = wallet_argument(fcinfo, 3);
	while (lots_next(&reader, &lot))
		if ((wallet == 0 || lot.wallet == wallet) && !TIMESTAMP_IS_NOEND(lot.expires_at) &&
			since < lot.expires_at && lot.expires_at <= until)
			total = exact_add(total, lot.points);
	PG_RETURN_DATUM(lots_points(total, reader.scale));
}

/*
 * When the next points expire, after a moment; null if none do.
 */
Datum
loyalty_lots_next_expiry(PG_FUNCTION_ARGS)
{
	LotReader	reader;
	TimestampTz at;
	TimestampTz next = DT_NOEND;
	int32		wallet;
	Lot			lot;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	reader = lots_reader(PG_GETARG_LOTS(0));
	at = lots_moment_argument(fcinfo, 1);
	wallet = wallet_argument(fcinfo, 2);
	while (lots_next(&reader, &lot))
		if ((wallet == 0 || lot.wallet == wallet) && lot.points > 0 && lot.expires_at > at)
			next = Min(next, lot.expires_at);
	if (TIMESTAMP_IS_NOEND(next))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(next);
}

/*
 * The lots as rows of wallet, available_at, expires_at and points.
 */
Datum
loyalty_lots_unnest(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	LotReader  *reader;
	Lot			lot;
	Datum		values[4];
	bool		nulls[4] = {false};

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		call = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &call->tuple_desc) != TYPEFUNC_COMPOSITE)
			elog(ERROR, "unnest(lots) does not return rows");
		call->tuple_desc = BlessTupleDesc(call->tuple_desc);
		reader = palloc(sizeof(LotReader));
		*reader = lots_reader((Lots *) PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)));
		call->user_fctx = reader;
		MemoryContextSwitchTo(old);
	}
	call = SRF_PERCALL_SETUP();
	reader = call->user_fctx;
	if (!lots_next(reader, &lot))
		SRF_RETURN_DONE(call);
	values[0] = Int32GetDatum(lot.wallet);
	values[1] = TimestampTzGetDatum(lot.available_at);
	values[2] = TimestampTzGetDatum(lot.expires_at);
	values[3] = lots_points(lot.points, reader->scale);
	SRF_RETURN_NEXT(call, HeapTupleGetDatum(heap_form_tuple(call->tuple_desc, values, nulls)));
}

/*
 * _loyalty.is_due(lots, at): have some expired, or become available that waited?
 */
Datum
loyalty_lots_is_due(PG_FUNCTION_ARGS)
{
	LotReader	reader;
	TimestampTz at;
	Lot			lot;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	reader = lots_reader(PG_GETARG_LOTS(0));
	at = lots_moment_argument(fcinfo, 1);
	while (lots_next(&reader, &lot))
	{
		LotState	state = lot_state(&lot, at);

		if (state == LOT_EXPIRED || (state == LOT_AVAILABLE && !TIMESTAMP_IS_NOBEGIN(lot.available_at)))
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}
