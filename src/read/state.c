/*
 * state.c: what the entries of a customer that are not posted make of the account.
 *
 * An aggregate over rows of the journal, in whatever order they come.  Whoever reads a
 * member joins it to the account, and so sees what posting would write.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "fold.h"
#include "number.h"
#include "terms.h"

typedef struct State
{
	MemoryContext context;
	Oid			program;		/* its table "program" */
	PostedAccount account;
	RecordedEntry **entries;
	int			count;
	int			size;
	bool		has_reader;
	pg_uuid_t	reader;			/* see terms_check_reader() */
} State;

enum StateArgument
{
	ARG_STATE,
	ARG_PROGRAM,
	ARG_CUSTOMER,
	ARG_SPEND,
	ARG_ORDERS,
	ARG_POINTS_EARNED,
	ARG_FIRST,
	ARG_LAST,
	ARG_TRACKED_TABLE,
	ARG_ORDER_KEY,
	ARG_REVISION,
	ARG_AT,
	ARG_RECORDED_AT,
	ARG_TERMS,
	ARG_COUNTS,
	ARG_AMOUNT,
	ARG_AWARDS,
	ARG_JOINED,
	ARG_MULTIPLIER,
	ARG_TIER,
	ARG_READER
};

/* The account of the first row, in the memory of the state. */
static State *
begin_state(FunctionCallInfo fcinfo, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	State	   *state = palloc0(sizeof(State));
	PostedAccount *account = &state->account;

	state->context = context;
	state->program = PG_GETARG_OID(ARG_PROGRAM);
	account->customer_type = get_fn_expr_argtype(fcinfo->flinfo, ARG_CUSTOMER);
	if (!OidIsValid(account->customer_type))
		elog(ERROR, "could not determine the type of a customer");
	account->customer = get_typlen(account->customer_type) == -1 ?
		PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(ARG_CUSTOMER))) :
		datumCopy(PG_GETARG_DATUM(ARG_CUSTOMER), get_typbyval(account->customer_type),
				  get_typlen(account->customer_type));
	account->spend = PG_ARGISNULL(ARG_SPEND) ? number_zero() :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(ARG_SPEND)));
	account->orders = PG_ARGISNULL(ARG_ORDERS) ? 0 : PG_GETARG_INT64(ARG_ORDERS);
	account->points_earned = PG_ARGISNULL(ARG_POINTS_EARNED) ? number_zero() :
		PointerGetDatum(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(ARG_POINTS_EARNED)));
	account->bounds.any = !PG_ARGISNULL(ARG_FIRST) && !PG_ARGISNULL(ARG_LAST);
	if (account->bounds.any)
	{
		account->bounds.first = PG_GETARG_TIMESTAMPTZ(ARG_FIRST);
		account->bounds.last = PG_GETARG_TIMESTAMPTZ(ARG_LAST);
	}
	state->has_reader = !PG_ARGISNULL(ARG_READER);
	if (state->has_reader)
		state->reader = *PG_GETARG_UUID_P(ARG_READER);
	MemoryContextSwitchTo(old);
	return state;
}

/* Put a value behind others. */
static Datum
append(char **end, struct varlena *value)
{
	char	   *place = *end;

	memcpy(place, value, VARSIZE_ANY(value));
	*end += MAXALIGN(VARSIZE_ANY(value));
	return PointerGetDatum(place);
}

/* A copy of the entry that the arguments tell, in one piece of memory. */
static RecordedEntry *
copy_entry(FunctionCallInfo fcinfo)
{
	struct varlena *order_key = (struct varlena *) PG_GETARG_TEXT_PP(ARG_ORDER_KEY);
	struct varlena *amount = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(ARG_AMOUNT));
	struct varlena *awards = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(ARG_AWARDS));
	struct varlena *multiplier = PG_ARGISNULL(ARG_MULTIPLIER) ? NULL :
	PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(ARG_MULTIPLIER));
	struct varlena *tier = PG_ARGISNULL(ARG_TIER) ? NULL :
	(struct varlena *) PG_GETARG_TEXT_PP(ARG_TIER);
	Size		size = MAXALIGN(sizeof(RecordedEntry)) + MAXALIGN(VARSIZE_ANY(order_key)) +
	MAXALIGN(VARSIZE_ANY(amount)) + MAXALIGN(VARSIZE_ANY(awards)) +
	(multiplier ? MAXALIGN(VARSIZE_ANY(multiplier)) : 0) + (tier ? MAXALIGN(VARSIZE_ANY(tier)) : 0);
	RecordedEntry *entry = palloc0(size);
	char	   *end = (char *) entry + MAXALIGN(sizeof(RecordedEntry));

	entry->tracked_table = PG_GETARG_INT32(ARG_TRACKED_TABLE);
	entry->order_key = (text *) DatumGetPointer(append(&end, order_key));
	entry->revision = PG_GETARG_INT32(ARG_REVISION);
	entry->terms = PG_GETARG_INT32(ARG_TERMS);
	entry->at = PG_GETARG_TIMESTAMPTZ(ARG_AT);
	entry->recorded_at = PG_GETARG_TIMESTAMPTZ(ARG_RECORDED_AT);
	entry->counts = PG_GETARG_BOOL(ARG_COUNTS);
	entry->amount = append(&end, amount);
	entry->awards = append(&end, awards);
	entry->joined.is_known = !PG_ARGISNULL(ARG_JOINED);
	entry->joined.at = entry->joined.is_known ? PG_GETARG_TIMESTAMPTZ(ARG_JOINED) : 0;
	entry->held.is_known = multiplier != NULL;
	if (multiplier != NULL)
		entry->held.multiplier = append(&end, multiplier);
	if (tier != NULL)
		entry->held.tier = append(&end, tier);
	return entry;
}

PG_FUNCTION_INFO_V1(loyalty_state_transition);

/*
 * state_of(program regclass, customer anyelement,
 *          spend numeric, orders bigint, points_earned numeric,
 *          first_order_at timestamptz, last_order_at timestamptz,
 *          tracked_table int, order_key text, revision int, at timestamptz,
 *          recorded_at timestamptz, terms int, counts bool, amount numeric, awards numeric,
 *          joined_at timestamptz, multiplier numeric, tier text, reader uuid)
 *
 * program is the table "program" of a program.  The arguments from customer to
 * last_order_at, and the last, tell of the account as it is posted and of who asks, and
 * are looked at in the first row only; the others are a row of the journal of that
 * customer.
 */
Datum
loyalty_state_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;
	State	   *state;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function \"%s\" can be called by an aggregate only", "state_transition")));
	for (int i = ARG_PROGRAM; i <= ARG_AWARDS; i++)
		if (PG_ARGISNULL(i) && (i <= ARG_CUSTOMER || i >= ARG_TRACKED_TABLE))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of state_of must not be null", i)));
	state = PG_ARGISNULL(ARG_STATE) ? begin_state(fcinfo, context) :
		(State *) PG_GETARG_POINTER(ARG_STATE);
	old = MemoryContextSwitchTo(state->context);
	if (state->count == state->size)
	{
		state->size = Max(8, state->size * 2);
		state->entries = state->entries == NULL ? palloc(state->size * sizeof(RecordedEntry *)) :
			repalloc_huge(state->entries, state->size * sizeof(RecordedEntry *));
	}
	state->entries[state->count++] = copy_entry(fcinfo);
	MemoryContextSwitchTo(old);
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(loyalty_state_final);

/*
 * Result: (points, spend, orders, points_earned, first_order_at, last_order_at): by how
 * much the points change, and the sums of the account afterwards; null without entries.
 */
Datum
loyalty_state_final(PG_FUNCTION_ARGS)
{
	State	   *state;
	Accrual    *accrual;
	Terms	   *terms = NULL;
	Metrics    *metrics;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function \"%s\" can be called by an aggregate only", "state_final")));
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "state_of must return a composite type");
	state = (State *) PG_GETARG_POINTER(0);
	terms_check_reader(terms_find(state->program, state->entries[0]->terms),
					   state->has_reader ? &state->reader : NULL);
	accrual = fold_begin_read(get_rel_namespace(state->program), &state->account,
							  state->entries, state->count);
	metrics = &accrual->metrics;
	for (int i = 0; i < state->count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		terms = terms_find(state->program, state->entries[i]->terms);
		(void) accrual_add(accrual, terms, state->entries[i]);
	}
	values[0] = DirectFunctionCall2(numeric_sub, metrics->points_earned, state->account.points_earned);
	values[1] = metrics->spend;
	values[2] = Int64GetDatum(metrics->orders);
	values[3] = metrics->points_earned;
	values[4] = TimestampTzGetDatum(metrics->first_order_at);
	values[5] = TimestampTzGetDatum(metrics->last_order_at);
	nulls[4] = nulls[5] = !metrics->has_orders;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
