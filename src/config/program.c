/*
 * program.c: what a backend remembers of the programs whose tables it changes.
 *
 * One entry per (triggering relation, program, source, part), with the expressions
 * compiled against the layout of that relation, in a memory context of its own.
 * This is the one place where a triggering relation is resolved to the
 * relations that recording writes to.
 *
 * A relcache invalidation of the tracked table or of the program's
 * configuration only marks the entry; the next use builds a new one.  The old
 * one may still be in use further up the stack, so it lives on to the end of
 * the transaction.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "columns.h"
#include "key.h"
#include "layout.h"
#include "owner.h"
#include "program.h"
#include "snapshot.h"
#include "trust.h"
#include "watch.h"

/*
 * Entries that are kept.  More are only there for a session that writes to so
 * many partitions by name; then the oldest goes.
 */
#define MAX_TABLES 250

static List *tables = NIL;		/* of TrackedTable * */

/* A table of lines or refunds of an entry. */
static bool
is_part(TrackedTable *table, Oid relid)
{
	ListCell   *lc;

	if (table->lines != NULL && table->lines->relid == relid)
		return true;
	foreach(lc, table->refunds)
	{
		if (((OrderPart *) lfirst(lc))->relid == relid)
			return true;
	}
	return false;
}

static void
relation_changed(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		TrackedTable *table = (TrackedTable *) lfirst(lc);

		if (!OidIsValid(relid) || relid == table->relid ||
			relid == table->root || relid == table->program_relid ||
			relid == table->source_relid || relid == table->journal ||
			relid == table->ledger || relid == table->purchase ||
			is_part(table, relid))
			table->valid = false;
	}
}

void
program_cache_init(void)
{
	watch_init();
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

/* Was something that a new entry depends on invalidated while it was loaded? */
static bool
changed_while_loading(TrackedTable *table, uint64 since)
{
	ListCell   *lc;

	foreach(lc, table->refunds)
	{
		if (watch_saw(since, ((OrderPart *) lfirst(lc))->relid))
			return true;
	}
	return watch_saw(since, table->relid) || watch_saw(since, table->root) ||
		watch_saw(since, table->program_relid) || watch_saw(since, table->source_relid) ||
		watch_saw(since, table->journal) || watch_saw(since, table->ledger) ||
		watch_saw(since, table->purchase) ||
		(table->lines != NULL && watch_saw(since, table->lines->relid));
}

/* A relation of the program that must exist. */
Oid
program_relation(Oid schema, const char *name)
{
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("loyalty program \"%s\" has no relation \"%s\"",
						get_namespace_name(schema), name),
				 errhint("Restore it, or stop tracking with loyalty.untrack().")));
	return relid;
}

/*
 * A comparison of customers by the primary key of the journal, as SQL that
 * means it under every search_path.
 */
char *
program_key_operator(Relation index, StrategyNumber strategy)
{
	Oid			type = index->rd_opcintype[0];
	Oid			op = get_opfamily_member(index->rd_opfamily[0], type, type, strategy);
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(op));
	Form_pg_operator form;
	char	   *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", op);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					  NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/* Column of a result row as text in the current context, or NULL. */
static char *
result_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static char *
copy_text(MemoryContext context, int row, int column)
{
	char	   *value = result_text(row, column);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

/* Compile in the table's own context. */
static Expression
compile(TrackedTable *table, const char *text, Oid facts, Oid type,
		const char *what)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	ExpressionScope scope = {.row = table->relid,.facts = facts,
		.row_name = strcmp(table->part, "lines") == 0 ? "line" :
		strcmp(table->part, "refunds") == 0 ? "refund" : NULL,
		.program = table->program,
		.root = table->part[0] == '\0' ? table->root : InvalidOid,
	.time_zone = table->time_zone};
	Expression	result = expression_compile(text, scope, type, what);

	table->needs_settings |= result.needs_settings;
	table->user_code |= result.user_functions;
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Run a query on the configuration, as the program's owner, as it is now: an
 * old snapshot must not fill a cache that later transactions use.
 */
static void
read_configuration(TrackedTable *table, const char *query, int32 argument)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(argument)};

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration of loyalty program \"%s\"",
			 table->program);
}

/* Does a canonical text name a column of the order's row? */
static bool
uses_row(const char *text)
{
	for (const char *at = strstr(text, "new."); at != NULL; at = strstr(at + 1, "new."))
		if (at == text || !(isalnum((unsigned char) at[-1]) || at[-1] == '_'))
			return true;
	return false;
}

/* Keep a rule, row i of the result, as text of its own: to find the one that fails. */
static void
add_rule_text(TrackedTable *table, RuleSet *set, int i, bool per_line)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	RuleText   *rule = palloc(sizeof(RuleText));

	rule->name = copy_text(table->context, i, 1);
	rule->per_line = per_line;
	rule->text = psprintf("coalesce(CASE WHEN %s THEN %s END, 0)", result_text(i, 3),
						  result_text(i, 2));
	set->texts = lappend(set->texts, rule);
	MemoryContextSwitchTo(old);
}

static void check_line_rule(TrackedTable *table, const char *points,
							const char *applies_when);

static void
load_rules(TrackedTable *table, int32 terms)
{
	RuleSet    *set;
	StringInfoData query;
	StringInfoData sum;
	StringInfoData lines;
	MemoryContext old;
	int			count;

	initStringInfo(&query);
	initStringInfo(&sum);
	initStringInfo(&lines);
	appendStringInfo(&query,
					 "SELECT name, points, applies_when, per FROM %s.terms_rule WHERE terms = $1 ORDER BY name",
					 quote_identifier(table->program));
	read_configuration(table, query.data, terms);
	count = SPI_processed;

	set = MemoryContextAllocZero(table->context, sizeof(RuleSet));
	set->terms = terms;
	for (int i = 0; i < count; i++)
	{
		Rule	   *rule = MemoryContextAllocZero(table->context, sizeof(Rule));
		SPITupleTable *result = SPI_tuptable;

		for (int c = 1; c <= 4; c++)
			if (result_text(i, c) == NULL)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("the terms %d of loyalty program \"%s\" have a null in a rule",
								terms, table->program)));
		/* Refunds are no orders: only what rules say of the purchase fits. */
		if (table->is_refunds &&
			(strcmp(result_text(i, 4), "order") != 0 ||
			 uses_row(result_text(i, 2)) || uses_row(result_text(i, 3))))
			continue;
		/* Rules per line are evaluated by current_orders() alone. */
		if (strcmp(result_text(i, 4), "line") == 0)
		{
			check_line_rule(table, result_text(i, 2), result_text(i, 3));
			appendStringInfo(&lines, "%scoalesce(CASE WHEN %s THEN %s END, 0)",
							 lines.len > 0 ? " + " : "", result_text(i, 3), result_text(i, 2));
			add_rule_text(table, set, i, true);
			continue;
		}
		rule->name = copy_text(table->context, i, 1);
		rule->always = strcmp(result_text(i, 3), "true") == 0;
		appendStringInfo(&sum, "%scoalesce(CASE WHEN %s THEN %s END, 0)",
						 sum.len > 0 ? " + " : "", result_text(i, 3), result_text(i, 2));
		rule->points = compile(table, result_text(i, 2), table->purchase,
							   NUMERICOID, "the points of an earning rule");
		rule->applies_when = compile(table, result_text(i, 3), table->purchase,
									 BOOLOID, "applies_when of an earning rule");
		SPI_tuptable = result;
		add_rule_text(table, set, i, false);
		set->may_raise |= rule->points.may_raise || rule->applies_when.may_raise;
		old = MemoryContextSwitchTo(table->context);
		set->rules = lappend(set->rules, rule);
		MemoryContextSwitchTo(old);
	}
	set->base_text = MemoryContextStrdup(table->context, sum.len > 0 ? sum.data : "0");
	if (lines.len > 0)
		set->line_text = MemoryContextStrdup(table->context, lines.data);
	old = MemoryContextSwitchTo(table->context);
	table->rule_sets = lappend(table->rule_sets, set);
	MemoryContextSwitchTo(old);
	pfree(query.data);
	pfree(sum.data);
	pfree(lines.data);
}

/* Enter SPI as the owner, with fixed settings and a snapshot of this moment. */
static void
owner_begin(TrackedTable *table, OwnerScope *scope)
{
	owner_enter(scope, table->owner, true, table->time_zone);
	settings_look_up();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	snapshot_push_current(false);
}

static void
owner_end(OwnerScope *scope)
{
	PopActiveSnapshot();
	SPI_finish();
	owner_leave(scope);
}

/*
 * The tracked table of a source, as the owner's configuration says.  An error
 * if there is none.
 */
Oid
program_source_relation(Oid schema, int32 source)
{
	TrackedTable table = {0};
	StringInfoData query;
	Oid			result = InvalidOid;
	OwnerScope	scope;

	(void) program_relation(schema, "source");
	table.owner = layout_check_owner(schema);
	table.program = get_namespace_name(schema);
	owner_begin(&table, &scope);
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT relation::pg_catalog.oid FROM %s.source WHERE source = $1",
					 quote_identifier(table.program));
	read_configuration(&table, query.data, source);
	if (SPI_processed == 1)
		result = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(result_text(0, 1))));
	owner_end(&scope);
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no source %d", table.program, source)));
	return result;
}

/* Is a relation a table, or a partition or child of it? */
static bool
is_part_of(Oid relid, Oid table)
{
	return relid == table ||
		(OidIsValid(get_rel_type_id(relid)) && OidIsValid(get_rel_type_id(table)) &&
		 typeInheritsFrom(get_rel_type_id(relid), get_rel_type_id(table)));
}

/*
 * Read the lines (kind "lines") or refunds of an order table: columns relation,
 * order key, amount and condition of the result.
 */
static List *
load_parts(TrackedTable *table, const char *kind)
{
	StringInfoData query;
	List	   *parts = NIL;
	MemoryContext old;

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT relation::pg_catalog.oid, order_key, amount, counts_when, without_order FROM %s.part"
					 " WHERE source = $1 AND active AND kind = %s ORDER BY part",
					 quote_identifier(table->program), quote_literal_cstr(kind));
	read_configuration(table, query.data, table->source);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		OrderPart  *part = MemoryContextAllocZero(table->context, sizeof(OrderPart));

		part->relid = DatumGetObjectId(DirectFunctionCall1(oidin,
														   CStringGetDatum(result_text(i, 1))));
		old = MemoryContextSwitchTo(table->context);
		part->from = columns_from_clause(part->relid, table->program,
										 strcmp(kind, "lines") == 0 ? "line" : "refund");
		part->order_key_text = copy_text(table->context, i, 2);
		part->amount_text = copy_text(table->context, i, 3);
		part->counts_when_text = copy_text(table->context, i, 4);
		part->without_order = copy_text(table->context, i, 5);
		if (part->from == NULL)
			table->stranger = true; /* what is left can't tell how orders stand */
		else
			parts = lappend(parts, part);
		MemoryContextSwitchTo(old);
	}
	return parts;
}

/* Compile what is needed of a table of lines or refunds: its order key. */
static void
load_part_table(TrackedTable *table)
{
	List	   *parts = load_parts(table, table->part);
	ListCell   *lc;

	foreach(lc, parts)
	{
		OrderPart  *part = (OrderPart *) lfirst(lc);

		if (!is_part_of(table->relid, part->relid))
			continue;
		table->order_key = compile(table, part->order_key_text, InvalidOid, TEXTOID,
								   "the order key");
		table->counts_when = compile(table, part->counts_when_text, InvalidOid, BOOLOID,
									 "counts_when");
		table->without_order = part->without_order;
		return;
	}
	table->stranger = true;
}

/* Plans live outside of the entry's memory, but go with it. */
static void
free_plans(void *arg)
{
	TrackedTable *table = (TrackedTable *) arg;
	ListCell   *lc;

	foreach(lc, table->rule_sets)
	{
		RuleSet    *set = (RuleSet *) lfirst(lc);

		if (set->current != NULL)
			SPI_freeplan(set->current);
		if (set->current_one != NULL)
			SPI_freeplan(set->current_one);
	}
	if (table->customers != NULL)
		SPI_freeplan(table->customers);
	if (table->joined != NULL)
		SPI_freeplan(table->joined);
	if (table->unposted != NULL)
		SPI_freeplan(table->unposted);
	if (table->account_version != NULL)
		SPI_freeplan(table->account_version);
}

/* Does row security hide rows from the owner that orders are read from? */
static bool
rows_are_hidden(TrackedTable *table)
{
	bool		hidden = check_enable_rls(table->root, table->owner, true) == RLS_ENABLED;
	ListCell   *lc;

	if (table->lines != NULL)
		hidden |= check_enable_rls(table->lines->relid, table->owner, true) == RLS_ENABLED;
	foreach(lc, table->refunds)
	{
		OrderPart  *part = (OrderPart *) lfirst(lc);

		hidden |= check_enable_rls(part->relid, table->owner, true) == RLS_ENABLED;
	}
	return hidden;
}

/* May a part of an order be read by query, as the owner, who is the current user? */
static void
check_part(TrackedTable *table, OrderPart *part, const char *row_name)
{
	ExpressionScope scope = {.row = part->relid,.row_name = row_name,
	.program = table->program,.time_zone = table->time_zone};

	trust_check_table(part->relid);
	table->user_code |= expression_check(part->order_key_text, scope, TEXTOID, "the order key");
	if (part->amount_text != NULL)
		table->user_code |= expression_check(part->amount_text, scope, NUMERICOID, "the amount");
	table->user_code |= expression_check(part->counts_when_text, scope, BOOLOID, "counts_when");
}

/* The same for all that is not compiled, but becomes part of queries. */
static void
check_queries(TrackedTable *table)
{
	ListCell   *lc;
	ExpressionScope scope = {.row = table->relid,.root = table->root,
	.program = table->program,.time_zone = table->time_zone};

	trust_check_table(table->relid);
	trust_check_key_type(table->customer_type, "the customer");
	if (table->currency_text != NULL)
		table->user_code |= expression_check(table->currency_text, scope, TEXTOID, "the currency");
	if (table->lines != NULL)
		check_part(table, table->lines, "line");
	foreach(lc, table->refunds)
		check_part(table, (OrderPart *) lfirst(lc), "refund");
}

/* A rule per line, which is never compiled. */
static void
check_line_rule(TrackedTable *table, const char *points, const char *applies_when)
{
	ExpressionScope scope = {.row = table->relid,.root = table->root,
		.facts = table->purchase,.program = table->program,
	.time_zone = table->time_zone};

	if (table->lines == NULL)
		return;
	scope.line = table->lines->relid;
	table->user_code |= expression_check(points, scope, NUMERICOID, "the points of an earning rule");
	table->user_code |= expression_check(applies_when, scope, BOOLOID, "applies_when of an earning rule");
}

/* Fill a new entry; it is not yet in the list. */
static TrackedTable *
load_table(Oid relid, const char *program, int32 source, const char *part)
{
	MemoryContext context;
	TrackedTable *table;
	StringInfoData query;
	Relation	rel;
	Relation	index;
	Oid			ledger_type;
	MemoryContext old;
	Oid			schema;
	OwnerScope	scope;
	LOCKMODE	lock;
	uint64		since = watch_begin();

	schema = get_namespace_oid(program, true);
	if (!OidIsValid(schema) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "loyalty tracked table",
									ALLOCSET_SMALL_SIZES);
	table = MemoryContextAllocZero(context, sizeof(TrackedTable));
	table->context = context;
	table->end.func = free_plans;
	table->end.arg = table;
	MemoryContextRegisterResetCallback(context, &table->end);
	table->relid = relid;
	table->program = MemoryContextStrdup(context, program);
	table->source = source;
	table->part = MemoryContextStrdup(context, part);
	table->program_relid = program_relation(schema, "program");
	table->source_relid = program_relation(schema, "source");
	table->journal = program_relation(schema, "journal");
	table->ledger = program_relation(schema, "ledger");
	table->purchase = program_relation(schema, "purchase");

	table->owner = layout_check_owner(schema);
	rel = relation_open(table->ledger, AccessShareLock);
	layout_check_entries(rel, true, AccessShareLock);
	ledger_type = TupleDescAttr(RelationGetDescr(rel), 0)->atttypid;
	relation_close(rel, NoLock);
	/* The lock that recording takes: a weaker one would have to be raised. */
	lock = RecoveryInProgress() ? AccessShareLock : RowExclusiveLock;
	rel = relation_open(table->journal, lock);
	layout_check_entries(rel, false, lock);
	if (TupleDescAttr(RelationGetDescr(rel), 0)->atttypid != ledger_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("journal and ledger of loyalty program \"%s\" have customers of different types",
						program)));
	index = relation_open(layout_primary_key(rel), lock);
	old = MemoryContextSwitchTo(context);
	entry_init_keys(index, table->entry_keys);
	table->same_customer = program_key_operator(index, BTEqualStrategyNumber);
	MemoryContextSwitchTo(old);
	relation_close(index, NoLock);
	table->customer_type = TupleDescAttr(RelationGetDescr(rel), 0)->atttypid;
	/*
	 * Comparing customers, and reading them from text, may run code of users; so
	 * may indexes, constraints and triggers of the journal.
	 */
	table->look_first = !writer_is_plain(rel);
	table->needs_settings = table->look_first || table->customer_type >= FirstNormalObjectId;
	table->customer_length = TupleDescAttr(RelationGetDescr(rel), 0)->attlen;
	table->customer_by_value = TupleDescAttr(RelationGetDescr(rel), 0)->attbyval;
	relation_close(rel, NoLock);
	rel = relation_open(relid, AccessShareLock);
	old = MemoryContextSwitchTo(context);
	table->row_desc = CreateTupleDescCopy(RelationGetDescr(rel));
	table->from = columns_from_clause(relid, table->program, "new");
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);
	rel = relation_open(table->purchase, AccessShareLock);
	layout_check_purchase(rel, table->customer_type);
	old = MemoryContextSwitchTo(context);
	table->purchase_desc = CreateTupleDescCopy(RelationGetDescr(rel));
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);

	owner_begin(table, &scope);
	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT s.relation::oid, s.customer, s.at, s.amount, s.counts_when, s.order_key,"
					 "       p.terms, p.on_invalid, p.time_zone, s.refunds, s.currency, s.terms"
					 "  FROM %1$s.source s CROSS JOIN %1$s.program p WHERE s.source = $1",
					 quote_identifier(program));
	read_configuration(table, query.data, source);
	/* A row that is changed meanwhile may have been missed in both places. */
	if (SPI_processed == 0 && !snapshot_is_of_one_moment(false))
		read_configuration(table, query.data, source);
	if (SPI_processed == 0)
		table = NULL;
	else
	{
		SPITupleTable *result = SPI_tuptable;
		char	   *skip = result_text(0, 8);

		for (int c = 1; c <= 12; c++)
			if (result_text(0, c) == NULL && c != 4 && c != 11)
				ereport(ERROR,
						(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						 errmsg("the configuration of loyalty program \"%s\" has a null in source %d",
								program, source)));
		table->root = DatumGetObjectId(DirectFunctionCall1(oidin,
														   CStringGetDatum(result_text(0, 1))));
		/* A partition that was detached, or a trigger that somebody copied. */
		if (table->part[0] == '\0' && !is_part_of(relid, table->root))
			table->stranger = true;
		table->customer_text = copy_text(context, 0, 2);
		table->at_text = copy_text(context, 0, 3);
		table->amount_text = copy_text(context, 0, 4);
		table->counts_when_text = copy_text(context, 0, 5);
		table->order_key_text = copy_text(context, 0, 6);
		table->terms = pg_strtoint32(result_text(0, 7));
		table->skip_invalid = strcmp(skip, "skip") == 0;
		table->time_zone = copy_text(context, 0, 9);
		table->is_refunds = result_text(0, 10)[0] == 't';
		table->currency_text = copy_text(context, 0, 11);
		table->first_terms = pg_strtoint32(result_text(0, 12));
		SPI_freetuptable(result);

		if (table->part[0] != '\0')
			load_part_table(table);
		else if (!table->stranger)
		{
			List	   *lines = load_parts(table, "lines");

			table->lines = lines == NIL ? NULL : (OrderPart *) linitial(lines);
			table->refunds = load_parts(table, "refunds");
			if (table->lines == NULL && table->amount_text == NULL)
				table->stranger = true;
			table->rows_hidden = rows_are_hidden(table);
			if (program_more_than_row(table) && table->rows_hidden)
				table->stranger = true;
			check_queries(table);
			table->customer = compile(table, table->customer_text, InvalidOid,
										  table->customer_type, "the customer");
			table->at = compile(table, table->at_text, InvalidOid, TIMESTAMPTZOID,
								"the time of the order");
			if (table->amount_text != NULL)
				table->amount = compile(table, table->amount_text, InvalidOid, NUMERICOID,
										"the amount");
			table->counts_when = compile(table, table->counts_when_text, InvalidOid, BOOLOID,
										 "counts_when");
			table->order_key = compile(table, table->order_key_text, InvalidOid,
										   TEXTOID, "the order key");
			table->unique_key = relid == table->root &&
				key_is_unique(relid, (Node *) table->order_key.planned);
			table->may_raise = table->counts_when.may_raise || table->at.may_raise ||
				table->amount.may_raise;
			load_rules(table, table->terms);
		}
	}
	owner_end(&scope);
	if (table != NULL)
		table->valid = !changed_while_loading(table, since);
	return table;
}

/* An entry that is no longer in the list goes with the transaction. */
static void
retire(TrackedTable *table)
{
	MemoryContextSetParent(table->context, TopTransactionContext);
}

/*
 * The entry for a triggering relation, or NULL if the program, or its note of
 * this source, is gone.  Stays usable to the end of the transaction.
 */
TrackedTable *
program_tracked_table(Oid relid, const char *program, int32 source, const char *part)
{
	TrackedTable *table;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, tables)
	{
		table = (TrackedTable *) lfirst(lc);
		if (table->relid != relid || table->source != source ||
			strcmp(table->program, program) != 0 || strcmp(table->part, part) != 0)
			continue;
		if (table->valid)
			return table;
		tables = foreach_delete_current(tables, lc);
		retire(table);
		break;
	}

	/*
	 * What changes again and again while it is loaded is used as it was found,
	 * and loaded again the next time.
	 */
	table = load_table(relid, program, source, part);
	for (int again = 0; table != NULL && !table->valid && again < 3; again++)
	{
		retire(table);
		table = load_table(relid, program, source, part);
	}
	if (table != NULL)
	{
		if (list_length(tables) == MAX_TABLES)
		{
			retire((TrackedTable *) linitial(tables));
			tables = list_delete_first(tables);
		}
		MemoryContextSetParent(table->context, CacheMemoryContext);
		old = MemoryContextSwitchTo(CacheMemoryContext);
		tables = lappend(tables, table);
		MemoryContextSwitchTo(old);
	}
	return table;
}

/*
 * The entry of the table that was tracked, for an entry of it or of a partition.
 */
TrackedTable *
program_root_table(TrackedTable *table)
{
	return program_tracked_table(table->root, table->program, table->source, "");
}

/*
 * The rules of one version of the terms.
 */
RuleSet *
program_rules(TrackedTable *table, int32 terms)
{
	ListCell   *lc;
	OwnerScope	scope;

	foreach(lc, table->rule_sets)
	{
		RuleSet    *set = (RuleSet *) lfirst(lc);

		if (set->terms == terms)
			return set;
	}
	owner_begin(table, &scope);
	load_rules(table, terms);
	owner_end(&scope);
	return (RuleSet *) llast(table->rule_sets);
}

PG_FUNCTION_INFO_V1(loyalty_configuration_changed);

/*
 * configuration_changed(): statement trigger on the configuration.  Tells every
 * backend to read it again before its next use.
 */
Datum
loyalty_configuration_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Oid			program;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called by an AFTER STATEMENT trigger",
						"configuration_changed")));

	/* What is kept depends on the table "program", whatever table changed. */
	program = get_relname_relid("program", RelationGetNamespace(trigdata->tg_relation));
	if (OidIsValid(program))
		CacheInvalidateRelcacheByRelid(program);
	return PointerGetDatum(NULL);
}
