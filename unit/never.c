/*
 * never.c: what the sources that are tested name of the server, and never call here.
 */
#include <stdlib.h>

#define NEVER(name) void name(void); void name(void) { abort(); }

NEVER(BlessTupleDesc)
NEVER(HeapTupleHeaderGetDatum)
NEVER(array_contains_nulls)
NEVER(get_call_result_type)
NEVER(heap_form_tuple)
NEVER(lots_check_wallet)
NEVER(lots_moment_argument)
NEVER(numeric_in)
NEVER(numeric_out)
