/*
 * call.c: what applications ask for a customer: redeem, grant, adjust, reverse.
 *
 * Each call has a reference.  If it was used for this customer already, for the same,
 * nothing is done and the answer is what it was then; if for something else, that is an
 * error.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "authorize.h"
#include "compat.h"
#include "number.h"

#define REDEMPTION "redemption"
#define GRANT "grant"
#define ADJUSTMENT "adjustment"
#define REVERSAL "reversal"

/* Longer references are no names. */
#define REFERENCE_LIMIT 255

static int
sign_of(Datum number)
{
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, number, number_zero())))
		return 0;
	return DatumGetBool(DirectFunctionCall2(numeric_lt, number, number_zero())) ? -1 : 1;
}

/* The reference of a call, or a new one that nobody else will use. */
static text *
reference_argument(FunctionCallInfo fcinfo, int argument)
{
	text	   *reference;
	int			length;

	if (PG_ARGISNULL(argument))
		return cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, DirectFunctionCall1(gen_random_uuid, (Datum) 0))));
	reference = PG_GETARG_TEXT_P_COPY(argument);
	length = VARSIZE_ANY_EXHDR(reference);
	if (length == 0 || length > REFERENCE_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("reference must have between 1 and %d bytes", REFERENCE_LIMIT),
				 errdetail("It has %d.", length)));
	return reference;
}

/* The points that are asked for. */
static Datum
points_argument(FunctionCallInfo fcinfo, int argument, bool signs)
{
	Datum		points;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("points must not be null")));
	points = PG_GETARG_DATUM(argument);
	if (!number_is_below(points, 20))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points must be finite, and have at most 20 digits before the point"),
				 errdetail("They are %s.", number_show(points))));
	if (signs ? sign_of(points) == 0 : sign_of(points) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 signs ? errmsg("points must not be zero") : errmsg("points must be more than zero"),
				 signs ? 0 : errdetail("They are %s.", number_show(points))));
	return points;
}

/*
 * The points of a new call as the program counts them.  A call that is repeated may be of
 * a time when it had more decimals.
 */
static Datum
points_as_counted(Datum points, int scale)
{
	if (DatumGetBool(DirectFunctionCall2(numeric_ne, points,
										 DirectFunctionCall2(numeric_trunc, points, Int32GetDatum(scale)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("points of this program have at most %d decimals", scale),
				 errdetail("They are %s.", number_show(points)),
				 errhint("Round them, or set points_scale in the table \"program\".")));
	/* shown with as many decimals as the program has */
	return DirectFunctionCall2(numeric_round, points, Int32GetDatum(scale));
}

/* A reason that is said; NULL: none is. */
static text *
reason_argument(FunctionCallInfo fcinfo, int argument, bool is_required)
{
	text	   *reason = PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_P_COPY(argument);

	if (is_required && (reason == NULL ||
						strspn(text_to_cstring(reason), " \t\r\n") == VARSIZE_ANY_EXHDR(reason)))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a reason must be given"),
				 errhint("Say why, for whoever reads the entry later.")));
	return reason;
}

/*
 * Was the call made already?  Then its entry is put into "call"; of one that asks for
 * something else, that is an error.  Points that are null are not compared.
 */
static bool
is_repeated(Authorization *auth, Call *call)
{
	Call		found;

	if (!authorize_find(auth, call->reference, &found))
		return false;
	if (strcmp(found.kind, call->kind) != 0 ||
		(call->points != (Datum) 0 &&
		 !DatumGetBool(DirectFunctionCall2(numeric_eq, found.points, call->points))) ||
		(call->reverses != NULL &&
		 !DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID, PointerGetDatum(found.reverses),
											   PointerGetDatum(call->reverses)))))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_REFERENCE_IN_USE),
				 errmsg("reference \"%s\" names another call already", text_to_cstring(call->reference)),
				 errdetail("It is a %s of %s points.", found.kind, number_show(found.points)),
				 errhint("Repeat a call with the arguments that it had, and give each new one a reference of its own.")));
	*call = found;
	return true;
}

/* The answer, of the type "receipt", in the memory of the caller. */
static Datum
make_receipt(FunctionCallInfo fcinfo, Authorization *auth, const Call *call, Datum balance, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	TupleDesc	desc;
	Datum		values[5];
	bool		nulls[5] = {false};
	Datum		result;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "a call must return a composite type");
	Assert(desc->natts == lengthof(values));
	values[0] = PointerGetDatum(call->reference);
	values[1] = Int64GetDatum(call->entry);
	values[2] = call->points;
	values[3] = balance;
	values[4] = TimestampTzGetDatum(call->at);
	result = HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Make a call, unless it was made already, and answer; its points are known, and whether
 * there are enough of them is looked at here.
 */
static Datum
finish_call(FunctionCallInfo fcinfo, Authorization *auth, Call *call, MemoryContext context)
{
	Datum		balance;
	Datum		result;

	if (call->entry != 0)
		balance = authorize_balance(auth, call);
	else
	{
		authorize_require_points(auth, call->points);
		authorize_write(auth, call);
		balance = auth->points;
	}
	result = make_receipt(fcinfo, auth, call, balance, context);
	authorize_end(auth);
	return result;
}

/* A call (program, customer, points, reason, reference) that changes the points as it says. */
static Datum
simple_call(FunctionCallInfo fcinfo, const char *function, const char *kind, int sign, bool needs_reason)
{
	MemoryContext context = CurrentMemoryContext;
	Authorization auth;
	Call		call = {.kind = kind};
	Datum		asked;

	authorize_begin(&auth, fcinfo, function);
	asked = points_argument(fcinfo, 2, sign == 0);
	call.points = sign < 0 ? DirectFunctionCall1(numeric_uminus, asked) : asked;
	call.reason = reason_argument(fcinfo, 3, needs_reason);
	call.reference = reference_argument(fcinfo, 4);
	if (!is_repeated(&auth, &call))
	{
		call.points = points_as_counted(asked, auth.points_scale);
		if (sign < 0)
			call.points = DirectFunctionCall1(numeric_uminus, call.points);
	}
	return finish_call(fcinfo, &auth, &call, context);
}

PG_FUNCTION_INFO_V1(loyalty_redeem);

/*
 * redeem(program regclass, customer anyelement, points numeric, reason text, reference text)
 * returns receipt
 *
 * Takes points off the account, if there are enough.
 */
Datum
loyalty_redeem(PG_FUNCTION_ARGS)
{
	return simple_call(fcinfo, "redeem", REDEMPTION, -1, false);
}

PG_FUNCTION_INFO_V1(loyalty_grant_points);

/*
 * grant_points(program regclass, customer anyelement, points numeric, reason text, reference text)
 * returns receipt
 *
 * Gives points that no order earns.
 */
Datum
loyalty_grant_points(PG_FUNCTION_ARGS)
{
	return simple_call(fcinfo, "grant_points", GRANT, 1, false);
}

PG_FUNCTION_INFO_V1(loyalty_adjust);

/*
 * adjust(program regclass, customer anyelement, points numeric, reason text, reference text)
 * returns receipt
 *
 * Changes the points by a number of either sign, for a reason.
 */
Datum
loyalty_adjust(PG_FUNCTION_ARGS)
{
	return simple_call(fcinfo, "adjust", ADJUSTMENT, 0, true);
}

/* What is left of a call, which may be taken back: its points without those taken back. */
static Datum
reversible_points(Authorization *auth, text *reference)
{
	Call		original;

	if (!authorize_find(auth, reference, &original))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_UNKNOWN_REFERENCE),
				 errmsg("the customer has no call with the reference \"%s\"", text_to_cstring(reference)),
				 errhint("The view %s.entries has the references of the calls in the column order_key.",
						 quote_identifier(auth->program))));
	if (strcmp(original.kind, REVERSAL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reversal cannot be reversed"),
				 errdetail("\"%s\" reverses \"%s\".", text_to_cstring(reference), text_to_cstring(original.reverses)),
				 errhint("Make the call anew, with a new reference.")));
	return DirectFunctionCall2(numeric_add, original.points, authorize_reversed(auth, reference));
}

/* By how much a reversal changes the points: all that is left, or as much as was said. */
static Datum
points_to_reverse(FunctionCallInfo fcinfo, Authorization *auth, text *reference)
{
	Datum		left = reversible_points(auth, reference);
	Datum		points;

	if (sign_of(left) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_ALREADY_REVERSED),
				 errmsg("\"%s\" is reversed already", text_to_cstring(reference))));
	if (PG_ARGISNULL(3))
		return DirectFunctionCall1(numeric_uminus, left);
	points = points_as_counted(points_argument(fcinfo, 3, false), auth->points_scale);
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, points, DirectFunctionCall1(numeric_abs, left))))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_ALREADY_REVERSED),
				 errmsg("\"%s\" has fewer points left to reverse", text_to_cstring(reference)),
				 errdetail("%s are left, and %s are asked for.",
						   number_show(DirectFunctionCall1(numeric_abs, left)), number_show(points))));
	return sign_of(left) > 0 ? DirectFunctionCall1(numeric_uminus, points) : points;
}

PG_FUNCTION_INFO_V1(loyalty_reverse);

/*
 * reverse(program regclass, customer anyelement, reverses text, points numeric, reason text,
 * reference text) returns receipt
 *
 * Takes back a redemption, grant or adjustment, named by its reference: all that is left
 * of it, or so many points of it.
 */
Datum
loyalty_reverse(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Authorization auth;
	Call		call = {.kind = REVERSAL};

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the reference of what is to be reversed must not be null")));
	authorize_begin(&auth, fcinfo, "reverse");
	call.reverses = PG_GETARG_TEXT_P_COPY(2);
	call.reason = reason_argument(fcinfo, 4, false);
	call.reference = reference_argument(fcinfo, 5);
	if (!is_repeated(&auth, &call))
		call.points = points_to_reverse(fcinfo, &auth, call.reverses);
	else if (!PG_ARGISNULL(3) &&
			 !DatumGetBool(DirectFunctionCall2(numeric_eq, PG_GETARG_DATUM(3),
											   DirectFunctionCall1(numeric_abs, call.points))))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_REFERENCE_IN_USE),
				 errmsg("reference \"%s\" names another call already", text_to_cstring(call.reference)),
				 errdetail("It is a reversal of %s points.", number_show(call.points)),
				 errhint("Repeat a call with the arguments that it had, and give each new one a reference of its own.")));
	return finish_call(fcinfo, &auth, &call, context);
}
