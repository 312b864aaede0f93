/*
 * campaign.c: what the rules of a campaign give to an order.
 *
 * That is by how much the order would be worth less without them, by all that is recorded of it: what each rule
 * gives, which rules were for the customer, its tier, and what limits and budgets left.  So points that
 * other rules multiply count as they are multiplied, a multiplier counts as what it adds, and where a
 * rule takes the place of another one, the difference does.  What a rule gives out of a budget counts as the
 * budget counts it, which is not what rounding makes of it together with other points.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "member_limits.h"
#include "number.h"
#include "stacking.h"
#include "terms.h"

/*
 * Parts of an order without those of some rules, an int[] of their numbers.  Those that have a budget are left in, and what
 * they give of it is added to "from_budgets".
 */
static Datum
without_rules(Datum parts, Datum awards, const ByAward *allotted, Datum *from_budgets)
{
	ByAward		read = stacking_read(parts);
	Datum	   *left_out;
	int			left_count;

	deconstruct_array(DatumGetArrayTypeP(awards), INT4OID, sizeof(int32), true, TYPALIGN_INT, &left_out, NULL, &left_count);
	for (int i = 0; i < left_count; i++)
	{
		int			award = DatumGetInt32(left_out[i]) - 1;

		if (award < 0 || award >= read.count)
			continue;
		if (stacking_value(allotted, award) != (Datum) 0)
			*from_budgets = DirectFunctionCall2(numeric_add, *from_budgets, stacking_value(allotted, award));
		else
			read.isnull[award] = true;
	}
	return stacking_parts(read.values, read.isnull, read.count);
}

/*
 * What an order of these parts is worth, where rules give no more than their rooms, by the number of the award;
 * (Datum) 0: the rule has no limit.
 */
static Datum
worth_of(Terms *terms, Datum parts, Datum held, Datum multiplier, const Datum *rooms)
{
	Datum	   *shares;
	bool	   *isnull;
	int			count = stacking_shares(terms->stacking, parts, held, multiplier, &shares, &isnull);
	Datum		free_points = number_zero();
	Datum		points_apart = number_zero();
	int			limit_count;
	int			wallet_count;
	const RuleLimit *limits = stacking_limits(terms->stacking, &limit_count);
	const RuleWallet *wallets = stacking_wallets(terms->stacking, &wallet_count);

	for (int i = 0; i < limit_count; i++)
	{
		int			award = limits[i].award;

		if (award >= count || isnull[award] || rooms[award] == (Datum) 0)
			continue;
		points_apart = DirectFunctionCall2(numeric_add, points_apart,
										   limits_cut(&limits[i], terms_round(terms, shares[award]), rooms[award]));
		isnull[award] = true;
	}
	for (int i = 0; i < wallet_count; i++)
	{
		int			award = wallets[i].award;

		if (award >= count || isnull[award])
			continue;
		points_apart = DirectFunctionCall2(numeric_add, points_apart, terms_round(terms, shares[award]));
		isnull[award] = true;
	}
	for (int i = 0; i < count; i++)
		if (!isnull[i])
			free_points = DirectFunctionCall2(numeric_add, free_points, shares[i]);
	return DirectFunctionCall2(numeric_add, terms_round(terms, free_points), points_apart);
}

/*
 * What is left for each rule that has a limit: what it gives, where that is less than it would, and else the
 * room that its order began with.
 */
static Datum *
find_rooms(Terms *terms, Datum parts, Datum held, Datum multiplier, Datum rooms, Datum apart)
{
	Datum	   *shares;
	bool	   *isnull;
	int			count = stacking_shares(terms->stacking, parts, held, multiplier, &shares, &isnull);
	Datum	   *result = palloc0(count * sizeof(Datum));
	ByAward		left = stacking_read(rooms);
	ByAward		gives = stacking_read(apart);

	for (int i = 0; i < count; i++)
	{
		Datum		given = stacking_value(&gives, i);

		result[i] = stacking_value(&left, i);
		if (result[i] != (Datum) 0 && given != (Datum) 0 && !isnull[i] &&
			DatumGetBool(DirectFunctionCall2(numeric_lt, given, terms_round(terms, shares[i]))))
			result[i] = given;
	}
	return result;
}

/* An argument, or (Datum) 0 for a null. */
static Datum
argument_or_none(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? (Datum) 0 : PG_GETARG_DATUM(number);
}

PG_FUNCTION_INFO_V1(loyalty_points_by_rules);

/*
 * points_by_rules(program regclass, terms int, awards int[], parts numeric[], held_rules int[], multiplier numeric,
 *                 rooms numeric[], apart numeric[], allotted numeric[], reader uuid) returns numeric
 *
 * How many points more an order has than it would have without the rules of these numbers, by what its
 * entry says; nothing of an order that does not count.  reader: see terms_check_reader().
 */
Datum
loyalty_points_by_rules(PG_FUNCTION_ARGS)
{
	Datum		held = argument_or_none(fcinfo, 4);
	Datum		parts;
	Datum		multiplier;
	Datum		from_budgets = number_zero();
	Datum		without;
	ByAward		allotted;
	Datum	   *rooms;
	Terms	   *terms;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(5))
		PG_RETURN_NULL();
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	terms_check_reader(terms, PG_ARGISNULL(9) ? NULL : PG_GETARG_UUID_P(9));
	if (!stacking_folds(terms->stacking))
		PG_RETURN_NULL();
	multiplier = PG_GETARG_DATUM(5);
	parts = stacking_given(PG_GETARG_DATUM(3), argument_or_none(fcinfo, 8));
	rooms = find_rooms(terms, parts, held, multiplier, argument_or_none(fcinfo, 6), argument_or_none(fcinfo, 7));
	allotted = stacking_read(argument_or_none(fcinfo, 8));
	without = without_rules(parts, PG_GETARG_DATUM(2), &allotted, &from_budgets);
	return DirectFunctionCall2(numeric_add, from_budgets,
							   DirectFunctionCall2(numeric_sub, worth_of(terms, parts, held, multiplier, rooms),
												   worth_of(terms, without, held, multiplier, rooms)));
}
