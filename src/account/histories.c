/*
 * histories.c: what entries do to the histories of an account.
 *
 * An account has a history of the orders that count, in its column "purchases", and one for
 * each kind of events in "events".  An order is in it once, on the day of its time in the
 * time zone of its terms, with its amount.  An order without a day, whose time is infinite,
 * is in none.
 *
 * Histories add up.  So the fold (accrual.c) never looks at those of the account: it keeps
 * what its entries change, which takes an order off as it stood and adds it as it stands,
 * and whoever posts or reads adds that to what is stored.  That costs what one value is
 * long, which has each day once: 20 kB for ten years of orders on every day.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "histories.h"
#include "purse.h"
#include "tenure.h"

/*
 * Moments outside of these have no day for us: it may be one that is no timestamp in some
 * time zone.  verify() knows the same bounds.
 */
#define FIRST_MOMENT (MIN_TIMESTAMP + USECS_PER_DAY)
#define END_OF_MOMENTS (END_TIMESTAMP - USECS_PER_DAY)

/* The fields of the type "event_history". */
enum
{
	EVENT_KIND, EVENT_DAYS, EVENT_FIELDS
};

/*
 * Nothing is changed yet.
 */
Histories *
histories_begin(MemoryContext context)
{
	Histories  *histories = MemoryContextAllocZero(context, sizeof(Histories));

	histories->context = context;
	return histories;
}

/* In the order in which kinds are stored. */
static int
compare_events(const text *a, const text *b)
{
	int			a_length = VARSIZE_ANY_EXHDR(a);
	int			b_length = VARSIZE_ANY_EXHDR(b);
	int			cmp = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_length, b_length));

	return cmp != 0 ? cmp : a_length - b_length;
}

/* The history of a kind of events, or for NULL of orders; it is made if there is none. */
static History *
find_history(Histories *histories, const text *event)
{
	MemoryContext old;
	EventHistory *found;
	ListCell   *lc;

	if (event == NULL && histories->purchases != NULL)
		return histories->purchases;
	if (event != NULL)
		foreach(lc, histories->events)
	{
		found = (EventHistory *) lfirst(lc);
		if (compare_events(found->event, event) == 0)
			return found->history;
	}
	old = MemoryContextSwitchTo(histories->context);
	if (event == NULL)
		histories->purchases = history_new(0);
	else
	{
		found = palloc(sizeof(EventHistory));
		found->event = DatumGetTextPCopy(PointerGetDatum(event));
		found->history = history_new(0);
		histories->events = lappend(histories->events, found);
	}
	MemoryContextSwitchTo(old);
	return event == NULL ? histories->purchases : found->history;
}

/* An amount with at most as many decimals as histories have. */
static Points
exact_amount(Datum amount)
{
	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, amount)) > EXACT_MAX_SCALE)
		amount = DirectFunctionCall2(numeric_round, amount, Int32GetDatum(EXACT_MAX_SCALE));
	return purse_points(amount);
}

/*
 * An order, or an event of this kind, that counts: add it with a sign of 1, or take it off
 * with -1.
 */
void
histories_count(Histories *histories, const text *event, const Terms *terms,
				TimestampTz at, Datum amount, int sign)
{
	Points		exact;
	DateADT		day;

	if (at < FIRST_MOMENT || at >= END_OF_MOMENTS || !tenure_local_date(at, terms->zone, &day))
		return;
	exact = exact_amount(amount);
	history_add_day(find_history(histories, event), day, sign, sign * exact.value, exact.scale);
}

/* A history as it is stored, or (Datum) 0: it has no day. */
static Datum
encode_history(History *history)
{
	if (history == NULL)
		return (Datum) 0;
	history_trim(history);
	return history->count == 0 ? (Datum) 0 : PointerGetDatum(history_encode(history));
}

static int
compare_kinds(const void *a, const void *b)
{
	return compare_events(((const EventHistory *) a)->event, ((const EventHistory *) b)->event);
}

/*
 * The histories of events as an array of the type "event_history", in the order of their
 * kinds, or (Datum) 0: none has a day.
 */
static Datum
encode_events(List *events, Oid type)
{
	int			count = list_length(events);
	EventHistory *kinds;
	Datum	   *rows;
	TupleDesc	desc;
	int			n = 0;

	if (count == 0)
		return (Datum) 0;
	kinds = palloc(count * sizeof(EventHistory));
	rows = palloc(count * sizeof(Datum));
	for (int i = 0; i < count; i++)
		kinds[i] = *(EventHistory *) list_nth(events, i);
	qsort(kinds, count, sizeof(EventHistory), compare_kinds);
	desc = lookup_rowtype_tupdesc(type, -1);
	Assert(desc->natts == EVENT_FIELDS);
	for (int i = 0; i < count; i++)
	{
		Datum		values[EVENT_FIELDS] = {PointerGetDatum(kinds[i].event), encode_history(kinds[i].history)};
		bool		nulls[EVENT_FIELDS] = {false};

		if (values[EVENT_DAYS] != (Datum) 0)
			rows[n++] = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	ReleaseTupleDesc(desc);
	if (n == 0)
		return (Datum) 0;
	return PointerGetDatum(construct_array(rows, n, type, -1, false, TYPALIGN_DOUBLE));
}

/*
 * The histories as a row of the type "account_histories", or (Datum) 0: nothing is in them.
 */
Datum
histories_row(Histories *histories, TupleDesc desc)
{
	Datum		values[2];
	bool		nulls[2];

	Assert(desc->natts == lengthof(values));
	values[0] = encode_history(histories->purchases);
	values[1] = encode_events(histories->events, get_element_type(TupleDescAttr(desc, 1)->atttypid));
	nulls[0] = values[0] == (Datum) 0;
	nulls[1] = values[1] == (Datum) 0;
	return nulls[0] && nulls[1] ? (Datum) 0 : HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

PG_FUNCTION_INFO_V1(loyalty_add_histories);

/*
 * add_histories(a history, b history) returns history
 *
 * Their sum, where null stands for the one that is empty.
 */
Datum
loyalty_add_histories(PG_FUNCTION_ARGS)
{
	History    *sum;
	Datum		result;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(PG_ARGISNULL(0) ? 1 : 0));
	sum = history_decode(PG_GETARG_HISTORY(0));
	history_add(sum, PG_GETARG_HISTORY(1), 1);
	result = encode_history(sum);
	if (result == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}

/* Add histories of events that are stored. */
static void
add_events(Histories *histories, ArrayType *stored)
{
	Datum	   *rows;
	int			count;

	deconstruct_array(stored, ARR_ELEMTYPE(stored), -1, false, TYPALIGN_DOUBLE, &rows, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		HeapTupleHeader row = DatumGetHeapTupleHeader(rows[i]);
		bool		isnull[EVENT_FIELDS];
		Datum		event = GetAttributeByNum(row, EVENT_KIND + 1, &isnull[EVENT_KIND]);
		Datum		history = GetAttributeByNum(row, EVENT_DAYS + 1, &isnull[EVENT_DAYS]);

		CHECK_FOR_INTERRUPTS();
		if (!isnull[EVENT_KIND] && !isnull[EVENT_DAYS])
			history_add(find_history(histories, DatumGetTextPP(event)), PG_DETOAST_DATUM_PACKED(history), 1);
	}
}

/*
 * The histories of an account: of its orders, and of events, or (Datum) 0 for none.
 */
Histories *
histories_of(MemoryContext context, Datum purchases, Datum events)
{
	Histories  *histories = histories_begin(context);
	MemoryContext old = MemoryContextSwitchTo(context);

	if (purchases != (Datum) 0)
		histories->purchases = history_decode(PG_DETOAST_DATUM_PACKED(purchases));
	if (events != (Datum) 0)
		add_events(histories, DatumGetArrayTypeP(events));
	MemoryContextSwitchTo(old);
	return histories;
}

/*
 * The history of orders, which may be empty.
 */
Datum
histories_purchases(const Histories *histories)
{
	Datum		result = encode_history(histories->purchases);

	return result != (Datum) 0 ? result : PointerGetDatum(history_encode(history_new(0)));
}

/*
 * The histories of events, of which there may be none, as an array of the type "event_history".
 */
Datum
histories_events(const Histories *histories, Oid type)
{
	Datum		result = encode_events(histories->events, type);

	return result != (Datum) 0 ? result : PointerGetDatum(construct_empty_array(type));
}

PG_FUNCTION_INFO_V1(loyalty_event_history);

/*
 * event_history(events event_history[], kind text) returns history
 *
 * That of a kind of events, empty if there were none.
 */
Datum
loyalty_event_history(PG_FUNCTION_ARGS)
{
	text	   *kind;
	ArrayType  *events;
	Datum	   *rows;
	int			count;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	events = PG_GETARG_ARRAYTYPE_P(0);
	kind = PG_GETARG_TEXT_PP(1);
	deconstruct_array(events, ARR_ELEMTYPE(events), -1, false, TYPALIGN_DOUBLE, &rows, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		HeapTupleHeader row = DatumGetHeapTupleHeader(rows[i]);
		bool		no_event;
		bool		no_days;
		Datum		event = GetAttributeByNum(row, EVENT_KIND + 1, &no_event);
		Datum		days = GetAttributeByNum(row, EVENT_DAYS + 1, &no_days);

		if (!no_event && !no_days && compare_events(DatumGetTextPP(event), kind) == 0)
			PG_RETURN_DATUM(days);
	}
	PG_RETURN_POINTER(history_encode(history_new(0)));
}

PG_FUNCTION_INFO_V1(loyalty_add_event_histories);

/*
 * add_event_histories(a event_history[], b event_history[]) returns event_history[]
 *
 * The sum for each kind of events, where null stands for none.
 */
Datum
loyalty_add_event_histories(PG_FUNCTION_ARGS)
{
	Histories  *sum;
	Datum		result;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(PG_ARGISNULL(0) ? 1 : 0));
	sum = histories_begin(CurrentMemoryContext);
	add_events(sum, PG_GETARG_ARRAYTYPE_P(0));
	add_events(sum, PG_GETARG_ARRAYTYPE_P(1));
	result = encode_events(sum->events, ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(0)));
	if (result == (Datum) 0)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(result);
}
