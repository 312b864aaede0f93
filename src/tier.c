/*
 * tier.c: tiers, and the points that an order makes at the tier held before it.
 *
 * accrue() is an aggregate that is used as a window function over the entries
 * of one customer that are not yet posted, in the order they were recorded.  It
 * starts from the posted account, gives each new order the multiplier of the
 * tier held just before it, and each later revision of an order the multiplier
 * the order began with.  Posting and every view use the same aggregate, so
 * what a reader sees is what posting writes.
 *
 * An order makes round(multiplier * base) points, rounded once.  Rounding works
 * on the magnitude, so that a credit note mirrors its order.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "expression.h"
#include "program.h"
#include "tenure.h"

typedef enum Rounding
{
	ROUND_FLOOR,
	ROUND_HALF_EVEN,
	ROUND_HALF_UP,
	ROUND_CEIL
} Rounding;

typedef struct Tier
{
	char	   *name;
	Datum		multiplier;
	Expression	qualifies;
} Tier;

/* One version of a program's terms, as far as tiers go. */
typedef struct Terms
{
	Oid			program;		/* relation "program" of the program */
	int32		id;
	bool		valid;
	Oid			owner;
	MemoryContext context;
	int32		scale;
	Rounding	rounding;
	pg_tz	   *zone;
	List	   *tiers;			/* of Tier *, highest first */
	bool		user_functions;
	EState	   *estate;
	TupleTableSlot *metrics;
} Terms;

static List *known_terms = NIL; /* of Terms * */
static bool callback_registered = false;

/* What tiers are decided by. */
typedef struct Metrics
{
	Datum		spend;			/* numeric */
	int64		orders;
	Datum		points_earned;	/* numeric */
	Interval   *tenure;			/* or NULL */
	bool		has_orders;		/* the two below are set */
	TimestampTz first_order_at;
	TimestampTz last_order_at;
} Metrics;

static void
relation_changed(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, known_terms)
	{
		Terms	   *terms = (Terms *) lfirst(lc);

		if (!OidIsValid(relid) || relid == terms->program)
			terms->valid = false;
	}
}

static Rounding
parse_rounding(const char *name)
{
	if (strcmp(name, "half_even") == 0)
		return ROUND_HALF_EVEN;
	if (strcmp(name, "half_up") == 0)
		return ROUND_HALF_UP;
	if (strcmp(name, "ceil") == 0)
		return ROUND_CEIL;
	return ROUND_FLOOR;
}

static Datum
numeric_from_int(int32 value)
{
	return DirectFunctionCall1(int4_numeric, Int32GetDatum(value));
}

/* Round the magnitude to scale digits. */
static Datum
round_points(Datum points, int32 scale, Rounding rounding)
{
	Datum		places = Int32GetDatum(scale);
	Datum		down = DirectFunctionCall2(numeric_trunc, points, places);
	Datum		half;
	Datum		up;
	Datum		units;

	if (rounding == ROUND_FLOOR)
		return down;
	if (rounding == ROUND_HALF_UP)
		return DirectFunctionCall2(numeric_round, points, places);
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, down, points)))
		return down;

	/* Away from zero: one unit of the last place more. */
	units = DirectFunctionCall2(numeric_power, numeric_from_int(10),
								numeric_from_int(-scale));
	units = DirectFunctionCall2(numeric_round, units, places);
	up = DirectFunctionCall2(numeric_add, down,
							 DirectFunctionCall2(numeric_mul, units,
												 DirectFunctionCall1(numeric_sign, points)));
	if (rounding == ROUND_CEIL)
		return up;

	half = DirectFunctionCall2(numeric_mul, numeric_from_int(2), points);
	half = DirectFunctionCall2(numeric_sub, half, DirectFunctionCall2(numeric_add, down, up));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, half, numeric_from_int(0))))
		return DirectFunctionCall2(numeric_round, points, places);
	/* A tie: the even neighbour. */
	half = DirectFunctionCall2(numeric_div, down, units);
	half = DirectFunctionCall2(numeric_mod, half, numeric_from_int(2));
	return DatumGetBool(DirectFunctionCall2(numeric_eq, half, numeric_from_int(0))) ? down : up;
}

/* Read and compile one version of the terms. */
static Terms *
load_terms(Oid program, int32 id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "loyalty terms",
												  ALLOCSET_SMALL_SIZES);
	Terms	   *terms = MemoryContextAllocZero(context, sizeof(Terms));
	ExpressionScope scope = {.row = InvalidOid};
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(id)};
	StringInfoData query;
	Relation	rel;
	MemoryContext old;
	char	   *schema;
	Oid			user;
	int			sec;

	terms->program = program;
	terms->id = id;
	terms->context = context;
	schema = get_namespace_name(get_rel_namespace(program));
	scope.facts = program_relation(get_rel_namespace(program), "metrics");
	rel = relation_open(program, AccessShareLock);
	terms->owner = rel->rd_rel->relowner;
	relation_close(rel, NoLock);

	GetUserIdAndSecContext(&user, &sec);
	SetUserIdAndSecContext(terms->owner,
						   sec | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	PushActiveSnapshot(GetLatestSnapshot());

	initStringInfo(&query);
	appendStringInfo(&query, "SELECT points_scale, rounding, time_zone FROM %s.terms WHERE terms = $1",
					 quote_identifier(schema));
	if (SPI_execute_with_args(query.data, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the terms of a loyalty program");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no terms %d", schema, id)));
	terms->scale = pg_strtoint32(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	terms->rounding = parse_rounding(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
	terms->zone = pg_tzset(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3));
	if (terms->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone of loyalty program \"%s\" not recognized", schema)));

	resetStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT name, multiplier, qualifies FROM %s.terms_tier WHERE terms = $1 ORDER BY rank DESC",
					 quote_identifier(schema));
	if (SPI_execute_with_args(query.data, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the tiers of a loyalty program");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		SPITupleTable *result = SPI_tuptable;
		HeapTuple	row = result->vals[i];
		Tier	   *tier = MemoryContextAllocZero(context, sizeof(Tier));
		char	   *qualifies = SPI_getvalue(row, result->tupdesc, 3);
		bool		isnull;

		tier->name = MemoryContextStrdup(context, SPI_getvalue(row, result->tupdesc, 1));
		old = MemoryContextSwitchTo(context);
		tier->multiplier = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(row, result->tupdesc, 2, &isnull)));
		tier->qualifies = expression_compile(qualifies, scope, BOOLOID,
											 "qualifies of a tier");
		terms->user_functions |= tier->qualifies.user_functions;
		terms->tiers = lappend(terms->tiers, tier);
		MemoryContextSwitchTo(old);
	}

	old = MemoryContextSwitchTo(context);
	rel = relation_open(scope.facts, AccessShareLock);
	terms->estate = CreateExecutorState();
	terms->metrics = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)),
											  &TTSOpsVirtual);
	relation_close(rel, NoLock);
	MemoryContextSetParent(terms->estate->es_query_cxt, context);
	GetPerTupleExprContext(terms->estate)->ecxt_innertuple = terms->metrics;
	MemoryContextSwitchTo(old);

	PopActiveSnapshot();
	SPI_finish();
	SetUserIdAndSecContext(user, sec);
	terms->valid = true;
	return terms;
}

static Terms *
find_terms(Oid program, int32 id)
{
	ListCell   *lc;
	Terms	   *terms;
	MemoryContext old;

	foreach(lc, known_terms)
	{
		terms = (Terms *) lfirst(lc);
		if (terms->program != program || terms->id != id)
			continue;
		if (terms->valid)
			return terms;
		known_terms = foreach_delete_current(known_terms, lc);
		MemoryContextSetParent(terms->context, TopTransactionContext);
		break;
	}
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		callback_registered = true;
	}
	terms = load_terms(program, id);
	MemoryContextSetParent(terms->context, CacheMemoryContext);
	old = MemoryContextSwitchTo(CacheMemoryContext);
	known_terms = lappend(known_terms, terms);
	MemoryContextSwitchTo(old);
	return terms;
}

/* The highest tier whose condition holds, or NULL. */
static Tier *
tier_for(Terms *terms, const Metrics *metrics)
{
	TupleTableSlot *slot = terms->metrics;
	ExprContext *econtext = GetPerTupleExprContext(terms->estate);
	Tier	   *found = NULL;
	ListCell   *lc;
	Oid			user;
	int			sec;
	int			nest = 0;

	if (terms->tiers == NIL)
		return NULL;

	/* The fields of the composite type "metrics", in order. */
	ExecClearTuple(slot);
	memset(slot->tts_isnull, false, 6 * sizeof(bool));
	slot->tts_values[0] = metrics->spend;
	slot->tts_values[1] = Int64GetDatum(metrics->orders);
	slot->tts_values[2] = metrics->points_earned;
	slot->tts_values[3] = IntervalPGetDatum(metrics->tenure);
	slot->tts_isnull[3] = metrics->tenure == NULL;
	slot->tts_values[4] = TimestampTzGetDatum(metrics->first_order_at);
	slot->tts_values[5] = TimestampTzGetDatum(metrics->last_order_at);
	slot->tts_isnull[4] = slot->tts_isnull[5] = !metrics->has_orders;
	ExecStoreVirtualTuple(slot);

	GetUserIdAndSecContext(&user, &sec);
	SetUserIdAndSecContext(terms->owner,
						   sec | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	if (terms->user_functions)
		nest = expression_fix_search_path();
	foreach(lc, terms->tiers)
	{
		Tier	   *tier = (Tier *) lfirst(lc);
		bool		isnull;

		ResetExprContext(econtext);
		if (DatumGetBool(ExecEvalExprSwitchContext(tier->qualifies.state, econtext, &isnull)) && !isnull)
		{
			found = tier;
			break;
		}
	}
	if (nest != 0)
		AtEOXact_GUC(true, nest);
	SetUserIdAndSecContext(user, sec);
	return found;
}

PG_FUNCTION_INFO_V1(loyalty_tier_for);

/*
 * tier_for(program regclass, terms int, spend numeric, orders bigint,
 *          points_earned numeric, joined_at timestamptz,
 *          first_order_at timestamptz, last_order_at timestamptz,
 *          at timestamptz) returns text
 */
Datum
loyalty_tier_for(PG_FUNCTION_ARGS)
{
	Metrics		metrics = {0};
	Terms	   *terms;
	Tier	   *tier;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) ||
		PG_ARGISNULL(3) || PG_ARGISNULL(4) || PG_ARGISNULL(8))
		PG_RETURN_NULL();
	terms = find_terms(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	metrics.spend = PG_GETARG_DATUM(2);
	metrics.orders = PG_GETARG_INT64(3);
	metrics.points_earned = PG_GETARG_DATUM(4);
	if (!PG_ARGISNULL(5))
		metrics.tenure = tenure_between(PG_GETARG_TIMESTAMPTZ(5),
										PG_GETARG_TIMESTAMPTZ(8), terms->zone);
	metrics.has_orders = !PG_ARGISNULL(6) && !PG_ARGISNULL(7);
	if (metrics.has_orders)
	{
		metrics.first_order_at = PG_GETARG_TIMESTAMPTZ(6);
		metrics.last_order_at = PG_GETARG_TIMESTAMPTZ(7);
	}
	tier = tier_for(terms, &metrics);
	if (tier == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(tier->name));
}

/* How an order stood after its latest entry in this window. */
typedef struct OrderMemory
{
	char	   *key;			/* source and order key */
	uint32		hash;
	char		status;
	bool		counted;
	Datum		amount;
	Datum		points;
	Datum		multiplier;
	char	   *tier;
} OrderMemory;

#define SH_PREFIX orders
#define SH_ELEMENT_TYPE OrderMemory
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

/* State of accrue(): one customer. */
typedef struct Accrual
{
	Metrics		metrics;		/* before the next entry */
	orders_hash *orders;
	/* of the latest entry: */
	char	   *tier;
	Datum		multiplier;
	Datum		points;
	int32		orders_change;
	Datum		amount_change;
	Datum		points_change;
} Accrual;

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
	ARG_JOINED,
	ARG_AT,
	ARG_SOURCE,
	ARG_ORDER_KEY,
	ARG_REVISION,
	ARG_COUNTED,
	ARG_AMOUNT,
	ARG_BASE,
	ARG_PRIOR_COUNTED,
	ARG_PRIOR_AMOUNT,
	ARG_PRIOR_POINTS,
	ARG_PRIOR_MULTIPLIER,
	ARG_PRIOR_TIER
};

static Datum
copy_numeric(Datum value)
{
	return PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
}

static Datum
numeric_argument(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? numeric_from_int(0) : copy_numeric(PG_GETARG_DATUM(argument));
}

PG_FUNCTION_INFO_V1(loyalty_accrue_transition);

Datum
loyalty_accrue_transition(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	MemoryContext old;
	Accrual    *state;
	Terms	   *terms;
	OrderMemory *memory;
	char	   *key;
	bool		found;
	bool		counted;
	TimestampTz at;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "accrue transition called outside an aggregate");
	for (int i = ARG_PROGRAM; i <= ARG_BASE; i++)
		if (PG_ARGISNULL(i) && (i <= ARG_TERMS || i >= ARG_AT))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of accrue must not be null", i)));

	terms = find_terms(PG_GETARG_OID(ARG_PROGRAM), PG_GETARG_INT32(ARG_TERMS));
	at = PG_GETARG_TIMESTAMPTZ(ARG_AT);
	counted = PG_GETARG_BOOL(ARG_COUNTED);
	key = psprintf("%d:%s", PG_GETARG_INT32(ARG_SOURCE),
				   text_to_cstring(PG_GETARG_TEXT_PP(ARG_ORDER_KEY)));

	old = MemoryContextSwitchTo(context);
	if (PG_ARGISNULL(ARG_STATE))
	{
		state = palloc0(sizeof(Accrual));
		state->metrics.spend = numeric_argument(fcinfo, ARG_SPEND);
		state->metrics.orders = PG_ARGISNULL(ARG_ORDERS) ? 0 : PG_GETARG_INT64(ARG_ORDERS);
		state->metrics.points_earned = numeric_argument(fcinfo, ARG_POINTS_EARNED);
		state->metrics.has_orders = !PG_ARGISNULL(ARG_FIRST) && !PG_ARGISNULL(ARG_LAST);
		if (state->metrics.has_orders)
		{
			state->metrics.first_order_at = PG_GETARG_TIMESTAMPTZ(ARG_FIRST);
			state->metrics.last_order_at = PG_GETARG_TIMESTAMPTZ(ARG_LAST);
		}
		state->orders = orders_create(context, 8, NULL);
	}
	else
		state = (Accrual *) PG_GETARG_POINTER(ARG_STATE);

	memory = orders_lookup(state->orders, key);
	found = memory != NULL;
	if (!found)
		memory = orders_insert(state->orders, pstrdup(key), &found);
	if (!found && !PG_ARGISNULL(ARG_PRIOR_MULTIPLIER))
	{
		/* The revision before this one is posted. */
		memory->counted = PG_GETARG_BOOL(ARG_PRIOR_COUNTED);
		memory->amount = numeric_argument(fcinfo, ARG_PRIOR_AMOUNT);
		memory->points = numeric_argument(fcinfo, ARG_PRIOR_POINTS);
		memory->multiplier = numeric_argument(fcinfo, ARG_PRIOR_MULTIPLIER);
		memory->tier = PG_ARGISNULL(ARG_PRIOR_TIER) ? NULL :
			text_to_cstring(PG_GETARG_TEXT_PP(ARG_PRIOR_TIER));
	}
	else if (!found)
	{
		Tier	   *tier;

		/* A new order: the tier held just before it, as of its time. */
		MemoryContextSwitchTo(old);
		state->metrics.tenure = PG_ARGISNULL(ARG_JOINED) ? NULL :
			tenure_between(PG_GETARG_TIMESTAMPTZ(ARG_JOINED), at, terms->zone);
		tier = tier_for(terms, &state->metrics);
		MemoryContextSwitchTo(context);
		memory->counted = false;
		memory->amount = numeric_from_int(0);
		memory->points = numeric_from_int(0);
		memory->multiplier = tier == NULL ? numeric_from_int(1) : copy_numeric(tier->multiplier);
		memory->tier = tier == NULL ? NULL : pstrdup(tier->name);
	}
	MemoryContextSwitchTo(old);

	/* Compute in the short-lived context, keep the results. */
	{
		Datum		points = round_points(DirectFunctionCall2(numeric_mul, memory->multiplier,
															  PG_GETARG_DATUM(ARG_BASE)),
										  terms->scale, terms->rounding);
		Datum		points_change = DirectFunctionCall2(numeric_sub, points, memory->points);
		Datum		amount_change = DirectFunctionCall2(numeric_sub, PG_GETARG_DATUM(ARG_AMOUNT),
														memory->amount);

		MemoryContextSwitchTo(context);
		state->tier = memory->tier;
		state->multiplier = memory->multiplier;
		state->points = memory->points = copy_numeric(points);
		memory->amount = copy_numeric(PG_GETARG_DATUM(ARG_AMOUNT));
		state->orders_change = (int) counted - (int) memory->counted;
		memory->counted = counted;
		state->points_change = copy_numeric(points_change);
		state->amount_change = copy_numeric(amount_change);
		state->metrics.spend = DirectFunctionCall2(numeric_add, state->metrics.spend, amount_change);
		state->metrics.points_earned = DirectFunctionCall2(numeric_add, state->metrics.points_earned,
														   points_change);
		MemoryContextSwitchTo(old);
	}
	state->metrics.orders += state->orders_change;
	if (counted)
	{
		if (!state->metrics.has_orders || at < state->metrics.first_order_at)
			state->metrics.first_order_at = at;
		if (!state->metrics.has_orders || at > state->metrics.last_order_at)
			state->metrics.last_order_at = at;
		state->metrics.has_orders = true;
	}
	PG_RETURN_POINTER(state);
}

PG_FUNCTION_INFO_V1(loyalty_accrue_final);

/*
 * Result: (tier, multiplier, points, orders_change, amount_change, points_change).
 * Doesn't change the state: it's called once per row of the window.
 */
Datum
loyalty_accrue_final(PG_FUNCTION_ARGS)
{
	Accrual    *state;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	state = (Accrual *) PG_GETARG_POINTER(0);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "accrue must return a composite type");
	nulls[0] = state->tier == NULL;
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(state->tier);
	values[1] = state->multiplier;
	values[2] = state->points;
	values[3] = Int32GetDatum(state->orders_change);
	values[4] = state->amount_change;
	values[5] = state->points_change;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
