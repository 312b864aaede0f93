/*
 * exact.c: decimal numbers as integers, for types that hold many of them.
 *
 * Sums of such numbers are exact, and where they overflow, that is an error.  They are
 * written with as few bytes as they need, small ones in one: seven bits a byte, the lowest
 * first, and the sign in the lowest bit of all.  There is one way to write a number, so
 * that values are equal if and only if their bytes are.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "compat.h"
#include "exact.h"

/* 39 digits, a point and a sign */
#define TEXT_SIZE 48

/* 38 nines */
#define EXACT_MAX ((int128) UINT64CONST(10000000000000000000) * UINT64CONST(10000000000000000000) - 1)

static void
overflow(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
			 errmsg("number out of range"),
			 errdetail("It would have more digits than 38.")));
}

/* The digits of a finite number, as text. */
static char *
digits_of(Datum number)
{
	if (!loyalty_numeric_is_finite(DatumGetNumeric(number)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number must be finite"),
				 errdetail("It is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, number)))));
	return DatumGetCString(DirectFunctionCall1(numeric_out, number));
}

/*
 * How many decimals a number has, without zeros behind the last.
 */
int
exact_scale(Datum number)
{
	char	   *text = digits_of(number);
	char	   *point = strchr(text, '.');
	int			scale;

	if (point == NULL)
		return 0;
	scale = strlen(point + 1);
	while (scale > 0 && point[scale] == '0')
		scale--;
	if (scale > EXACT_MAX_SCALE)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number has too many decimals"),
				 errdetail("%s has %d of them, and %d are allowed.", text, scale, EXACT_MAX_SCALE),
				 errhint("Round it first.")));
	return scale;
}

/*
 * A finite number as an integer with this many decimals, which are as many as it needs at
 * least.
 */
int128
exact_of_numeric(Datum number, int scale)
{
	char	   *text = digits_of(number);
	int128		value = 0;
	int			decimals = -1;

	for (char *c = text; *c != '\0'; c++)
	{
		if (*c == '.')
			decimals = 0;
		if (*c < '0' || *c > '9' || decimals == scale)
		{
			Assert(*c == '.' || *c == '-' || *c == '0');
			continue;
		}
		if (decimals >= 0)
			decimals++;
		value = exact_add(exact_rescale(value, 0, 1), *c - '0');
	}
	value = exact_rescale(value, 0, scale - Max(decimals, 0));
	return *text == '-' ? -value : value;
}

/*
 * The same number as numeric.
 */
Datum
exact_to_numeric(int128 value, int scale)
{
	char		digits[TEXT_SIZE];
	char	   *place = digits + sizeof(digits) - 1;
	uint128		rest = value < 0 ? -(uint128) value : (uint128) value;

	*place = '\0';
	for (int i = 0; rest > 0 || i <= scale; i++)
	{
		if (i == scale && scale > 0)
			*--place = '.';
		*--place = '0' + (int) (rest % 10);
		rest /= 10;
	}
	if (value < 0)
		*--place = '-';
	Assert(place >= digits);
	return DirectFunctionCall3(numeric_in, CStringGetDatum(place), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/*
 * The sum of two numbers of the same scale.
 */
int128
exact_add(int128 a, int128 b)
{
	int128		sum;

	if (__builtin_add_overflow(a, b, &sum) || sum < -EXACT_MAX || sum > EXACT_MAX)
		overflow();
	return sum;
}

/*
 * The same number with another scale, which is as many decimals as it needs at least.
 */
int128
exact_rescale(int128 value, int from, int to)
{
	for (; from < to; from++)
	{
		if (value < -EXACT_MAX / 10 || value > EXACT_MAX / 10)
			overflow();
		value *= 10;
	}
	for (; from > to; from--)
	{
		Assert(value % 10 == 0);
		value /= 10;
	}
	return value;
}

/*
 * How many decimals a number needs, of those that it has.
 */
int
exact_needed_scale(int128 value, int scale)
{
	while (scale > 0 && value % 10 == 0)
	{
		value /= 10;
		scale--;
	}
	return scale;
}

/*
 * Write an integer; returns the place behind it.
 */
uint8 *
exact_put(uint8 *place, int128 value)
{
	uint128		bits = ((uint128) value << 1) ^ (uint128) (value < 0 ? -1 : 0);

	while (bits >= 0x80)
	{
		*place++ = (uint8) (bits & 0x7f) | 0x80;
		bits >>= 7;
	}
	*place++ = (uint8) bits;
	return place;
}

/*
 * Read an integer; returns the place behind it, or NULL if exact_put() cannot have written
 * what is there.
 */
const uint8 *
exact_get(const uint8 *place, const uint8 *end, int128 *value)
{
	uint128		bits = 0;
	int			shift = 0;

	for (; place < end && shift < EXACT_MAX_BYTES * 7; shift += 7)
	{
		uint8		byte = *place++;

		/* the last byte of the longest has room for two bits */
		if (shift == (EXACT_MAX_BYTES - 1) * 7 && byte > 3)
			return NULL;
		bits |= (uint128) (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
		{
			/* a shorter way to write it is the only one */
			if (byte == 0 && shift > 0)
				return NULL;
			*value = (int128) (bits >> 1) ^ -(int128) (bits & 1);
			return *value < -EXACT_MAX || *value > EXACT_MAX ? NULL : place;
		}
	}
	return NULL;
}
