/*
 * value.c: comparison and hash of all types of values that there is one way to write.
 *
 * Values are equal if and only if their bytes are, and they are ordered by their bytes:
 * an order that says nothing, for DISTINCT, indexes and joins.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"

#include "compat.h"

PG_FUNCTION_INFO_V1(loyalty_value_eq);
PG_FUNCTION_INFO_V1(loyalty_value_ne);
PG_FUNCTION_INFO_V1(loyalty_value_lt);
PG_FUNCTION_INFO_V1(loyalty_value_le);
PG_FUNCTION_INFO_V1(loyalty_value_gt);
PG_FUNCTION_INFO_V1(loyalty_value_ge);
PG_FUNCTION_INFO_V1(loyalty_value_cmp);
PG_FUNCTION_INFO_V1(loyalty_value_hash);
PG_FUNCTION_INFO_V1(loyalty_value_hash_extended);

/* Compare the two arguments of a function. */
static int
compare_values(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	Size		a_size = VARSIZE_ANY_EXHDR(a);
	Size		b_size = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_size, b_size));

	if (order == 0)
		order = (a_size > b_size) - (a_size < b_size);
	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order < 0 ? -1 : order > 0;
}

Datum
loyalty_value_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) == 0);
}

Datum
loyalty_value_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) != 0);
}

Datum
loyalty_value_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) < 0);
}

Datum
loyalty_value_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) <= 0);
}

Datum
loyalty_value_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) > 0);
}

Datum
loyalty_value_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) >= 0);
}

Datum
loyalty_value_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_values(fcinfo));
}

Datum
loyalty_value_hash(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	uint32		hash = hash_bytes((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_UINT32(hash);
}

Datum
loyalty_value_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	uint64		hash = hash_bytes_extended((unsigned char *) VARDATA_ANY(value),
										   VARSIZE_ANY_EXHDR(value), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(value, 0);
	PG_RETURN_INT64((int64) hash);
}
