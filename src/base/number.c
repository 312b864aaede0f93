/*
 * number.c: values that are made once and live as long as the session.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "number.h"

static Datum zero;
static Datum one;
static Datum empty;

/* Make all three, in memory that is never freed. */
static void
init_constants(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	zero = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	one = DirectFunctionCall1(int4_numeric, Int32GetDatum(1));
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
 * The empty text.
 */
Datum
text_empty(void)
{
	if (empty == (Datum) 0)
		init_constants();
	return empty;
}
