/*
 * call.c: what applications ask for a customer: redeem, grant, adjust, reverse, hold, capture,
 * release.
 *
 * Each call has a reference.  If it was used for this customer already, for the same,
 * nothing is done and the answer is what it was then; if for something else, that is an
 * error.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
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
#include "call.h"
#include "compat.h"
#include "number.h"

/* Longer references are no names. */
#define REFERENCE_LIMIT 255

static int
sign_of(Datum number)
{
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, number, number_zero())))
		return 0;
	return DatumGetBool(DirectFunctionCall2(numeric_lt, number, number_zero())) ? -1 : 1;
}

/*
 * The reference of a call, or a new one that nobody else will use.
 */
text *
call_reference_argument(FunctionCallInfo fcinfo, int argument)
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
				 errdetail("It has %d.", length),
				 errhint("Give the number of a cart or payment, or null for one that is made.")));
	return reference;
}

/* The points that are asked for: more than zero, or of either sign. */
static Datum
points_argument(FunctionCallInfo fcinfo, int argument, bool either_sign)
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
	if (either_sign ? sign_of(points) == 0 : sign_of(points) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 either_sign ? errmsg("points must not be zero") : errmsg("points must be more than zero"),
				 either_sign ? 0 : errdetail("They are %s.", number_show(points))));
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
				 scale == 0 ? errmsg("points of this program have no decimals") :
				 errmsg("points of this program have at most %d decimals", scale),
				 errdetail("They are %s.", number_show(points)),
				 errhint("Round them, or let the owner of the program set points_scale in its table \"program\".")));
	/* shown with as many decimals as the program has */
	return DirectFunctionCall2(numeric_round, points, Int32GetDatum(scale));
}

/*
 * A reason that is said; NULL: none is.
 */
text *
call_reason_argument(FunctionCallInfo fcinfo, int argument, bool is_required)
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
 * The reference of a call is that of another one, which is found.  differing: what is to be said
 * of its arguments, or "".
 */
void
call_refuse_reference(const Call *found, const char *differing)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_REFERENCE_IN_USE),
			 errmsg("reference \"%s\" names another call already", text_to_cstring(found->reference)),
			 found->reverses == NULL ?
			 errdetail("It is that of entry " INT64_FORMAT ", which is of the kind %s and changed the points by %s.%s",
					   found->entry, found->kind, number_show(found->points), differing) :
			 errdetail("It is that of entry " INT64_FORMAT ", which reverses \"%s\" and changed the points by %s.%s",
					   found->entry, text_to_cstring(found->reverses), number_show(found->points), differing),
			 errhint("Repeat a call with the arguments that it had, and give each new one a reference of its own.")));
}

/* The order that points pay for, from an argument and the next one. */
static void
pays_arguments(FunctionCallInfo fcinfo, int argument, Call *call)
{
	if (PG_ARGISNULL(argument) || PG_ARGISNULL(argument + 1))
		return;
	call->pays_for = PG_GETARG_TEXT_P_COPY(argument);
	call->pays_table = PG_GETARG_INT32(argument + 1);
}

/* Are two texts the same, of which each may be NULL? */
static bool
is_same_text(text *a, text *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return DatumGetBool(DirectFunctionCall2Coll(texteq, DEFAULT_COLLATION_OID, PointerGetDatum(a), PointerGetDatum(b)));
}

/* Add to a list that an argument differs, and what it was then. */
static void
add_differing(StringInfo list, const char *argument, const char *then)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : " Other arguments than those of then: ", argument);
	if (then != NULL)
		appendStringInfo(list, " (%s)", then);
}

/* Add the order that a call paid for, if another one names another order. */
static void
add_differing_order(StringInfo list, const Call *found, const Call *call)
{
	if (!is_same_text(found->pays_for, call->pays_for))
		add_differing(list, "pays_for", found->pays_for == NULL ? "none" : psprintf("\"%s\"", text_to_cstring(found->pays_for)));
	if (found->pays_for != NULL && call->pays_for != NULL && found->pays_table != call->pays_table)
		add_differing(list, "tracked", psprintf("number %d", found->pays_table));
}

/* Did a transfer give so many points to the customer who is to give them now? */
static bool
is_opposite(const Call *found, const Call *call)
{
	return strcmp(call->kind, TRANSFER) == 0 && call->points != (Datum) 0 &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, DirectFunctionCall1(numeric_uminus, found->points), call->points));
}

/*
 * The arguments in which a call that is repeated differs from the one that was found of its
 * reference, and of the same kind, as the end of a detail; "" if there are none.  Points that are
 * not known yet are not compared, nor then the wallets.
 */
static char *
differing_arguments(Authorization *auth, const Call *found, const Call *call)
{
	StringInfoData list;

	initStringInfo(&list);
	if (call->has_counterpart &&
		(!found->has_counterpart || posting_compare_customers(&auth->posting, found->counterpart, call->counterpart) != 0))
		add_differing(&list, strcmp(call->kind, TRANSFER) == 0 ? "recipient" : "customer", NULL);
	if (call->reverses != NULL && !is_same_text(found->reverses, call->reverses))
		add_differing(&list, "reverses", NULL);
	if (is_opposite(found, call))
		add_differing(&list, "customer and recipient, the other way round", NULL);
	else if (call->points != (Datum) 0 && !DatumGetBool(DirectFunctionCall2(numeric_eq, found->points, call->points)))
		add_differing(&list, "points", NULL);
	if (found->until != call->until)
		add_differing(&list, "until", timestamptz_to_str(found->until));
	if (call->points != (Datum) 0 && !authorize_fits_wallet(auth, found))
		add_differing(&list, "wallet", NULL);
	add_differing_order(&list, found, call);
	if (list.len > 0)
		appendStringInfoChar(&list, '.');
	return list.data;
}

/*
 * Was the call made already?  Then its entry is put into "call"; of one that asks for
 * something else, that is an error, which names all arguments that differ.  Who
 * was merged into another one, and this one, know each other's references: nobody is to
 * spend twice for another key.
 */
bool
call_is_repeated(Authorization *auth, Call *call)
{
	Call		found;
	char	   *differing;

	if (!authorize_find_anywhere(auth, call->reference, 1, &found))
		return false;
	if (strcmp(found.kind, call->kind) != 0)
		call_refuse_reference(&found, "");
	differing = differing_arguments(auth, &found, call);
	if (differing[0] != '\0')
		call_refuse_reference(&found, differing);
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
 * Make a call, unless it was made already, and answer; its points are known, and the purse
 * has them already.
 */
Datum
call_finish(FunctionCallInfo fcinfo, Authorization *auth, Call *call, MemoryContext context)
{
	Datum		balance;
	Datum		result;

	if (call->entry != 0)
		balance = authorize_balance(auth, call);
	else
	{
		if (call->revision == 0)
		{
			call->revision = 1;
			call->net = call->points;
		}
		authorize_require_room(auth, call->points);
		authorize_write(auth, call);
		balance = authorize_available(auth);
	}
	result = make_receipt(fcinfo, auth, call, balance, context);
	authorize_end(auth);
	return result;
}

/*
 * A call (program, customer, points, reference, reason, wallet) that changes the points as it
 * says: takes them (sign -1), gives them (1), or does what their own sign says (0).
 */
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
	call.reference = call_reference_argument(fcinfo, 3);
	call.reason = call_reason_argument(fcinfo, 4, needs_reason);
	authorize_name_wallet(&auth, fcinfo, 5, sign < 0);
	if (strcmp(kind, REDEMPTION) == 0)
		pays_arguments(fcinfo, 6, &call);
	if (!call_is_repeated(&auth, &call))
	{
		call.points = points_as_counted(asked, auth.points_scale);
		if (sign < 0)
			call.points = DirectFunctionCall1(numeric_uminus, call.points);
		if (sign_of(call.points) < 0)
			authorize_take(&auth, DirectFunctionCall1(numeric_abs, call.points));
		else
			authorize_credit(&auth, call.points, auth.at);
	}
	return call_finish(fcinfo, &auth, &call, context);
}

PG_FUNCTION_INFO_V1(loyalty_redeem);

/*
 * redeem(program regclass, customer anyelement, points numeric, reference text, reason text,
 * wallet text, pays_for text, pays_table int) returns receipt
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
 * grant_points(program regclass, customer anyelement, points numeric, reference text, reason text,
 * wallet text) returns receipt
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
 * adjust(program regclass, customer anyelement, points numeric, reference text, reason text,
 * wallet text) returns receipt
 *
 * Changes the points by a number of either sign, for a reason.
 */
Datum
loyalty_adjust(PG_FUNCTION_ARGS)
{
	return simple_call(fcinfo, "adjust", ADJUSTMENT, 0, true);
}

/* There is no such call to reverse; but who took the key of an order for one is told. */
static void
unknown_call(Authorization *auth, text *reference)
{
	char	   *table = authorize_table_of_order(auth, reference);

	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_UNKNOWN_REFERENCE),
			 errmsg("the customer has no call with the reference \"%s\"", text_to_cstring(reference)),
			 table != NULL ? errdetail("It is the key of an order in table \"%s\".", table) : 0,
			 table != NULL ?
			 errhint("An order is corrected in its table: its points follow. What is not of an order is corrected with the function adjust.") :
			 errhint("The view %s.entries has the references of the calls in the column order_key.",
					 quote_identifier(auth->program))));
}

/*
 * What is left of a call, which may be taken back.  If it is a transfer that was made since
 * its other customer was looked for, this one is known now.
 */
static LotList *
reversible_lots(Authorization *auth, Call *call)
{
	text	   *reference = call->reverses;
	Call		first;
	Call		original;

	if (!authorize_find_anywhere(auth, reference, 1, &first) ||
		!authorize_find_newest(auth, NO_TRACKED_TABLE, reference, &original))
		unknown_call(auth, reference);
	if (strcmp(original.kind, REVERSAL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a reversal cannot be reversed"),
				 errdetail("\"%s\" reverses \"%s\".", text_to_cstring(reference), text_to_cstring(original.reverses)),
				 errhint("Make the call anew, with a new reference.")));
	if (strcmp(original.kind, MERGE) == 0 || strcmp(original.kind, MERGED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a merge cannot be reversed"),
				 errdetail("\"%s\" made one customer of two, who have one account since.", text_to_cstring(reference)),
				 errhint("Correct the points, with the function adjust.")));
	if (strcmp(original.kind, HOLD) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a hold cannot be reversed while it is open"),
				 errdetail("\"%s\" holds %s points.", text_to_cstring(reference),
						   number_show(DirectFunctionCall1(numeric_uminus, original.points))),
				 errhint("Release it, with the function release.")));
	call->terms = first.terms;
	call->has_counterpart = original.has_counterpart;
	call->counterpart = original.counterpart;
	return authorize_left(auth, reference);
}

/*
 * As many points of a call are taken back as were said, or all that is left: the lots; more
 * than zero in any case.
 */
static Datum
points_to_reverse(FunctionCallInfo fcinfo, Authorization *auth, text *reference, LotList *lots)
{
	Datum		left = authorize_as_shown(auth, DirectFunctionCall1(numeric_abs, lots_total(lots)));
	Datum		points;
	Call		newest;

	if (sign_of(left) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_ALREADY_REVERSED),
				 errmsg("\"%s\" is reversed already", text_to_cstring(reference)),
				 authorize_find_newest(auth, NO_TRACKED_TABLE, reference, &newest) && strcmp(newest.kind, RELEASE) == 0 ?
				 errdetail("It was a hold, which entry " INT64_FORMAT " released: all of its points are back.", newest.entry) :
				 errdetail("All of its points were taken back.")));
	if (PG_ARGISNULL(3))
		return left;
	points = points_as_counted(points_argument(fcinfo, 3, false), auth->points_scale);
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, points, left)))
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_ALREADY_REVERSED),
				 errmsg("\"%s\" has fewer points left to reverse", text_to_cstring(reference)),
				 errdetail("%s are left, and %s are asked for.", number_show(left), number_show(points))));
	return points;
}

/* What was transferred comes back from the other customer, who must have it: these lots, if they are there. */
static void
take_from_recipient(FunctionCallInfo fcinfo, Authorization *auth, Call *call, const LotList *lots, Datum points)
{
	Authorization recipient;
	Call		mirrored = *call;
	Call		found;

	authorize_open(&recipient, PG_GETARG_OID(0), call->counterpart, auth->posting.key_type);
	if (posting_compare_customers(&auth->posting, auth->customer, recipient.customer) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" cannot be reversed: both customers are one since", text_to_cstring(call->reverses)),
				 errdetail("One of them was merged into the other, who has all points.")));
	if (authorize_find(&recipient, call->reference, 1, &found))
		call_refuse_reference(&found, "");
	authorize_reclaim(&recipient, lots, points);
	mirrored.counterpart = auth->recorded_for;
	mirrored.points = mirrored.net = DirectFunctionCall1(numeric_uminus, points);
	mirrored.revision = 1;
	authorize_write(&recipient, &mirrored);
	authorize_end(&recipient);
}

/*
 * Take back what is left of a call, or as many points of it as were said, in the purse.
 */
static void
take_back(FunctionCallInfo fcinfo, Authorization *auth, Call *call)
{
	LotList    *lots = reversible_lots(auth, call);
	bool		was_given = sign_of(lots_total(lots)) > 0;
	Datum		points = points_to_reverse(fcinfo, auth, call->reverses, lots);

	if (was_given && call->has_counterpart)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a transfer is reversed for the customer who gave the points"),
				 errdetail("\"%s\" gave %s points to this customer.", text_to_cstring(call->reverses), number_show(points))));
	if (was_given)
		authorize_reclaim(auth, lots, points);
	else
		lots = authorize_give_back(auth, lots, call->terms, points);
	if (call->has_counterpart)
		take_from_recipient(fcinfo, auth, call, lots, points);
	call->points = was_given ? DirectFunctionCall1(numeric_uminus, points) : points;
}

PG_FUNCTION_INFO_V1(loyalty_reverse);

/*
 * reverse(program regclass, customer anyelement, reverses text, points numeric, reference text,
 * reason text) returns receipt
 *
 * Takes back a redemption, grant, adjustment or transfer, named by its reference: all that is
 * left of it, or so many points of it.
 */
Datum
loyalty_reverse(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Authorization auth;
	Call		call = {.kind = REVERSAL};
	Call		original;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the reference of what is to be reversed must not be null")));
	authorize_enter(&auth, fcinfo, "reverse");
	call.reverses = call_reference_argument(fcinfo, 2);
	call.reference = call_reference_argument(fcinfo, 4);
	call.reason = call_reason_argument(fcinfo, 5, false);
	call.has_counterpart = authorize_counterpart(&auth, PG_GETARG_DATUM(1), type, call.reverses, &call.counterpart);
	if (call.has_counterpart)
		authorize_lock_two(&auth, PG_GETARG_DATUM(1), call.counterpart, type, auth.posting.key_type);
	authorize_settle(&auth, PG_GETARG_DATUM(1), type, call.has_counterpart);
	/* whatever it reverses, it is recorded for the same customer */
	(void) authorize_find_anywhere(&auth, call.reverses, 1, &original);
	if (!call_is_repeated(&auth, &call))
		take_back(fcinfo, &auth, &call);
	else if (!PG_ARGISNULL(3) &&
			 !DatumGetBool(DirectFunctionCall2(numeric_eq, PG_GETARG_DATUM(3),
											   DirectFunctionCall1(numeric_abs, call.points))))
		call_refuse_reference(&call, " Other arguments than those of then: points.");
	return call_finish(fcinfo, &auth, &call, context);
}

PG_FUNCTION_INFO_V1(loyalty_transfer);

/*
 * transfer(program regclass, customer anyelement, recipient anyelement, points numeric,
 * reference text, reason text, wallet text) returns receipt
 *
 * Gives points of a customer to another one, if there are enough, with the dates that they
 * have.  Both have an entry of this reference.
 */
Datum
loyalty_transfer(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	MemoryContext own;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Authorization auth;
	Authorization recipient;
	Call		call = {.kind = TRANSFER,.has_counterpart = true};
	Call		mirrored;
	Call		found;
	LotList    *taken;
	Datum		asked;

	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the recipient must not be null")));
	authorize_enter(&auth, fcinfo, "transfer");
	asked = points_argument(fcinfo, 3, false);
	call.reference = call_reference_argument(fcinfo, 4);
	call.reason = call_reason_argument(fcinfo, 5, false);
	authorize_lock_two(&auth, PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), type, type);
	authorize_settle(&auth, PG_GETARG_DATUM(1), type, true);
	authorize_name_wallet(&auth, fcinfo, 6, true);
	/* what is made from here on outlives the work on the account of the recipient */
	own = CurrentMemoryContext;
	authorize_open(&recipient, PG_GETARG_OID(0), PG_GETARG_DATUM(2), type);
	MemoryContextSwitchTo(own);
	call.counterpart = posting_copy_customer(&auth.posting, recipient.recorded_for);
	call.points = DirectFunctionCall1(numeric_uminus, asked);
	/* what is repeated may be of a time when both were not one yet */
	if (!call_is_repeated(&auth, &call))
	{
		if (posting_compare_customers(&auth.posting, auth.customer, recipient.customer) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a customer cannot transfer points to himself")));
		if (authorize_find(&recipient, call.reference, 1, &found))
			call_refuse_reference(&found, "");
		asked = points_as_counted(asked, auth.points_scale);
		call.points = DirectFunctionCall1(numeric_uminus, asked);
		taken = authorize_take(&auth, asked);
		mirrored = call;
		mirrored.counterpart = auth.recorded_for;
		mirrored.points = mirrored.net = asked;
		mirrored.revision = 1;
		authorize_require_room(&recipient, asked);
		(void) purse_give_back(recipient.purse, taken, purse_points(asked));
		authorize_write(&recipient, &mirrored);
	}
	authorize_end(&recipient);
	return call_finish(fcinfo, &auth, &call, context);
}

PG_FUNCTION_INFO_V1(loyalty_hold);

/*
 * hold(program regclass, customer anyelement, points numeric, reference text,
 * until timestamptz, reason text, wallet text) returns receipt
 *
 * Keeps points for a purpose, if there are enough, until they are captured or released, or
 * that moment comes.
 */
Datum
loyalty_hold(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Authorization auth;
	Call		call = {.kind = HOLD};
	Datum		asked;

	authorize_begin(&auth, fcinfo, "hold");
	asked = points_argument(fcinfo, 2, false);
	call.points = DirectFunctionCall1(numeric_uminus, asked);
	call.reference = call_reference_argument(fcinfo, 3);
	call.until = PG_ARGISNULL(4) ? DT_NOEND : PG_GETARG_TIMESTAMPTZ(4);
	call.reason = call_reason_argument(fcinfo, 5, false);
	authorize_name_wallet(&auth, fcinfo, 6, true);
	if (!call_is_repeated(&auth, &call))
	{
		call.held = points_as_counted(asked, auth.points_scale);
		call.points = DirectFunctionCall1(numeric_uminus, call.held);
		if (call.until <= GetCurrentTransactionStartTimestamp())
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a hold must end in the future"),
					 errdetail("It would end at %s.", timestamptz_to_str(call.until))));
		authorize_take(&auth, call.held);
	}
	return call_finish(fcinfo, &auth, &call, context);
}

/* The hold that a call is to end; an error if there is none. */
static void
find_hold(Authorization *auth, text *reference, Call *found)
{
	if (authorize_find_anywhere(auth, reference, 1, found) && strcmp(found->kind, HOLD) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_UNKNOWN_REFERENCE),
			 errmsg("the customer has no hold with the reference \"%s\"", text_to_cstring(reference)),
			 errhint("The table %s.held has the open holds.", quote_identifier(auth->program))));
}

/*
 * Was the hold ended already?  If so, and as it is to be ended now, "call" becomes what
 * did; as anything else, that is an error.  Points: as many are captured, or NULL.
 */
static void
find_ended(Authorization *auth, Call *call, Datum points)
{
	Call		ended;
	StringInfoData differing;

	if (!authorize_find(auth, call->reference, 2, &ended))
		return;
	initStringInfo(&differing);
	if (points != (Datum) 0 && !DatumGetBool(DirectFunctionCall2(numeric_eq, points, DirectFunctionCall1(numeric_uminus, ended.net))))
		add_differing(&differing, "points", NULL);
	add_differing_order(&differing, &ended, call);
	if (strcmp(ended.kind, call->kind) != 0 || differing.len > 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOYALTY_HOLD_CLOSED),
				 errmsg("the hold \"%s\" is closed", text_to_cstring(call->reference)),
				 strcmp(ended.kind, CAPTURE) == 0 ?
				 errdetail("%s points were captured at %s.%s%s", number_show(DirectFunctionCall1(numeric_uminus, ended.net)),
						   timestamptz_to_str(ended.at), strcmp(call->kind, CAPTURE) == 0 ? differing.data : "",
						   strcmp(call->kind, CAPTURE) == 0 ? "." : "") :
				 errdetail("It was released or timed out at %s.", timestamptz_to_str(ended.at))));
	*call = ended;
}

/* End a hold, whose reference is the argument; points: so many of them are captured; NULL: all. */
static Datum
end_hold(FunctionCallInfo fcinfo, Authorization *auth, const char *kind, Datum points, int reason,
		 MemoryContext context)
{
	bool		captures = strcmp(kind, CAPTURE) == 0;
	Call		call = {.kind = kind,.revision = 2};
	Call		found;
	Datum		held;

	call.reference = call_reference_argument(fcinfo, 2);
	call.reason = call_reason_argument(fcinfo, reason, false);
	if (captures)
		pays_arguments(fcinfo, 5, &call);
	find_hold(auth, call.reference, &found);
	held = DirectFunctionCall1(numeric_uminus, found.points);
	if (captures && points == (Datum) 0)
		points = held;
	find_ended(auth, &call, points);
	if (call.entry == 0)
	{
		if (captures && DatumGetBool(DirectFunctionCall2(numeric_gt, points, held)))
			ereport(ERROR,
					(errcode(ERRCODE_LOYALTY_INSUFFICIENT_POINTS),
					 errmsg("not enough points are held"),
					 errdetail("The hold \"%s\" has %s, and %s are asked for.", text_to_cstring(call.reference),
							   number_show(held), number_show(points))));
		if (captures && DatumGetBool(DirectFunctionCall2(numeric_ne, points, held)))
			points = points_as_counted(points, auth->points_scale);
		call.net = captures ? DirectFunctionCall1(numeric_uminus, points) : number_zero();
		call.points = DirectFunctionCall2(numeric_add, held, call.net);
		call.held = found.points;
		(void) authorize_give_back(auth, purse_change(found.points, found.lots), found.terms, call.points);
	}
	return call_finish(fcinfo, auth, &call, context);
}

static void
require_reference(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the reference of the hold must not be null")));
}

PG_FUNCTION_INFO_V1(loyalty_capture);

/*
 * capture(program regclass, customer anyelement, reference text, points numeric, reason text,
 * pays_for text, pays_table int) returns receipt
 *
 * Spends what a hold keeps, all of it or so many points; the rest is released.
 */
Datum
loyalty_capture(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Authorization auth;
	Datum		points;

	require_reference(fcinfo);
	authorize_begin(&auth, fcinfo, "capture");
	points = PG_ARGISNULL(3) ? (Datum) 0 : points_argument(fcinfo, 3, false);
	return end_hold(fcinfo, &auth, CAPTURE, points, 4, context);
}

PG_FUNCTION_INFO_V1(loyalty_release);

/*
 * release(program regclass, customer anyelement, reference text, reason text) returns receipt
 *
 * Ends a hold without spending it.
 */
Datum
loyalty_release(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	Authorization auth;

	require_reference(fcinfo);
	authorize_begin(&auth, fcinfo, "release");
	return end_hold(fcinfo, &auth, RELEASE, (Datum) 0, 3, context);
}
