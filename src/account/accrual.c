/*
 * accrual.c: what entries make of an account, one after the other.
 *
 * The entries of one customer are added in the order they were recorded, to
 * the account as it is posted.  A new order gets the multiplier of the tier held
 * just before it; a later revision of an order keeps what the order began with,
 * unless it is of other terms: an order that was rerated begins anew.
 * An order that is taken back leaves nothing behind, in the times of the first
 * and last order neither.
 *
 * The fold looks whether an entry follows the revision of its order that it
 * knows.  An entry whose revision is in the account already counts nothing; one
 * that came before its predecessor, or whose numbers overflow, is left out and
 * waits.  So neither stops the others, and nothing is counted twice.  A reader
 * with an old snapshot may see its own change of an order without the one before
 * it; as each entry says how the order stands, it takes the change as it is.
 *
 * Posting and every view use this one fold, the views as an aggregate that is
 * used as a window function: what a reader sees is what posting writes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "accrual.h"
#include "layout.h"
#include "number.h"
#include "program.h"
#include "tenure.h"

typedef struct StandingEntry
{
	char	   *key;
	StandingOrder *order;
	uint32		hash;
	char		status;
} StandingEntry;

#define SH_PREFIX standing
#define SH_ELEMENT_TYPE StandingEntry
#define SH_KEY_TYPE char *
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp((a), (b)) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static int
compare_first(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(StandingOrder, by_first, a)->at;
	TimestampTz y = pairingheap_const_container(StandingOrder, by_first, b)->at;

	return x < y ? 1 : x > y ? -1 : 0;	/* the root is the greatest */
}

static int
compare_last(const pairingheap_node *a, const pairingheap_node *b, void *arg)
{
	TimestampTz x = pairingheap_const_container(StandingOrder, by_last, a)->at;
	TimestampTz y = pairingheap_const_container(StandingOrder, by_last, b)->at;

	return x > y ? 1 : x < y ? -1 : 0;
}

static Datum
copy_numeric(Datum value)
{
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

/*
 * Begin with an empty account, in a memory context that the caller resets.
 */
Accrual *
accrual_begin(MemoryContext context)
{
	Accrual    *accrual = MemoryContextAllocZero(context, sizeof(Accrual));

	accrual->context = context;
	accrual->metrics.spend = number_zero();
	accrual->metrics.points_earned = number_zero();
	return accrual;
}

/*
 * Orders will come more than once, or have come before.
 */
void
accrual_remember_orders(Accrual *accrual)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);

	accrual->orders = standing_create(accrual->context, 16, NULL);
	accrual->first = pairingheap_allocate(compare_first, NULL);
	accrual->last = pairingheap_allocate(compare_last, NULL);
	MemoryContextSwitchTo(old);
}

/* In the context of the accrual. */
static StandingOrder *
find_order(Accrual *accrual, int32 tracked_table, Datum order_key, bool *found)
{
	char	   *key = psprintf("%d:%s", tracked_table, TextDatumGetCString(order_key));
	StandingEntry *entry = standing_insert(accrual->orders, key, found);

	if (!*found)
	{
		entry->order = palloc0(sizeof(StandingOrder));
		entry->order->key = key;
	}
	return entry->order;
}

static void
set_standing(Accrual *accrual, StandingOrder *order, bool counts, TimestampTz at)
{
	if (order->counts)
	{
		pairingheap_remove(accrual->first, &order->by_first);
		pairingheap_remove(accrual->last, &order->by_last);
	}
	order->counts = counts;
	order->at = at;
	if (counts)
	{
		pairingheap_add(accrual->first, &order->by_first);
		pairingheap_add(accrual->last, &order->by_last);
	}
}

/*
 * Tell how a posted order stands.  After accrual_remember_orders(), and for all
 * posted orders of the customer.
 */
void
accrual_known_order(Accrual *accrual, int32 tracked_table, Datum order_key,
					int32 revision, int32 terms, bool counts, TimestampTz at,
					Datum amount, Datum order_points, Datum multiplier, const char *tier)
{
	MemoryContext old = MemoryContextSwitchTo(accrual->context);
	bool		found;
	StandingOrder *order = find_order(accrual, tracked_table, order_key, &found);

	order->revision = revision;
	order->terms = terms;
	set_standing(accrual, order, counts, at);
	order->amount = copy_numeric(amount);
	order->order_points = copy_numeric(order_points);
	order->multiplier = copy_numeric(multiplier);
	order->tier = tier ? pstrdup(tier) : NULL;
	MemoryContextSwitchTo(old);
}

/* The times of the first and last order, after this entry. */
static void
update_bounds(Accrual *accrual, const RecordedEntry *entry)
{
	Metrics    *metrics = &accrual->metrics;

	if (accrual->orders != NULL)
	{
		metrics->has_orders = !pairingheap_is_empty(accrual->first);
		if (metrics->has_orders)
		{
			metrics->first_order_at =
				pairingheap_container(StandingOrder, by_first, pairingheap_first(accrual->first))->at;
			metrics->last_order_at =
				pairingheap_container(StandingOrder, by_last, pairingheap_first(accrual->last))->at;
		}
	}
	else if (entry->counts)
	{
		if (!metrics->has_orders || entry->at < metrics->first_order_at)
			metrics->first_order_at = entry->at;
		if (!metrics->has_orders || entry->at > metrics->last_order_at)
			metrics->last_order_at = entry->at;
		metrics->has_orders = true;
	}
}

/* What an entry makes of its order and of the account. */
typedef struct Step
{
	Datum		order_points;
	Datum		points_change;
	Datum		amount_change;
	Datum		spend;
	Datum		points_earned;
} Step;

/*
 * The numbers of one step, in the memory of the account; false if one of them is
 * too large for a numeric.  Nothing but functions of numeric runs here, which
 * hold nothing that would have to be undone.
 */
static bool
compute_step(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
			 const StandingOrder *order, Step *step)
{
	Metrics    *metrics = &accrual->metrics;
	volatile bool fits = true;

	PG_TRY();
	{
		step->order_points = terms_round(terms, DirectFunctionCall2(numeric_mul, order->multiplier,
																	entry->awards));
		step->points_change = DirectFunctionCall2(numeric_sub, step->order_points, order->order_points);
		step->amount_change = DirectFunctionCall2(numeric_sub, entry->amount, order->amount);
		step->spend = DirectFunctionCall2(numeric_add, metrics->spend, step->amount_change);
		step->points_earned = DirectFunctionCall2(numeric_add, metrics->points_earned,
												  step->points_change);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE)
			PG_RE_THROW();
		FlushErrorState();
		MemoryContextSwitchTo(accrual->context);
		fits = false;
	}
	PG_END_TRY();
	return fits;
}

/*
 * A new order, or one that begins anew under other terms: the tier that it brought
 * along from another customer or key, or else the tier held just before it, as of its
 * time.  What is taken of a tier lives to the end of the transaction.
 */
static void
begin_order(Accrual *accrual, Terms *terms, const RecordedEntry *entry,
			StandingOrder *order)
{
	Metrics    *metrics = &accrual->metrics;
	Tier	   *tier;

	if (order->revision == 0)
	{
		order->amount = number_zero();
		order->order_points = number_zero();
	}
	order->terms = terms->id;
	if (entry->held.is_known)
	{
		order->multiplier = copy_numeric(entry->held.multiplier);
		order->tier = entry->held.tier == (Datum) 0 ? NULL : TextDatumGetCString(entry->held.tier);
		return;
	}
	metrics->at = entry->at;
	metrics->tenure = entry->joined.is_known && terms->uses_tenure ?
		tenure_between(entry->joined.at, entry->at, terms->zone) : NULL;
	tier = terms_tier(terms, metrics);
	order->multiplier = tier == NULL ? DirectFunctionCall1(int4_numeric, Int32GetDatum(1)) :
		tier->multiplier;
	order->tier = tier == NULL ? NULL : tier->name;
}

/*
 * Add an entry: if it counts, fills the fields of the latest entry and moves the
 * metrics on; else leaves everything as it was.
 */
Verdict
accrual_add(Accrual *accrual, Terms *terms, const RecordedEntry *entry)
{
	Metrics    *metrics = &accrual->metrics;
	StandingOrder once = {0};
	StandingOrder *order = &once;
	bool		found;
	Step		step;
	MemoryContext old = MemoryContextSwitchTo(accrual->context);

	if (accrual->orders != NULL)
		order = find_order(accrual, entry->tracked_table, entry->order_key, &found);
	if (entry->revision <= order->revision)
	{
		MemoryContextSwitchTo(old);
		return VERDICT_REPEATED;
	}
	if (order->failed || (entry->revision != order->revision + 1 && !accrual->is_read))
	{
		MemoryContextSwitchTo(old);
		return VERDICT_WAITS;
	}
	if (order->revision == 0 || order->terms != terms->id)
		begin_order(accrual, terms, entry, order);
	if (!compute_step(accrual, terms, entry, order, &step))
	{
		order->failed = true;
		MemoryContextSwitchTo(old);
		return VERDICT_FAILS;
	}

	accrual->number++;
	accrual->tier = order->tier;
	accrual->multiplier = order->multiplier;
	accrual->order_points = step.order_points;
	accrual->points_change = step.points_change;
	accrual->amount_change = step.amount_change;
	accrual->orders_change = (int) entry->counts - (int) order->counts;
	order->revision = entry->revision;
	order->order_points = step.order_points;
	if (accrual->orders != NULL)
	{
		order->amount = copy_numeric(entry->amount);
		set_standing(accrual, order, entry->counts, entry->at);
	}
	metrics->spend = step.spend;
	metrics->points_earned = step.points_earned;
	metrics->orders += accrual->orders_change;
	update_bounds(accrual, entry);
	MemoryContextSwitchTo(old);
	return VERDICT_COUNTS;
}

enum AccrueArgument
{
	ARG_STATE,
	ARG_PROGRAM,
	ARG_TERMS,
	ARG_SPEND,
	ARG_ORDERS,
	ARG_POINTS_EARNED,
	ARG_FIRST,
	ARG_LAST,
	ARG_REPEATED,
	ARG_POSTED,
	ARG_AT,
	ARG_TRACKED_TABLE,
	ARG_ORDER_KEY,
	ARG_REVISION,
	ARG_COUNTS,
	ARG_AMOUNT,
	ARG_AWARDS,
	ARG_JOINED,
	ARG_MULTIPLIER,
	ARG_TIER
};

/*
 * The array must be of rows of the program's ledger: anybody can call accrue(),
 * with whatever array.
 */
static void
check_posted_orders(Terms *terms, ArrayType *posted)
{
	Oid			schema = get_rel_namespace(terms->program);
	Oid			ledger = program_relation(schema, "ledger");
	Relation	rel;

	if (get_typ_typrelid(ARR_ELEMTYPE(posted)) != ledger)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("posted orders must be an array of rows of the ledger of loyalty program \"%s\"",
						get_namespace_name(schema))));
	rel = relation_open(ledger, AccessShareLock);
	layout_check_entries(rel, true, AccessShareLock);
	relation_close(rel, NoLock);
}

/* How the posted orders of the customer stand: an array of ledger rows. */
static void
read_posted_array(Accrual *accrual, ArrayType *posted)
{
	Datum	   *rows;
	bool	   *nulls;
	int			count;
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(ARR_ELEMTYPE(posted), &length, &by_value, &align);
	deconstruct_array(posted, ARR_ELEMTYPE(posted), length, by_value, align,
					  &rows, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		HeapTupleHeader row;
		Datum		values[9];
		Datum		tier;
		bool		isnull[9];
		bool		no_tier;
		static const char *const fields[9] = {"tracked_table", "order_key", "revision", "counts", "at",
		"amount", "order_points", "multiplier", "terms"};

		if (nulls[i])
			continue;
		row = DatumGetHeapTupleHeader(rows[i]);
		for (int f = 0; f < lengthof(fields); f++)
		{
			values[f] = GetAttributeByName(row, fields[f], &isnull[f]);
			if (isnull[f])
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("field \"%s\" of a posted order must not be null", fields[f])));
		}
		tier = GetAttributeByName(row, "tier", &no_tier);
		accrual_known_order(accrual, DatumGetInt32(values[0]), values[1],
							DatumGetInt32(values[2]), DatumGetInt32(values[8]),
							DatumGetBool(values[3]), DatumGetTimestampTz(values[4]),
							values[5], values[6], values[7],
							no_tier ? NULL : TextDatumGetCString(tier));
	}
}

/* The state of the window aggregate, from the arguments of the first row. */
static Accrual *
begin_aggregate(FunctionCallInfo fcinfo, MemoryContext context, Terms *terms)
{
	Accrual    *accrual = accrual_begin(context);
	Metrics    *metrics = &accrual->metrics;
	MemoryContext old = MemoryContextSwitchTo(context);

	if (!PG_ARGISNULL(ARG_SPEND))
		metrics->spend = copy_numeric(PG_GETARG_DATUM(ARG_SPEND));
	if (!PG_ARGISNULL(ARG_POINTS_EARNED))
		metrics->points_earned = copy_numeric(PG_GETARG_DATUM(ARG_POINTS_EARNED));
	if (!PG_ARGISNULL(ARG_ORDERS))
		metrics->orders = PG_GETARG_INT64(ARG_ORDERS);
	metrics->has_orders = !PG_ARGISNULL(ARG_FIRST) && !PG_ARGISNULL(ARG_LAST);
	if (metrics->has_orders)
	{
		metrics->first_order_at = PG_GETARG_TIMESTAMPTZ(ARG_FIRST);
		metrics->last_order_at = PG_GETARG_TIMESTAMPTZ(ARG_LAST);
	}
	accrual->is_read = true;
	MemoryContextSwitchTo(old);
	if (!PG_ARGISNULL(ARG_REPEATED) && PG_GETARG_BOOL(ARG_REPEATED))
	{
		accrual_remember_orders(accrual);
		if (!PG_ARGISNULL(ARG_POSTED))
		{
			check_posted_orders(terms, PG_GETARG_ARRAYTYPE_P(ARG_POSTED));
			read_posted_array(accrual, PG_GETARG_ARRAYTYPE_P(ARG_POSTED));
		}
	}
	return accrual;
}

PG_FUNCTION_INFO_V1(loyalty_accrue_transition);

/*
 * accrue(program regclass, terms int,
 *        spend numeric, orders bigint, points_earned numeric,
 *        first_order_at timestamptz, last_order_at timestamptz,
 *        repeated bool, posted anyarray,
 *        at timestamptz, tracked_table int, order_key text, revision int, counts bool,
 *        amount numeric, awards numeric, joined_at timestamptz,
 *        multiplier numeric, tier text)
 *
 * The arguments from spend to posted tell of the account before the first row
 * of the window and are looked at there only.  repeated: some order comes more
 * than once or was posted before; then posted has the latest ledger row of each
 * posted order.  multiplier, and with it tier: what an order brought along, or null.
 */
Datum
loyalty_accrue_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Accrual    *accrual;
	Terms	   *terms;
	RecordedEntry entry;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function \"%s\" can be called by an aggregate only", "accrue_transition")));
	for (int i = ARG_PROGRAM; i <= ARG_AWARDS; i++)
		if (PG_ARGISNULL(i) && (i <= ARG_TERMS || i >= ARG_AT))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of accrue must not be null", i)));

	terms = terms_find(PG_GETARG_OID(ARG_PROGRAM), PG_GETARG_INT32(ARG_TERMS));
	if (PG_ARGISNULL(ARG_STATE))
	{
		terms_check_reader(terms);
		accrual = begin_aggregate(fcinfo, context, terms);
	}
	else
		accrual = (Accrual *) PG_GETARG_POINTER(ARG_STATE);
	entry.tracked_table = PG_GETARG_INT32(ARG_TRACKED_TABLE);
	entry.order_key = PG_GETARG_DATUM(ARG_ORDER_KEY);
	entry.revision = PG_GETARG_INT32(ARG_REVISION);
	entry.at = PG_GETARG_TIMESTAMPTZ(ARG_AT);
	entry.counts = PG_GETARG_BOOL(ARG_COUNTS);
	entry.amount = PG_GETARG_DATUM(ARG_AMOUNT);
	entry.awards = PG_GETARG_DATUM(ARG_AWARDS);
	entry.joined.is_known = !PG_ARGISNULL(ARG_JOINED);
	entry.joined.at = entry.joined.is_known ? PG_GETARG_TIMESTAMPTZ(ARG_JOINED) : 0;
	entry.held.is_known = !PG_ARGISNULL(ARG_MULTIPLIER);
	entry.held.multiplier = entry.held.is_known ? PG_GETARG_DATUM(ARG_MULTIPLIER) : (Datum) 0;
	entry.held.tier = PG_ARGISNULL(ARG_TIER) ? (Datum) 0 : PG_GETARG_DATUM(ARG_TIER);
	accrual->counts = accrual_add(accrual, terms, &entry) == VERDICT_COUNTS;
	PG_RETURN_POINTER(accrual);
}

PG_FUNCTION_INFO_V1(loyalty_accrue_final);

/*
 * Result: (tier, multiplier, points, orders_change, amount_change, points_change,
 * spend, orders, points_earned, first_order_at, last_order_at, number), or null
 * for an entry that does not count.  Does not change the state: it is called once
 * per row of the window.
 */
Datum
loyalty_accrue_final(PG_FUNCTION_ARGS)
{
	Accrual    *state;
	TupleDesc	desc;
	Datum		values[12];
	bool		nulls[12] = {false};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!AggCheckCallContext(fcinfo, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function \"%s\" can be called by an aggregate only", "accrue_final")));
	state = (Accrual *) PG_GETARG_POINTER(0);
	if (!state->counts)
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "accrue must return a composite type");
	nulls[0] = state->tier == NULL;
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(state->tier);
	values[1] = state->multiplier;
	values[2] = state->order_points;
	values[3] = Int32GetDatum(state->orders_change);
	values[4] = state->amount_change;
	values[5] = state->points_change;
	values[6] = state->metrics.spend;
	values[7] = Int64GetDatum(state->metrics.orders);
	values[8] = state->metrics.points_earned;
	values[9] = TimestampTzGetDatum(state->metrics.first_order_at);
	values[10] = TimestampTzGetDatum(state->metrics.last_order_at);
	nulls[9] = nulls[10] = !state->metrics.has_orders;
	values[11] = Int64GetDatum(state->number);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
