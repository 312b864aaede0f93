/*
 * number.c: values that are made once and live as long as the session.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "number.h"

static Datum zero;
static Datum one;
static Datum limit;
static Datum empty;

/* Make all of them, in memory that is never freed. */
static void
init_constants(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	one = DirectFunctionCall1(int4_numeric, Int32GetDatum(1));
	limit = DirectFunctionCall3(numeric_in, CStringGetDatum("1e26"),
								ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	empty = CStringGetTextDatum("");
	MemoryContextSwitchTo(old);
}

/*
 * The numeric zero.
 */
Datum
number_zero(void)
{
	if (empty == (Datum) 0)
		init_constants();
	return zero;
}

/*
 * The numeric one.
 */
Datum
number_one(void)
{
	if (empty == (Datum) 0)
		init_constants();
	return one;
}

/*
 * What the sums of an account stay below: views show them as numeric(38, scale), with a
 * scale of up to 12.
 */
Datum
number_account_limit(void)
{
	if (empty == (Datum) 0)
		init_constants();
	return limit;
}

/*
 * The empty text.
 */
Datum
text_empty(void)
{
	if (empty == (Datum) 0)
		init_constants();
	return empty;
}

/* Messages show no more of a number. */
#define SHOWN_DIGITS 100

/*
 * A numeric as text, for messages.
 */
char *
number_show(Datum value)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, value));

	if (strlen(text) > SHOWN_DIGITS)
		strlcpy(text +SHOWN_DIGITS - 3, "...", 4);
	return text;
}

/*
 * Is a numeric finite, and has its integer part at most so many decimal digits?  A multiple
 * of four: both are read out of the header of the stored form, whose weight counts in
 * powers of 10,000 (utils/adt/numeric.c), as this is asked of each order.
 */
bool
number_is_below(Datum value, int digits)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(value);
	uint16		header;
	int16		weight;

	Assert(digits % 4 == 0);
	memcpy(&header, VARDATA_ANY(stored), sizeof(header));
	if ((header & 0xC000) == 0xC000)
		return false;			/* NaN, or infinite */
	if ((header & 0xC000) == 0x8000)
		weight = (header & 0x0040) ? (int16) (header & 0x003F) - 0x40 : header & 0x003F;
	else
		memcpy(&weight, VARDATA_ANY(stored) + sizeof(header), sizeof(weight));
	return weight < digits / 4;
}
