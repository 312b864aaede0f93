/*
 * lots_take.c: which lots points are taken from.
 *
 * What is taken is itself a list, of lots below zero, to be added to the account.  No lot
 * of it falls below zero by that.  Where some lots of a wallet are below zero already,
 * those that are not named give so much less: no more than is available in the wallet.
 *
 * Lots that are expired are never taken from: their points are gone, whether an entry says
 * so already or not.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "lots.h"

PG_FUNCTION_INFO_V1(loyalty_lots_take);
PG_FUNCTION_INFO_V1(loyalty_lots_take_from);
PG_FUNCTION_INFO_V1(loyalty_lots_expire);
PG_FUNCTION_INFO_V1(loyalty_redeemable_lots);

/* Give a demand and the lots that were taken for it the decimals of these lots, too. */
static void
share_scale(const LotList *lots, LotDemand *demand)
{
	if (demand->scale < lots->scale)
	{
		demand->rest = exact_rescale(demand->rest, demand->scale, lots->scale);
		demand->scale = lots->scale;
	}
}

/* Take some of a lot, at most so many points of the scale of the demand. */
static int128
take_lot(const Lot *lot, int128 most, LotDemand *demand, LotList *taken)
{
	Lot			part = *lot;
	int128		points = Min(most, demand->rest);

	Assert(points >= 0);
	if (points == 0)
		return 0;
	part.points = -points;
	lots_put(taken, demand->scale, &part);
	demand->rest -= points;
	return points;
}

/*
 * Take what is available in the lots from "first" on, which are of one wallet; in all of it,
 * that is the sum of those above and below zero.
 */
static void
take_wallet(const LotList *lots, int first, LotDemand *demand, LotList *taken)
{
	int128		left = 0;
	int			end = first;

	for (; end < lots->count && lots->lot[end].wallet == lots->lot[first].wallet; end++)
	{
		CHECK_FOR_INTERRUPTS();
		if (lot_state(&lots->lot[end], demand->at) == LOT_AVAILABLE)
			left = exact_add(left, lots->lot[end].points);
	}
	left = exact_rescale(Max(left, 0), lots->scale, demand->scale);
	for (int i = first; i < end && left > 0 && demand->rest > 0; i++)
	{
		const Lot  *lot = &lots->lot[i];

		if (lot->points > 0 && lot_state(lot, demand->at) == LOT_AVAILABLE)
			left -= take_lot(lot, Min(left, exact_rescale(lot->points, lots->scale, demand->scale)),
							 demand, taken);
	}
}

/* The first lot of a wallet, or of one that comes after it. */
static int
first_of_wallet(const LotList *lots, int32 wallet)
{
	int			low = 0;
	int			high = lots->count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (lots->lot[middle].wallet < wallet)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Is a wallet named again that was named before? */
static bool
named_before(const LotDemand *demand, int number)
{
	for (int i = 0; i < number; i++)
		if (demand->wallet[i] == demand->wallet[number])
			return true;
	return false;
}

/*
 * Take points of what is available at a moment: from the wallets in their order, in each
 * from the lots that expire first, and of those from the ones that were available first.
 * What is taken is added to "taken", and what was not there is left in the demand.
 */
void
lots_take(const LotList *lots, LotDemand *demand, LotList *taken)
{
	Assert(lots->sorted == lots->count && demand->rest >= 0);
	share_scale(lots, demand);
	if (demand->wallets == 0)
		for (int first = 0; first < lots->count;)
		{
			take_wallet(lots, first, demand, taken);
			first = lots->lot[first].wallet == PG_INT32_MAX ? lots->count :
				first_of_wallet(lots, lots->lot[first].wallet + 1);
		}
	for (int i = 0; i < demand->wallets; i++)
	{
		int			first = first_of_wallet(lots, demand->wallet[i]);

		CHECK_FOR_INTERRUPTS();
		if (first < lots->count && lots->lot[first].wallet == demand->wallet[i] &&
			!named_before(demand, i))
			take_wallet(lots, first, demand, taken);
	}
	lots_settle(taken);
}

/* Take from the lots that are preferred and in some state, as much as both sides have. */
static void
take_preferred(const LotList *lots, const LotList *preferred, LotState state,
			   LotDemand *demand, LotList *taken)
{
	for (int i = 0; i < preferred->count; i++)
	{
		const Lot  *wanted = &preferred->lot[i];
		const Lot  *lot = lots_find(lots, wanted);
		int128		most;

		if (lot == NULL || lot->points < 0 || wanted->points < 0 ||
			lot_state(lot, demand->at) != state)
			continue;
		most = Min(exact_rescale(lot->points, lots->scale, demand->scale),
				   exact_rescale(wanted->points, preferred->scale, demand->scale));
		take_lot(lot, most, demand, taken);
	}
}

/*
 * Take points first from the lots that a credit made, as many from each as it gave, and
 * the others as lots_take() does.  Of the lots of the credit, those that are pending are
 * taken from, too; the order of wallets is not for them.
 */
void
lots_take_from(const LotList *lots, const LotList *preferred, LotPreference preference,
			   LotDemand *demand, LotList *taken)
{
	LotList    *left = lots_make();
	LotState	first = preference == PENDING_FIRST ? LOT_PENDING : LOT_AVAILABLE;
	LotState	second = preference == PENDING_FIRST ? LOT_AVAILABLE : LOT_PENDING;

	Assert(lots->sorted == lots->count && preferred->sorted == preferred->count);
	share_scale(lots, demand);
	share_scale(preferred, demand);
	take_preferred(lots, preferred, first, demand, taken);
	take_preferred(lots, preferred, second, demand, taken);
	lots_settle(taken);
	lots_add(left, lots);
	lots_add(left, taken);
	lots_settle(left);
	lots_take(left, demand, taken);
}

/*
 * What takes away the points of all lots that are expired at a moment.
 */
LotList *
lots_expire(const LotList *lots, TimestampTz at)
{
	LotList    *gone = lots_make();

	for (int i = 0; i < lots->count; i++)
	{
		Lot			lot = lots->lot[i];

		if (lot.points <= 0 || lot_state(&lot, at) != LOT_EXPIRED)
			continue;
		lot.points = -lot.points;
		lots_put(gone, lots->scale, &lot);
	}
	return gone;
}

/* The numbers of wallets that an argument lists. */
static int
wallets_argument(FunctionCallInfo fcinfo, int argument, const int32 **wallet)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);

	if (ARR_NDIM(array) != 1 || array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wallets must be a list of numbers"),
				 errdetail("The list is empty, has a null, or is of more than one dimension."),
				 errhint("Leave it out to take from all wallets.")));
	*wallet = (const int32 *) ARR_DATA_PTR(array);
	return ARR_DIMS(array)[0];
}

/* The points that an argument names, at a moment that another one does, as a demand. */
static LotDemand
demand_of(FunctionCallInfo fcinfo, int points, int at, int wallets)
{
	LotDemand	demand = {0};

	demand.scale = exact_scale(PG_GETARG_DATUM(points));
	demand.rest = exact_of_numeric(PG_GETARG_DATUM(points), demand.scale);
	if (demand.rest < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points to take cannot be less than 0"),
				 errdetail("They are %s.", DatumGetCString(DirectFunctionCall1(numeric_out, PG_GETARG_DATUM(points)))),
				 errhint("Add lots to give points.")));
	demand.at = lots_moment_argument(fcinfo, at);
	if (!PG_ARGISNULL(wallets))
	{
		demand.wallets = wallets_argument(fcinfo, wallets, &demand.wallet);
		for (int i = 0; i < demand.wallets; i++)
			lots_check_wallet(demand.wallet[i]);
	}
	return demand;
}

/* What was taken, and what was not there, as a row. */
static Datum
row_of(FunctionCallInfo fcinfo, const LotDemand *demand, LotList *taken)
{
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "function does not return a row");
	values[0] = LotsGetDatum(lots_encode(taken));
	values[1] = lots_points(demand->rest, demand->scale);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/*
 * _loyalty.take(lots, points, at, wallets)
 */
Datum
loyalty_lots_take(PG_FUNCTION_ARGS)
{
	LotList    *taken = lots_make();
	LotDemand	demand;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	demand = demand_of(fcinfo, 1, 2, 3);
	lots_take(lots_decode(PG_GETARG_LOTS(0)), &demand, taken);
	return row_of(fcinfo, &demand, taken);
}

/*
 * _loyalty.take_from(lots, preferred, points, at, pending_first, wallets)
 */
Datum
loyalty_lots_take_from(PG_FUNCTION_ARGS)
{
	LotList    *taken = lots_make();
	LotDemand	demand;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		PG_RETURN_NULL();
	demand = demand_of(fcinfo, 2, 3, 5);
	lots_take_from(lots_decode(PG_GETARG_LOTS(0)), lots_decode(PG_GETARG_LOTS(1)),
				   PG_GETARG_BOOL(4) ? PENDING_FIRST : AVAILABLE_FIRST, &demand, taken);
	return row_of(fcinfo, &demand, taken);
}

/*
 * _loyalty.expire(lots, at)
 */
Datum
loyalty_lots_expire(PG_FUNCTION_ARGS)
{
	LotList    *lots = lots_decode(PG_GETARG_LOTS(0));

	PG_RETURN_LOTS(lots_encode(lots_expire(lots, lots_moment_argument(fcinfo, 1))));
}

/* The lots of other wallets than so many. */
LotList *
lots_without(const Lots *lots, const int32 *wallets, int count)
{
	LotList    *kept = lots_make();
	LotReader	reader = lots_reader(lots);
	Lot			lot;

	while (lots_next(&reader, &lot))
	{
		bool		is_left_out = false;

		for (int i = 0; i < count; i++)
			is_left_out = is_left_out || wallets[i] == lot.wallet;
		if (!is_left_out)
			lots_put(kept, reader.scale, &lot);
	}
	lots_settle(kept);
	return kept;
}

/*
 * _loyalty.redeemable_lots(lots, status): the lots without those of status points, which are
 * the points of these wallets, or null for none.
 */
Datum
loyalty_redeemable_lots(PG_FUNCTION_ARGS)
{
	const int32 *status;
	int			count;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	count = wallets_argument(fcinfo, 1, &status);
	PG_RETURN_LOTS(lots_encode(lots_without(PG_GETARG_LOTS(0), status, count)));
}
