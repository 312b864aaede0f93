/*
 * number.c: values that are made once and live as long as the session.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

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
