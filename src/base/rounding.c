/*
 * rounding.c: how points are rounded.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "rounding.h"

/* The way of rounding that a word names; false if it names none. */
bool
rounding_parse(const char *name, Rounding *rounding)
{
	static const char *const names[] = {"floor", "half_even", "half_up", "ceil"};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(name, names[i]) == 0)
		{
			*rounding = (Rounding) i;
			return true;
		}
	}
	return false;
}

static Datum
numeric_from_int(int32 value)
{
	return DirectFunctionCall1(int4_numeric, Int32GetDatum(value));
}

/* Round the magnitude of a number to so many decimals. */
Datum
rounding_apply(Rounding rounding, int32 places, Datum number)
{
	Datum		decimals = Int32GetDatum(places);
	Datum		down = DirectFunctionCall2(numeric_trunc, number, decimals);
	Datum		half;
	Datum		up;
	Datum		units;

	if (rounding == ROUND_FLOOR)
		return down;
	if (rounding == ROUND_HALF_UP)
		return DirectFunctionCall2(numeric_round, number, decimals);
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, down, number)))
		return down;

	/* Away from zero: one unit of the last place more. */
	units = DirectFunctionCall2(numeric_power, numeric_from_int(10),
								numeric_from_int(-places));
	units = DirectFunctionCall2(numeric_round, units, decimals);
	up = DirectFunctionCall2(numeric_add, down,
							 DirectFunctionCall2(numeric_mul, units,
												 DirectFunctionCall1(numeric_sign, number)));
	if (rounding == ROUND_CEIL)
		return up;

	half = DirectFunctionCall2(numeric_mul, numeric_from_int(2), number);
	half = DirectFunctionCall2(numeric_sub, half, DirectFunctionCall2(numeric_add, down, up));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, half, numeric_from_int(0))))
		return DirectFunctionCall2(numeric_round, number, decimals);
	/* A tie: the even neighbour. */
	half = DirectFunctionCall2(numeric_div, down, units);
	half = DirectFunctionCall2(numeric_mod, half, numeric_from_int(2));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, half, numeric_from_int(0))) ? down : up;
}
