/*
 * loading.c: an entry of program.c is filled out of the configuration and the views of the
 * program.
 *
 * This is the one place where a triggering relation is resolved to the relations that
 * recording writes to.  All that an entry is made of lives in its memory, or goes with it.
 * If something was invalidated meanwhile, the entry is not valid, and is loaded again.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "configured.h"
#include "definition.h"
#include "key.h"
#include "layout.h"
#include "loading.h"
#include "owner.h"
#include "program.h"
#include "rights.h"
#include "trust.h"
#include "views.h"
#include "watch.h"
#include "writer.h"

/* Is a relation a table, or a partition or child of it? */
static bool
is_part_of(Oid relid, Oid table)
{
	return relid == table ||
		(OidIsValid(get_rel_type_id(relid)) && OidIsValid(get_rel_type_id(table)) &&
		 typeInheritsFrom(get_rel_type_id(relid), get_rel_type_id(table)));
}

/*
 * What the rules of one version of the terms give for rows of the table.  Orders that
 * are more than a row are always read from the view, where one query evaluates all.
 */
void
loading_rules(TrackedTable *table, int32 terms)
{
	RuleSet    *set = MemoryContextAllocZero(table->context, sizeof(RuleSet));
	List	   *names = configured_rules(table, terms);
	Definition	definition;
	MemoryContext old;
	ListCell   *lc;
	int			award = 0;

	set->terms = terms;
	set->stacking = stacking_load(table->program, terms, table->context);
	set->view = views_orders(table, terms);
	definition = definition_open(set->view);
	views_check_orders(table, &definition);
	definition_check(&definition);
	table->user_code |= definition_runs_user_code(&definition);
	foreach(lc, names)
	{
		Rule	   *rule = MemoryContextAllocZero(table->context, sizeof(Rule));
		Node	   *expr = definition_guarded(definition_expression(&definition, NULL,
																	psprintf("award_%d", ++award)));

		rule->name = (char *) lfirst(lc);
		if (!program_more_than_row(table) && !(expr != NULL && IsA(expr, Const) && ((Const *) expr)->constisnull))
			rule->award = views_compile(table, &definition, expr, NUMERICOID);
		set->may_raise |= rule->award.may_raise;
		old = MemoryContextSwitchTo(table->context);
		set->rules = lappend(set->rules, rule);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(table->context);
	table->rule_sets = lappend(table->rule_sets, set);
	MemoryContextSwitchTo(old);
}

/*
 * Is the amount of an order the sum of its lines?  Then it counts from the first one on,
 * and lines are looked for.
 */
static void
load_lines(TrackedTable *table, const Definition *definition)
{
	Index		lines = definition_row(definition, "lines");
	Node	   *gross = definition_expression(definition, "worth", "gross");

	table->kept = program_relation(get_namespace_oid(table->program, false), "kept");
	if (lines != 0 && bms_is_member(lines, loyalty_pull_varnos(gross)))
		key_init_probe(&table->line_probe, table->lines, "line");
}

/* The tables of lines and refunds of the orders. */
static void
load_parts(TrackedTable *table)
{
	MemoryContext old;
	char	   *query = psprintf("SELECT relation::pg_catalog.oid, kind, tracked_table FROM %s.tracked_table"
								 " WHERE of_tracked_table = $1 AND active AND kind IN ('lines', 'refunds') ORDER BY tracked_table",
								 quote_identifier(table->program));

	configured_query(table, query, table->tracked_table);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Oid			relid = configured_oid(i, 1);
		Oid			view = views_find(table, configured_text(i, 2), configured_number(i, 3), 0);

		/* what is left can't tell how orders stand */
		if (get_rel_relkind(relid) == '\0')
			table->lack = LACKS_PART;
		else if (!OidIsValid(view))
			table->lack = LACKS_VIEW;
		if (table->lack != LACKS_NOTHING)
			continue;
		old = MemoryContextSwitchTo(table->context);
		table->parts = lappend_oid(table->parts, relid);
		if (strcmp(configured_text(i, 2), "lines") == 0)
			table->lines = view;
		MemoryContextSwitchTo(old);
	}
	pfree(query);
}

/* Compile what is needed of a table of lines or refunds: its order key. */
static void
load_part_table(TrackedTable *table)
{
	Definition	definition;

	table->view = views_find(table, table->part, table->number, 0);
	if (get_rel_relkind(table->root) == '\0')
		table->lack = LACKS_ORDERS;
	else if (!OidIsValid(table->view))
		table->lack = table->paused ? LACKS_RESUME : LACKS_VIEW;
	else if (!is_part_of(table->relid, program_part_root(table)))
		table->lack = LACKS_TABLE;
	if (table->lack != LACKS_NOTHING)
		return;
	definition = definition_open(table->view);
	rights_load(table, &definition);
	if (table->lack != LACKS_NOTHING)
		return;
	table->order_key = views_compile(table, &definition, definition_expression(&definition, NULL, "order_key"), TEXTOID);
	if (strcmp(table->part, "refunds") == 0)
		table->counts_when = views_compile(table, &definition, definition_expression(&definition, "said", "counts"), BOOLOID);
}

/* Compile when the points of an order are available, if the orders say so themselves. */
static void
load_available(TrackedTable *table, Definition *definition)
{
	Node	   *expr = definition_expression(definition, "worth", "available_at");

	if (expr != NULL)
		table->available_at = views_compile(table, definition, definition_guarded(expr), TIMESTAMPTZOID);
}

/* Compile what identifies an order, and how it stands by its row alone. */
static void
load_orders_table(TrackedTable *table)
{
	Definition	definition;

	table->view = views_find(table, "orders", table->number, table->terms);
	table->identity = views_find(table, "orders", table->number, 0);

	/* A partition that was detached, or a trigger that somebody copied. */
	if (!is_part_of(table->relid, table->root))
		table->lack = LACKS_TABLE;
	else if (!OidIsValid(table->view) || !OidIsValid(table->identity))
		table->lack = table->paused ? LACKS_RESUME : LACKS_VIEW;
	if (table->lack != LACKS_NOTHING)
		return;
	views_check_identity(table);
	rights_load_people(table);
	load_parts(table);
	definition = definition_open(table->view);
	views_check_orders(table, &definition);
	table->in_currency = definition_expression(&definition, "worth", "paid_in") != NULL;
	rights_load(table, &definition);
	if (table->lack == LACKS_EXECUTE)
		return;
	table->rows_hidden = rights_hide_rows(table);
	if (program_more_than_row(table) && table->rows_hidden && table->lack == LACKS_NOTHING)
		table->lack = LACKS_ROWS;
	trust_check_table(table->relid);
	trust_check_key_type(table->customer_type, "the customer");
	key_load(table, &definition);
	views_load_archived(table);
	table->customer = views_compile(table, &definition, definition_expression(&definition, "said", "customer"),
									table->customer_type);
	table->order_key = views_compile(table, &definition, definition_expression(&definition, NULL, "order_key"), TEXTOID);
	table->unique_key = table->relid == table->root &&
		key_is_unique(table->relid, table->order_key.cached->expr);
	key_init_probe(&table->key_probe, table->identity, "tracked");
	load_lines(table, &definition);
	if (!program_more_than_row(table))
	{
		table->counts_when = views_compile(table, &definition, definition_expression(&definition, "said", "counts"), BOOLOID);
		table->at = views_compile(table, &definition,
								  definition_guarded(definition_expression(&definition, "worth", "at")), TIMESTAMPTZOID);
		table->amount = views_compile(table, &definition,
									  definition_guarded(definition_expression(&definition, "worth", "gross")), NUMERICOID);
		load_available(table, &definition);
	}
	table->may_raise = table->counts_when.may_raise || table->at.may_raise ||
		table->amount.may_raise || table->available_at.may_raise;
	loading_rules(table, table->terms);
}

/* Plans and expressions live outside of the entry's memory, but go with it. */
static void
free_plans(void *arg)
{
	TrackedTable *table = (TrackedTable *) arg;
	ListCell   *lc;
	ListCell   *rules;

	foreach(lc, table->rule_sets)
	{
		RuleSet    *set = (RuleSet *) lfirst(lc);

		if (set->orders != NULL)
			SPI_freeplan(set->orders);
		foreach(rules, set->rules)
			expression_free(&((Rule *) lfirst(rules))->award);
	}
	if (table->customers != NULL)
		SPI_freeplan(table->customers);
	if (table->joined != NULL)
		SPI_freeplan(table->joined);
	if (table->unposted != NULL)
		SPI_freeplan(table->unposted);
	if (table->account_version != NULL)
		SPI_freeplan(table->account_version);
	expression_free(&table->customer);
	expression_free(&table->order_key);
	expression_free(&table->counts_when);
	expression_free(&table->at);
	expression_free(&table->amount);
	expression_free(&table->available_at);
}

/*
 * The journal and the ledger that recording writes to, how they are laid out, and how
 * customers are compared in them.
 */
static void
load_entry_tables(TrackedTable *table)
{
	Relation	rel;
	Relation	index;
	Oid			ledger_type;
	MemoryContext old;

	/* The lock that recording takes: a weaker one would have to be raised. */
	LOCKMODE	lock = RecoveryInProgress() ? AccessShareLock : RowExclusiveLock;

	rel = relation_open(table->ledger, AccessShareLock);
	layout_check_entries(rel, true, AccessShareLock);
	ledger_type = TupleDescAttr(RelationGetDescr(rel), 0)->atttypid;
	relation_close(rel, NoLock);
	rel = relation_open(table->journal, lock);
	layout_check_entries(rel, false, lock);
	if (TupleDescAttr(RelationGetDescr(rel), 0)->atttypid != ledger_type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("journal and ledger of loyalty program \"%s\" have customers of different types",
						table->program)));
	index = relation_open(layout_primary_key(rel), lock);
	old = MemoryContextSwitchTo(table->context);
	entry_init_keys(index, table->entry_keys);
	table->same_customer = program_key_operator(index, BTEqualStrategyNumber);
	MemoryContextSwitchTo(old);
	relation_close(index, NoLock);
	table->customer_type = TupleDescAttr(RelationGetDescr(rel), 0)->atttypid;

	/*
	 * Comparing customers, and reading them from text, may run code of users; so may
	 * indexes, constraints and triggers of the journal.
	 */
	table->look_first = !writer_is_plain(rel);
	table->needs_settings = table->look_first || table->customer_type >= FirstNormalObjectId;
	table->customer_length = TupleDescAttr(RelationGetDescr(rel), 0)->attlen;
	table->customer_by_value = TupleDescAttr(RelationGetDescr(rel), 0)->attbyval;
	relation_close(rel, NoLock);
}

/* How the rows of the table, and the facts that rules see, are laid out. */
static void
load_row_types(TrackedTable *table)
{
	Relation	rel = relation_open(table->relid, AccessShareLock);
	MemoryContext old = MemoryContextSwitchTo(table->context);

	table->row_desc = CreateTupleDescCopy(RelationGetDescr(rel));
	relation_close(rel, NoLock);
	rel = relation_open(table->purchase, AccessShareLock);
	layout_check_purchase(rel, table->customer_type);
	table->purchase_desc = CreateTupleDescCopy(RelationGetDescr(rel));
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);
}

/* Is the program laid out as all that follows reads it? */
static bool
load_layouts(TrackedTable *table, Oid schema)
{
	OwnerScope	scope;

	configured_begin(table, &scope);
	table->layouts = version_layouts(schema);
	configured_end(&scope);
	if (version_agrees(table->layouts))
		return true;
	table->lack = LACKS_LAYOUT;
	table->part = "";
	return false;
}

/* Was something that a new entry depends on invalidated while it was loaded? */
static bool
changed_while_loading(TrackedTable *table, uint64 since)
{
	ListCell   *lc;

	foreach(lc, table->parts)
	{
		if (watch_saw(since, lfirst_oid(lc)))
			return true;
	}
	return watch_saw(since, table->relid) || watch_saw(since, table->root) ||
		watch_saw(since, table->program_relid) || watch_saw(since, table->tracked_table_relid) ||
		watch_saw(since, table->journal) || watch_saw(since, table->ledger) ||
		watch_saw(since, table->purchase) || watch_saw(since, table->view) ||
		watch_saw(since, table->identity);
}

/*
 * A new entry, which is not yet in the list of program.c, or NULL if the program, or its
 * note of this tracked table, is gone.
 */
TrackedTable *
loading_table(Oid relid, const char *program, int32 number)
{
	MemoryContext context;
	TrackedTable *table;
	Oid			schema;
	OwnerScope	scope;
	uint64		since = watch_begin();

	schema = get_namespace_oid(program, true);
	if (!OidIsValid(schema) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return NULL;

	context = AllocSetContextCreate(CurrentMemoryContext, "loyalty tracked table",
									ALLOCSET_SMALL_SIZES);
	table = MemoryContextAllocZero(context, sizeof(TrackedTable));
	table->context = context;
	table->function_changes = expression_function_changes();
	table->end.func = free_plans;
	table->end.arg = table;
	MemoryContextRegisterResetCallback(context, &table->end);
	table->relid = relid;
	table->program = MemoryContextStrdup(context, program);
	table->number = number;
	table->program_relid = program_relation(schema, "program");
	table->tracked_table_relid = program_relation(schema, "tracked_table");
	table->journal = program_relation(schema, "journal");
	table->ledger = program_relation(schema, "ledger");
	table->owner = layout_check_owner(schema);
	if (!load_layouts(table, schema))
	{
		table->valid = !changed_while_loading(table, since);
		return table;
	}
	table->purchase = program_relation(schema, "purchase");
	load_entry_tables(table);
	load_row_types(table);

	configured_begin(table, &scope);
	if (!configured_settings(table))
		table = NULL;
	else if (table->part[0] != '\0')
		load_part_table(table);
	else
		load_orders_table(table);
	configured_end(&scope);
	if (table != NULL)
		table->valid = !changed_while_loading(table, since);
	return table;
}
