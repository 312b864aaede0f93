/*
 * terms.c: the versions of a program's terms, as far as posting needs them:
 * rounding, what refunds take, time zone and tiers.
 *
 * A version of the terms never changes, so what is kept of it stays right; it
 * is thrown away with the program's settings, because the owner may change.
 * A condition of a tier runs with the rights of the program's owner.
 *
 * An order makes round(multiplier * awards) points, rounded once.  Rounding works
 * on the magnitude, so that a credit note mirrors its order.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "condition.h"
#include "definition.h"
#include "history.h"
#include "layout.h"
#include "member_rules.h"
#include "metrics.h"
#include "owner.h"
#include "program.h"
#include "protect.h"
#include "snapshot.h"
#include "tenure.h"
#include "terms.h"
#include "wallet.h"
#include "watch.h"

static List *known_terms = NIL; /* of Terms * */
static bool callback_registered = false;

static void
mark_terms(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, known_terms)
	{
		Terms	   *terms = (Terms *) lfirst(lc);

		if (!OidIsValid(relid) || relid == terms->program ||
			relid == terms->facts_relid || relid == terms->view ||
			relid == terms->rule_facts_relid || relid == terms->member_view || relid == terms->metrics_view)
			terms->valid = false;
	}
}

static Rounding
parse_rounding(const char *schema, const char *name)
{
	Rounding	rounding;

	if (!rounding_parse(name, &rounding))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rounding of loyalty program \"%s\" not recognized", schema),
				 errdetail("It is \"%s\", and may be floor, half_even, half_up or ceil.", name)));
	return rounding;
}

static bool
parse_refunds_take(const char *schema, const char *name)
{
	if (strcmp(name, "available") == 0)
		return true;
	if (strcmp(name, "pending") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("refunds_take of loyalty program \"%s\" not recognized", schema),
			 errdetail("It is \"%s\", and may be pending or available.", name)));
}

static Shortfall
parse_shortfall(const char *schema, const char *name)
{
	if (strcmp(name, "owe") == 0)
		return SHORTFALL_OWE;
	if (strcmp(name, "forgive") == 0)
		return SHORTFALL_FORGIVE;
	if (strcmp(name, "reject") == 0)
		return SHORTFALL_REJECT;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("refund_shortfall of loyalty program \"%s\" not recognized", schema),
			 errdetail("It is \"%s\", and may be owe, forgive or reject.", name)));
}

static ReturnsPaid
parse_returns_paid(const char *schema, const char *name)
{
	if (strcmp(name, "never") == 0)
		return RETURNS_NEVER;
	if (strcmp(name, "full") == 0)
		return RETURNS_FULL;
	if (strcmp(name, "proportional") == 0)
		return RETURNS_PROPORTIONAL;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("returns_paid_points of loyalty program \"%s\" not recognized", schema),
			 errdetail("It is \"%s\", and may be never, full or proportional.", name)));
}

/*
 * Round the magnitude of points to the scale of the program.
 */
Datum
terms_round(Terms *terms, Datum points)
{
	return rounding_apply(terms->rounding, terms->scale, points);
}

/* A value of a result row, which must not be null. */
static char *
terms_value(const char *schema, int row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the terms of loyalty program \"%s\" have a null", schema)));
	return value;
}

/*
 * What is folded, and tiers, tell something of a program: only to its views, whoever is
 * allowed to read these, or a view of them; to who may read one of these views; and to the
 * owner.  A view proves itself by what the table "program" has in the column "reader",
 * which it reads with the rights of its owner.
 */
void
terms_check_reader(Terms *terms, const pg_uuid_t * reader)
{
	static const char *const views[] = {"members", "former_members", "entries", "unposted", "order_points"};
	Oid			schema;

	if ((reader != NULL && memcmp(reader, &terms->reader, sizeof(pg_uuid_t)) == 0) ||
		has_privs_of_role(GetUserId(), terms->owner))
		return;
	schema = get_rel_namespace(terms->program);
	for (int i = 0; i < lengthof(views); i++)
	{
		Oid			view = get_relname_relid(views[i], schema);

		if (OidIsValid(view) &&
			pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for loyalty program \"%s\"",
					get_namespace_name(schema))));
}

/* Run a query on one version of the terms. */
static void
read_terms(Terms *terms, const char *query)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(terms->id)};

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the terms of a loyalty program");
}

/* How points are rounded, what refunds take, and where days are counted. */
static void
load_settings(Terms *terms, const char *schema)
{
	char	   *zone;
	bool		isnull;

	read_terms(terms, psprintf("SELECT t.points_scale, t.rounding, t.time_zone, t.since::pg_catalog.timestamptz,"
							   " p.reader::pg_catalog.uuid, t.refunds_take, t.refund_shortfall, t.returns_paid_points"
							   " FROM %1$s.terms t CROSS JOIN %1$s.program p"
							   " WHERE t.version OPERATOR(pg_catalog.=) $1", quote_identifier(schema)));
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no terms %d", schema, terms->id)));
	terms->scale = pg_strtoint32(terms_value(schema, 0, 1));
	terms->rounding = parse_rounding(schema, terms_value(schema, 0, 2));
	terms->available_first = parse_refunds_take(schema, terms_value(schema, 0, 6));
	terms->shortfall = parse_shortfall(schema, terms_value(schema, 0, 7));
	terms->returns_paid = parse_returns_paid(schema, terms_value(schema, 0, 8));
	(void) terms_value(schema, 0, 4);
	terms->since = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4,
													 &isnull));
	(void) terms_value(schema, 0, 5);
	terms->reader = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5,
												 &isnull));
	zone = terms_value(schema, 0, 3);
	terms->zone = pg_tzset(zone);
	terms->time_zone = MemoryContextStrdup(terms->context, zone);
	if (terms->zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone of loyalty program \"%s\" not recognized", schema)));
}

/* The tiers, from the highest rank down. */
static void
load_tiers(Terms *terms, Oid schema_oid, const char *schema)
{
	Oid			view = get_relname_relid(psprintf("tiers_%d", terms->id), schema_oid);
	SPITupleTable *result;
	uint64		count;
	Definition	definition;
	MemoryContext old;

	read_terms(terms, psprintf("SELECT name, multiplier FROM %s.terms_tier WHERE version = $1 ORDER BY rank DESC",
							   quote_identifier(schema)));
	result = SPI_tuptable;
	count = SPI_processed;
	if (count == 0)
		return;
	if (!OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("loyalty program \"%s\" has no view of its tiers under its terms %d", schema, terms->id),
				 errhint("SELECT * FROM loyalty.verify(%s) tells which condition to correct in the table \"terms_tier\".",
						 quote_literal_cstr(schema))));
	if (SPI_gettypeid(result->tupdesc, 2) != NUMERICOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the multiplier of a tier of loyalty program \"%s\" must be numeric", schema)));
	terms->view = view;
	definition = definition_open(view);
	for (uint64 i = 0; i < count; i++)
	{
		Tier	   *tier = MemoryContextAllocZero(terms->context, sizeof(Tier));
		bool		isnull;

		SPI_tuptable = result;
		(void) terms_value(schema, i, 2);
		tier->name = MemoryContextStrdup(terms->context, terms_value(schema, i, 1));
		old = MemoryContextSwitchTo(terms->context);
		tier->multiplier = PointerGetDatum(PG_DETOAST_DATUM_COPY(SPI_getbinval(result->vals[i], result->tupdesc, 2, &isnull)));
		tier->condition.kind = CONDITION_OF_TIER;
		tier->condition.name = tier->name;
		condition_load(terms, &tier->condition, &definition, psprintf("tier_%d", (int) i + 1));
		terms->tiers = lappend(terms->tiers, tier);
		MemoryContextSwitchTo(old);
	}
}

/* Compiled conditions live outside of the memory of the terms, but go with it. */
static void
free_conditions(void *arg)
{
	ListCell   *lc;

	foreach(lc, ((Terms *) arg)->tiers)
		expression_free(&((Tier *) lfirst(lc))->condition.expression);
	foreach(lc, ((Terms *) arg)->member_rules)
		expression_free(&((MemberRule *) lfirst(lc))->condition.expression);
	foreach(lc, ((Terms *) arg)->metrics)
		expression_free(&((Condition *) lfirst(lc))->expression);
}

/* Read and compile one version of the terms. */
static Terms *
load_terms(Oid program, int32 id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "loyalty terms",
												  ALLOCSET_SMALL_SIZES);
	Terms	   *terms = MemoryContextAllocZero(context, sizeof(Terms));
	OwnerScope	scope;
	Relation	rel;
	MemoryContext old;
	Oid			schema_oid = get_rel_namespace(program);
	char	   *schema = OidIsValid(schema_oid) ? get_namespace_name(schema_oid) : NULL;
	uint64		since = watch_begin();

	terms->program = program;
	terms->id = id;
	terms->context = context;
	terms->end.func = free_conditions;
	terms->end.arg = terms;
	MemoryContextRegisterResetCallback(context, &terms->end);
	if (schema == NULL || strcmp(get_rel_name(program), "program") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation with OID %u is no loyalty program", program)));
	terms->facts_relid = program_relation(schema_oid, "facts");
	terms->owner = layout_check_owner(schema_oid);
	rel = relation_open(terms->facts_relid, AccessShareLock);
	layout_check_facts(rel, false);
	old = MemoryContextSwitchTo(context);
	terms->econtext = CreateStandaloneExprContext();
	terms->facts = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)),
											&TTSOpsVirtual);
	terms->econtext->ecxt_innertuple = terms->facts;
	terms->no_history = PointerGetDatum(history_encode(history_new(0)));
	terms->no_events = PointerGetDatum(construct_empty_array(layout_event_type()));
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);

	owner_enter(&scope, terms->owner, true, NULL);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (IsInParallelMode())
		PushActiveSnapshot(GetActiveSnapshot());
	else
	{
		/* Recording reads terms, too. */
		settings_look_up();
		snapshot_push_current(false);
	}
	version_require(schema_oid);
	load_settings(terms, schema);
	settings_time_zone(terms->time_zone);
	load_tiers(terms, schema_oid, schema);
	metrics_load(terms, schema_oid, schema);
	member_rules_load(terms, schema_oid, schema);
	wallet_load(terms, schema);
	PopActiveSnapshot();
	SPI_finish();
	owner_leave(&scope);
	terms->valid = !watch_saw(since, program) && !watch_saw(since, terms->facts_relid) &&
		!watch_saw(since, terms->view) && !watch_saw(since, terms->metrics_view) &&
		(terms->member_rules == NIL || (!watch_saw(since, terms->member_view) && !watch_saw(since, terms->rule_facts_relid)));
	return terms;
}

/* Do the compiled conditions still mean what they say? */
static bool
conditions_are_valid(const Terms *terms)
{
	ListCell   *lc;

	foreach(lc, terms->tiers)
	{
		if (!expression_is_valid(&((Tier *) lfirst(lc))->condition.expression))
			return false;
	}
	foreach(lc, terms->member_rules)
	{
		if (!expression_is_valid(&((MemberRule *) lfirst(lc))->condition.expression))
			return false;
	}
	foreach(lc, terms->metrics)
	{
		if (!expression_is_valid(&((Condition *) lfirst(lc))->expression))
			return false;
	}
	return true;
}

/*
 * One version of the terms of a program, given by its table "program".
 */
Terms *
terms_find(Oid program, int32 id)
{
	ListCell   *lc;
	Terms	   *terms;
	MemoryContext old;

	foreach(lc, known_terms)
	{
		terms = (Terms *) lfirst(lc);
		if (terms->program != program || terms->id != id)
			continue;
		if (terms->valid && conditions_are_valid(terms))
			return terms;
		known_terms = foreach_delete_current(known_terms, lc);
		MemoryContextSetParent(terms->context, TopTransactionContext);
		break;
	}
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(mark_terms, (Datum) 0);
		callback_registered = true;
	}
	terms = load_terms(program, id);
	MemoryContextSetParent(terms->context, CacheMemoryContext);
	old = MemoryContextSwitchTo(CacheMemoryContext);
	known_terms = lappend(known_terms, terms);
	MemoryContextSwitchTo(old);
	return terms;
}

/* Terms that are looked for, for protect(). */
typedef struct Search
{
	Oid			program;
	int32		id;
	Terms	   *found;
} Search;

static void
find_terms(void *arg)
{
	Search	   *search = (Search *) arg;

	search->found = terms_find(search->program, search->id);
}

/*
 * The same for recording, which must go on if terms cannot be read, as when the
 * condition of a tier calls a function of somebody else: then NULL.
 */
Terms *
terms_if_possible(Oid program, int32 id)
{
	Search		search = {.program = program,.id = id};
	ListCell   *lc;

	foreach(lc, known_terms)
	{
		Terms	   *terms = (Terms *) lfirst(lc);

		if (terms->program == program && terms->id == id && terms->valid)
			return terms;
	}
	if (protect(find_terms, &search) != NULL)
		return NULL;
	return search.found;
}

/*
 * The highest tier whose condition holds, or NULL.
 */
Tier *
terms_tier(Terms *terms, const Facts *facts)
{
	Tier	   *found = NULL;
	ListCell   *lc;
	ConditionScope scope;

	if (terms->tiers == NIL)
		return NULL;
	condition_begin(&scope, terms, terms->econtext, facts, NULL);
	foreach(lc, terms->tiers)
	{
		Tier	   *tier = (Tier *) lfirst(lc);

		if (condition_holds(&scope, &tier->condition))
		{
			found = tier;
			break;
		}
	}
	condition_end(&scope);
	return found;
}

/*
 * Since when the customer whose facts these are is one, and so the tenure, if it is known
 * and some condition asks for it.
 */
void
terms_set_joined(Terms *terms, Facts *facts, bool has_joined, TimestampTz joined)
{
	facts->has_joined = has_joined;
	facts->joined_at = joined;
	facts->tenure = has_joined && terms->uses_tenure ?
		tenure_between(joined, facts->at, terms->zone) : NULL;
}

/*
 * The name of the highest tier whose condition holds, as text, or NULL; the tenure in the
 * facts is filled in, if the customer's joining is known and some tier asks for it.
 */
text *
terms_tier_name(Terms *terms, Facts *facts, bool has_joined, TimestampTz joined)
{
	Tier	   *tier;

	terms_set_joined(terms, facts, has_joined, joined);
	tier = terms_tier(terms, facts);
	return tier == NULL ? NULL : cstring_to_text(tier->name);
}

/*
 * Tell a program which versions (int) of the terms have entries in the ledger, so that
 * they are kept; as its owner, with SPI connected.
 */
void
terms_note_posted(Oid schema, List *versions)
{
	Oid			types[2] = {NAMEOID, INT4ARRAYOID};
	Datum	   *numbers = palloc(list_length(versions) * sizeof(Datum));
	Datum		values[2];
	NameData	name;
	int			count = 0;
	ListCell   *lc;

	if (versions == NIL)
		return;
	foreach(lc, versions)
		numbers[count++] = Int32GetDatum(lfirst_int(lc));
	namestrcpy(&name, get_namespace_name(schema));
	values[0] = NameGetDatum(&name);
	values[1] = PointerGetDatum(construct_array(numbers, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	if (SPI_execute_with_args("SELECT _loyalty.note_posted($1, $2)", 2, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not note terms of posted entries");
}

PG_FUNCTION_INFO_V1(loyalty_uses_histories);

/*
 * uses_histories(program regclass, terms int) returns boolean
 *
 * Do conditions of these terms ask for the histories of customers?  They are in views that everybody who reads the
 * program may see.
 */
Datum
loyalty_uses_histories(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1))->uses_histories);
}

PG_FUNCTION_INFO_V1(loyalty_tier_for);

/*
 * tier_for(program regclass, terms int, spend numeric, orders bigint,
 *          points_earned numeric, joined_at timestamptz,
 *          first_order_at timestamptz, last_order_at timestamptz,
 *          at timestamptz, reader uuid, purchases loyalty.history,
 *          events _loyalty.event_history[], customer_row jsonb) returns text
 */
Datum
loyalty_tier_for(PG_FUNCTION_ARGS)
{
	Facts		facts = {0};
	Terms	   *terms;
	Tier	   *tier;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	terms = terms_find(PG_GETARG_OID(0), PG_GETARG_INT32(1));
	tier = metrics_read_facts(fcinfo, 2, terms, &facts) ? terms_tier(terms, &facts) : NULL;
	if (tier == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(tier->name));
}
