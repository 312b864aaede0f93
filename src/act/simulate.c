/*
 * simulate.c: orders that are folded as if they were recorded now, under any terms.
 *
 * The orders of a customer come as an array, in the order in which they are added to an empty
 * account by the fold that reads and posts entries (accrual.c).  Nothing is read but terms.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "compat.h"
#include "accrual.h"
#include "authorize.h"
#include "fold.h"
#include "member_limits.h"
#include "number.h"
#include "result.h"

/* Fields of the type "simulated_order", in this order. */
enum
{
	MADE_TERMS = 0,
	MADE_TRACKED_TABLE,
	MADE_ORDER_KEY,
	MADE_AT,
	MADE_AMOUNT,
	MADE_AWARDS,
	MADE_PARTS,					/* may be null; so may those below */
	MADE_AVAILABLE_AT,
	MADE_JOINED_AT,
	MADE_EVENT,
	MADE_FIELDS
};

static Moment
field_moment(const Datum *values, const bool *nulls, int field)
{
	Moment		moment = {.is_known = !nulls[field]};

	if (moment.is_known)
		moment.at = DatumGetTimestampTz(values[field]);
	return moment;
}

/* An order as its first entry, in the current memory context. */
static RecordedEntry *
read_order(TupleDesc desc, Datum order)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(order);
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	RecordedEntry *entry = palloc0(sizeof(RecordedEntry));
	Datum		values[MADE_FIELDS];
	bool		nulls[MADE_FIELDS];

	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < MADE_PARTS; i++)
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s of an order must not be null", NameStr(TupleDescAttr(desc, i)->attname))));
	entry->terms = DatumGetInt32(values[MADE_TERMS]);
	entry->tracked_table = DatumGetInt32(values[MADE_TRACKED_TABLE]);
	entry->order_key = DatumGetTextPP(values[MADE_ORDER_KEY]);
	entry->revision = 1;
	entry->at = DatumGetTimestampTz(values[MADE_AT]);
	entry->recorded_at = entry->at;
	entry->counts = true;
	entry->amount = values[MADE_AMOUNT];
	entry->awards = values[MADE_AWARDS];
	entry->parts = nulls[MADE_PARTS] ? (Datum) 0 : values[MADE_PARTS];
	entry->available = field_moment(values, nulls, MADE_AVAILABLE_AT);
	entry->is_event = !nulls[MADE_EVENT];
	entry->event = entry->is_event ? DatumGetTextPP(values[MADE_EVENT]) : NULL;
	entry->joined = field_moment(values, nulls, MADE_JOINED_AT);
	return entry;
}

/* Add an order, and put what becomes of it into the result. */
static void
fold_order(Accrual *accrual, Terms *terms, const RecordedEntry *entry, Tuplestorestate *store, TupleDesc desc)
{
	Datum		values[4];
	bool		nulls[4] = {false};

	if (accrual_add(accrual, terms, entry) != VERDICT_COUNTS)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("the sum of amounts or points of a customer would have more than 26 digits"),
				 errdetail("It is exceeded by order \"%s\".", text_to_cstring(entry->order_key))));
	values[0] = TimestampTzGetDatum(entry->at);
	nulls[1] = accrual->tier == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(accrual->tier);
	values[2] = accrual->order_points;
	values[3] = BoolGetDatum(!entry->is_event);
	tuplestore_putvalues(store, desc, values, nulls);
}

PG_FUNCTION_INFO_V1(loyalty_fold_orders);

/*
 * fold_orders(settings regclass, orders simulated_order[], OUT at timestamptz, OUT tier text, OUT points numeric, OUT is_order boolean)
 *
 * The points of the orders of a customer, which come in the order in which they are added,
 * and the tiers that they are multiplied by, for an account that is empty before them.
 * settings is the table "program" of a program, which its owner alone may ask about.
 */
Datum
loyalty_fold_orders(PG_FUNCTION_ARGS)
{
	Oid			program = PG_GETARG_OID(0);
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(1);
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "loyalty simulated customer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	TupleDesc	desc;
	Tuplestorestate *store = result_begin(fcinfo, &desc);
	TupleDesc	order = lookup_rowtype_tupdesc(ARR_ELEMTYPE(array), -1);
	Accrual    *accrual;
	RecordedEntry **entries;
	Datum	   *orders;
	bool	   *nulls;
	int			count;

	(void) authorize_require_owner(program, "simulate_order");
	Assert(order->natts == MADE_FIELDS);
	old = MemoryContextSwitchTo(work);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &orders, &nulls, &count);
	accrual = accrual_begin(work);
	entries = palloc(count * sizeof(RecordedEntry *));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("an order must not be null")));
		entries[i] = read_order(order, orders[i]);
		(void) limits_expect(accrual, terms_find(program, entries[i]->terms), entries[i]->at);
	}
	fold_know_histories(accrual, program, NULL, entries, count, (Datum) 0, (Datum) 0);
	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		fold_order(accrual, terms_find(program, entries[i]->terms), entries[i], store, desc);
	}
	ReleaseTupleDesc(order);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return (Datum) 0;
}
