/*
 * program.c: what a backend remembers of the programs whose tables it changes.
 *
 * One entry per (triggering relation, program, tracked table), with the expressions
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

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "definition.h"
#include "key.h"
#include "layout.h"
#include "owner.h"
#include "program.h"
#include "snapshot.h"
#include "terms.h"
#include "trust.h"
#include "watch.h"

/*
 * Entries that are kept.  More are only there for a session that writes to so
 * many partitions by name; then the oldest goes.
 */
#define MAX_TABLES 250

static List *tables = NIL;		/* of TrackedTable * */

/* Has an entry something compiled out of a view? */
static bool
reads_view(TrackedTable *table, Oid relid)
{
	ListCell   *lc;

	foreach(lc, table->rule_sets)
	{
		if (((RuleSet *) lfirst(lc))->view == relid)
			return true;
	}
	return table->view == relid || table->identity == relid;
}

/* Do all compiled expressions of an entry still mean what they say? */
static bool
expressions_are_valid(TrackedTable *table)
{
	ListCell   *sets;
	ListCell   *lc;

	if ((table->user_code || table->lack == LACKS_EXECUTE) &&
		table->function_changes != expression_function_changes())
		return false;
	if (!expression_is_valid(&table->customer) || !expression_is_valid(&table->at) ||
		!expression_is_valid(&table->amount) || !expression_is_valid(&table->counts_when) ||
		!expression_is_valid(&table->order_key) || !expression_is_valid(&table->available_at))
		return false;
	foreach(sets, table->rule_sets)
	{
		foreach(lc, ((RuleSet *) lfirst(sets))->rules)
		{
			if (!expression_is_valid(&((Rule *) lfirst(lc))->award))
				return false;
		}
	}
	return true;
}

static void
mark_tables(Datum arg, Oid relid)
{
	ListCell   *lc;

	foreach(lc, tables)
	{
		TrackedTable *table = (TrackedTable *) lfirst(lc);

		if (!OidIsValid(relid) || relid == table->relid ||
			relid == table->root || relid == table->program_relid ||
			relid == table->tracked_table_relid || relid == table->journal ||
			relid == table->ledger || relid == table->purchase ||
			list_member_oid(table->parts, relid) || list_member_oid(table->people, relid) ||
			reads_view(table, relid) ||
			table->lack != LACKS_NOTHING)	/* what it lacked may be there now */
			table->valid = false;
	}
}

/* Somebody got the rights of a role, or lost them. */
static void
mark_all_tables(Datum arg, int cacheid, uint32 hashvalue)
{
	mark_tables(arg, InvalidOid);
}

void
program_cache_init(void)
{
	watch_init();
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, mark_all_tables, (Datum) 0);
	CacheRegisterRelcacheCallback(mark_tables, (Datum) 0);
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

/* A relation of the program that must exist. */
Oid
program_relation(Oid schema, const char *name)
{
	Oid			relid = get_relname_relid(name, schema);
	char	   *program = OidIsValid(relid) ? NULL : get_namespace_name(schema);

	if (!OidIsValid(relid) && program == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("schema with OID %u does not exist", schema)));
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("loyalty program \"%s\" has no relation \"%s\"", program, name),
				 errhint("Call loyalty.upgrade_program(%s), which makes what is missing.",
						 quote_literal_cstr(program))));
	return relid;
}

/* An operator as SQL that means it under every search_path. */
static char *
operator_text(Oid op)
{
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

/*
 * A comparison of customers by the primary key of the journal, as SQL.
 */
char *
program_key_operator(Relation index, StrategyNumber strategy)
{
	Oid			type = index->rd_opcintype[0];

	return operator_text(get_opfamily_member(index->rd_opfamily[0], type, type, strategy));
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

/* Under which name does a view of definitions read the tracked table? */
static const char *
row_alias(TrackedTable *table)
{
	return strcmp(table->part, "lines") == 0 ? "line" :
		strcmp(table->part, "refunds") == 0 ? "refund" : "tracked";
}

/* The name of a table as an argument of a function that is called by hand. */
char *
program_table_argument(Oid relid)
{
	return quote_literal_cstr(quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
														 get_rel_name(relid)));
}

/* For an error about a view of the table of orders. */
static int
hint_to_track_again(TrackedTable *table)
{
	return errhint("Call loyalty.untrack(%s, %s), and track the table again.",
				   quote_literal_cstr(table->program), program_table_argument(table->root));
}

/* Somebody wrote a view by hand, or dropped it and made another. */
static void
view_is_wrong(TrackedTable *table, const Definition *definition)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("view \"%s\" of loyalty program \"%s\" does not say what it must",
					get_rel_name(definition->view), table->program),
			 hint_to_track_again(table)));
}

/*
 * Compile an expression of a view for the rows of the entry, in the entry's memory.  Its
 * values are of the type.
 */
static Expression
compile(TrackedTable *table, Definition *definition, Node *expr, Oid type)
{
	Oid			root_relid = definition_relation(definition, row_alias(table));
	Index		row = definition_row(definition, row_alias(table));
	Index		facts = definition_row(definition, "purchase");
	Relation	rel;
	Relation	root;
	MemoryContext old;
	Expression	result;

	if (expr == NULL || !OidIsValid(root_relid) || exprType(expr) != type ||
		!expression_is_over(expr, row, facts))
		view_is_wrong(table, definition);
	rel = relation_open(table->relid, AccessShareLock);
	root = root_relid == table->relid ? rel : relation_open(root_relid, AccessShareLock);
	old = MemoryContextSwitchTo(table->context);
	result = expression_compile(expr, row, rel, root, facts);
	MemoryContextSwitchTo(old);
	if (root != rel)
		relation_close(root, NoLock);
	relation_close(rel, NoLock);
	table->needs_settings |= result.needs_settings;
	table->user_code |= result.user_functions;
	return result;
}

/* A view of the program by its name, or InvalidOid. */
static Oid
find_view(TrackedTable *table, const char *kind, int32 number, int32 terms)
{
	Oid			schema = get_namespace_oid(table->program, false);
	Oid			view = get_relname_relid(terms == 0 ? psprintf("%s_%d", kind, number) :
										 psprintf("%s_%d_%d", kind, number, terms), schema);

	return OidIsValid(view) && get_rel_relkind(view) == RELKIND_VIEW ? view : InvalidOid;
}

/* What errors call the rules of one version of the terms, in the order of the awards. */
static List *
rule_names(TrackedTable *table, int32 terms)
{
	List	   *names = NIL;
	MemoryContext old;
	char	   *query = psprintf("SELECT CASE WHEN is_campaign THEN name ELSE pg_catalog.format('earning rule \"%%s\"', name) END FROM %s.terms_rule WHERE version = $1 ORDER BY award",
								 quote_identifier(table->program));

	read_configuration(table, query, terms);
	old = MemoryContextSwitchTo(table->context);
	for (uint64 i = 0; i < SPI_processed; i++)
		names = lappend(names, copy_text(table->context, i, 1));
	MemoryContextSwitchTo(old);
	pfree(query);
	return names;
}

/* An error unless a view of orders has the columns that are read from it (see current.c). */
static void
check_orders(TrackedTable *table, const Definition *definition)
{
	if (!definition_has_column(definition, "customer", table->customer_type) ||
		definition_expression(definition, NULL, "key") == NULL ||
		!definition_has_column(definition, "order_key", TEXTOID) ||
		!definition_has_column(definition, "counts", BOOLOID) ||
		!definition_has_column(definition, "at", TIMESTAMPTZOID) ||
		!definition_has_column(definition, "amount", NUMERICOID) ||
		!definition_has_column(definition, "awards", NUMERICOID) ||
		!definition_has_column(definition, "parts", NUMERICARRAYOID) ||
		!definition_has_column(definition, "member", JSONBOID) ||
		!definition_has_column(definition, "rate", NUMERICOID) ||
		!definition_has_column(definition, "currency", TEXTOID) ||
		!definition_has_column(definition, "available_at", TIMESTAMPTZOID))
		view_is_wrong(table, definition);
}

/* The same for the view that says which orders there are: it names rows that are locked. */
static void
check_identity(TrackedTable *table)
{
	Definition	definition = definition_open(table->identity);

	if (definition_relation(&definition, "tracked") != table->root ||
		!definition_has_column(&definition, "customer", table->customer_type) ||
		!definition_has_column(&definition, "order_key", TEXTOID) ||
		!definition_has_row_column(&definition, "row_table", TableOidAttributeNumber) ||
		!definition_has_row_column(&definition, "row_id", SelfItemPointerAttributeNumber))
		view_is_wrong(table, &definition);
	definition_check(&definition);
}

/*
 * What the rules of one version of the terms give for rows of the table.  Orders that
 * are more than a row are always read from the view, where one query evaluates all.
 */
static void
load_rules(TrackedTable *table, int32 terms)
{
	RuleSet    *set = MemoryContextAllocZero(table->context, sizeof(RuleSet));
	List	   *names = rule_names(table, terms);
	Definition	definition;
	MemoryContext old;
	ListCell   *lc;
	int			award = 0;

	set->terms = terms;
	set->stacking = stacking_load(table->program, terms, table->context);
	set->view = find_view(table, "orders", table->number, terms);
	if (!OidIsValid(set->view))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("loyalty program \"%s\" has no view of table \"%s\" under its terms %d",
						table->program, get_rel_name(table->root), terms),
				 hint_to_track_again(table)));
	definition = definition_open(set->view);
	check_orders(table, &definition);
	definition_check(&definition);
	table->user_code |= definition_runs_user_code(&definition);
	foreach(lc, names)
	{
		Rule	   *rule = MemoryContextAllocZero(table->context, sizeof(Rule));
		Node	   *expr = definition_guarded(definition_expression(&definition, NULL,
																	psprintf("award_%d", ++award)));

		rule->name = (char *) lfirst(lc);
		if (!program_more_than_row(table) && !(expr != NULL && IsA(expr, Const) && ((Const *) expr)->constisnull))
			rule->award = compile(table, &definition, expr, NUMERICOID);
		set->may_raise |= rule->award.may_raise;
		old = MemoryContextSwitchTo(table->context);
		set->rules = lappend(set->rules, rule);
		MemoryContextSwitchTo(old);
	}
	old = MemoryContextSwitchTo(table->context);
	table->rule_sets = lappend(table->rule_sets, set);
	MemoryContextSwitchTo(old);
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
 * The relation of a tracked table, as the owner's configuration says.  An error
 * if there is none.
 */
Oid
program_tracked_relation(Oid schema, int32 tracked_table)
{
	TrackedTable table = {0};
	StringInfoData query;
	Oid			result = InvalidOid;
	OwnerScope	scope;

	(void) program_relation(schema, "tracked_table");
	table.owner = layout_check_owner(schema);
	table.program = get_namespace_name(schema);
	owner_begin(&table, &scope);
	version_require(schema);
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT relation::pg_catalog.oid FROM %s.tracked_table WHERE tracked_table = $1 AND kind IN ('orders', 'credits', 'events')",
					 quote_identifier(table.program));
	read_configuration(&table, query.data, tracked_table);
	if (SPI_processed == 1)
		result = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(result_text(0, 1))));
	owner_end(&scope);
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no tracked table %d", table.program, tracked_table)));
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
 * Does the owner lack a right that a view needs?  Orders that are no more than their row
 * need not be read.
 */
static void
load_rights(TrackedTable *table, const Definition *definition)
{
	Oid			relation;
	Oid			function;

	if (table->lack != LACKS_NOTHING || !definition_lacks_right(definition, &relation, &function))
		return;
	table->lacking = OidIsValid(function) ? function : relation;
	if (OidIsValid(function))
		table->lack = LACKS_EXECUTE;
	else if (relation != table->root || program_more_than_row(table))
		table->lack = LACKS_SELECT;
}

/*
 * The command that gives the owner the right that he lacks.
 */
char *
program_missing_grant(const TrackedTable *table)
{
	const char *role = quote_identifier(GetUserNameFromId(table->owner, false));

	if (table->lack == LACKS_EXECUTE)
		return psprintf("GRANT EXECUTE ON ROUTINE %s TO %s;", format_procedure_qualified(table->lacking), role);
	return psprintf("GRANT SELECT ON %s TO %s;",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(table->lacking)),
											   get_rel_name(table->lacking)), role);
}

/* May the owner read the customers? */
static void
load_people(TrackedTable *table)
{
	MemoryContext old = MemoryContextSwitchTo(table->context);
	ListCell   *lc;

	table->people = layout_customer_tables(get_namespace_oid(table->program, false));
	MemoryContextSwitchTo(old);
	foreach(lc, table->people)
	{
		if (get_rel_relkind(lfirst_oid(lc)) != '\0' && !trust_may_read(lfirst_oid(lc)))
			table->unread_people = lfirst_oid(lc);
	}
}

/*
 * Does anything stand against recording a table?  Customers must be readable if new
 * orders keep since when theirs is one.
 */
bool
program_lacks_something(TrackedTable *table)
{
	if (table->lack == LACKS_NOTHING && OidIsValid(table->unread_people))
	{
		Terms	   *terms = terms_if_possible(table->program_relid, table->terms);

		if (terms == NULL || terms->uses_tenure)
		{
			table->lack = LACKS_SELECT;
			table->lacking = table->unread_people;
		}
	}
	return table->lack != LACKS_NOTHING;
}

/* Can't the owner read all rows that orders are read from? */
static bool
rows_are_hidden(TrackedTable *table)
{
	bool		hidden = check_enable_rls(table->root, table->owner, true) == RLS_ENABLED ||
	!trust_may_read(table->root);
	ListCell   *lc;

	foreach(lc, table->parts)
		hidden |= check_enable_rls(lfirst_oid(lc), table->owner, true) == RLS_ENABLED;
	foreach(lc, table->reads_members ? table->people : NIL)
		hidden |= get_rel_relkind(lfirst_oid(lc)) != '\0' && check_enable_rls(lfirst_oid(lc), table->owner, true) == RLS_ENABLED;
	return hidden;
}

/* The table that a view of lines or refunds reads. */
Oid
program_part_root(TrackedTable *table)
{
	Definition	definition = definition_open(table->view);

	return definition_relation(&definition, row_alias(table));
}

/*
 * Are keys of a type equal only if their texts are?  Then archived orders, of which the
 * text is kept, are found by it.
 */
static bool
equal_as_text(Node *key)
{
	switch (getBaseType(exprType(key)))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case UUIDOID:
			return true;
		case TEXTOID:
		case VARCHAROID:
			return get_collation_isdeterministic(exprCollation(key));
		default:
			return false;
	}
}

/* Where to look for rows by their key without a query, if a view just shows it. */
static void
init_key_probe(Probe *probe, Oid view, const char *row)
{
	Definition	definition = definition_open(view);
	Var		   *key = definition_plain_column(&definition, row, "key");

	if (key != NULL && equal_as_text((Node *) key))
		probe_init(probe, definition_relation(&definition, row), key->varattno, key->vartype,
				   get_opcode(lookup_type_cache(key->vartype, TYPECACHE_EQ_OPR)->eq_opr), key->varcollid);
}

/* How the key of an order is compared, and the type by which it is looked up. */
static void
load_key(TrackedTable *table, Definition *definition)
{
	Oid			type = exprType(definition_expression(definition, NULL, "key"));
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR);
	MemoryContext old = MemoryContextSwitchTo(table->context);

	if (!OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("order keys of type %s have no equality", format_type_be(type))));
	table->same_key = operator_text(entry->eq_opr);
	table->key_type_oid = getBaseType(type);
	table->same_as_text = equal_as_text(definition_expression(definition, NULL, "key"));
	table->key_type = format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);
	MemoryContextSwitchTo(old);
}

/*
 * The view of archived orders, of a table with refunds.  Its rows are locked, too: they
 * are those of the program's table.
 */
static void
load_archived(TrackedTable *table)
{
	Definition	definition;

	table->archived = find_view(table, "archived", table->number, 0);
	if (!OidIsValid(table->archived))
		return;
	definition = definition_open(table->archived);
	check_orders(table, &definition);
	if (definition_relation(&definition, "tracked") !=
		program_relation(get_namespace_oid(table->program, false), "archived") ||
		!definition_has_row_column(&definition, "row_table", TableOidAttributeNumber) ||
		!definition_has_row_column(&definition, "row_id", SelfItemPointerAttributeNumber))
		view_is_wrong(table, &definition);
	definition_check(&definition);
	table->user_code |= definition_runs_user_code(&definition);
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
		init_key_probe(&table->line_probe, table->lines, "line");
}

/* The tables of lines and refunds of the orders. */
static void
load_parts(TrackedTable *table)
{
	MemoryContext old;
	char	   *query = psprintf("SELECT relation::pg_catalog.oid, kind, tracked_table FROM %s.tracked_table"
								 " WHERE of_tracked_table = $1 AND active AND kind IN ('lines', 'refunds') ORDER BY tracked_table",
								 quote_identifier(table->program));

	read_configuration(table, query, table->tracked_table);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Oid			relid = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(result_text(i, 1))));
		Oid			view = find_view(table, result_text(i, 2), pg_strtoint32(result_text(i, 3)), 0);

		/* what is left can't tell how orders stand */
		if (get_rel_relkind(relid) == '\0')
			table->lack = LACKS_PART;
		else if (!OidIsValid(view))
			table->lack = LACKS_VIEW;
		if (table->lack != LACKS_NOTHING)
			continue;
		old = MemoryContextSwitchTo(table->context);
		table->parts = lappend_oid(table->parts, relid);
		if (strcmp(result_text(i, 2), "lines") == 0)
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

	table->view = find_view(table, table->part, table->number, 0);
	if (get_rel_relkind(table->root) == '\0')
		table->lack = LACKS_ORDERS;
	else if (!OidIsValid(table->view))
		table->lack = table->paused ? LACKS_RESUME : LACKS_VIEW;
	else if (!is_part_of(table->relid, program_part_root(table)))
		table->lack = LACKS_TABLE;
	if (table->lack != LACKS_NOTHING)
		return;
	definition = definition_open(table->view);
	load_rights(table, &definition);
	if (table->lack != LACKS_NOTHING)
		return;
	table->order_key = compile(table, &definition, definition_expression(&definition, NULL, "order_key"), TEXTOID);
	if (strcmp(table->part, "refunds") == 0)
		table->counts_when = compile(table, &definition, definition_expression(&definition, "said", "counts"), BOOLOID);
}

/* Compile when the points of an order are available, if the orders say so themselves. */
static void
load_available(TrackedTable *table, Definition *definition)
{
	Node	   *expr = definition_expression(definition, "worth", "available_at");

	if (expr != NULL)
		table->available_at = compile(table, definition, definition_guarded(expr), TIMESTAMPTZOID);
}

/* Compile what identifies an order, and how it stands by its row alone. */
static void
load_orders_table(TrackedTable *table)
{
	Definition	definition;

	table->view = find_view(table, "orders", table->number, table->terms);
	table->identity = find_view(table, "orders", table->number, 0);

	/* A partition that was detached, or a trigger that somebody copied. */
	if (!is_part_of(table->relid, table->root))
		table->lack = LACKS_TABLE;
	else if (!OidIsValid(table->view) || !OidIsValid(table->identity))
		table->lack = table->paused ? LACKS_RESUME : LACKS_VIEW;
	if (table->lack != LACKS_NOTHING)
		return;
	check_identity(table);
	load_people(table);
	load_parts(table);
	definition = definition_open(table->view);
	check_orders(table, &definition);
	table->in_currency = definition_expression(&definition, "worth", "paid_in") != NULL;
	load_rights(table, &definition);
	if (table->lack == LACKS_EXECUTE)
		return;
	table->rows_hidden = rows_are_hidden(table);
	if (program_more_than_row(table) && table->rows_hidden && table->lack == LACKS_NOTHING)
		table->lack = LACKS_ROWS;
	trust_check_table(table->relid);
	trust_check_key_type(table->customer_type, "the customer");
	load_key(table, &definition);
	load_archived(table);
	table->customer = compile(table, &definition, definition_expression(&definition, "said", "customer"),
							  table->customer_type);
	table->order_key = compile(table, &definition, definition_expression(&definition, NULL, "order_key"), TEXTOID);
	table->unique_key = table->relid == table->root &&
		key_is_unique(table->relid, table->order_key.cached->expr);
	init_key_probe(&table->key_probe, table->identity, "tracked");
	load_lines(table, &definition);
	if (!program_more_than_row(table))
	{
		table->counts_when = compile(table, &definition, definition_expression(&definition, "said", "counts"), BOOLOID);
		table->at = compile(table, &definition,
							definition_guarded(definition_expression(&definition, "worth", "at")), TIMESTAMPTZOID);
		table->amount = compile(table, &definition,
								definition_guarded(definition_expression(&definition, "worth", "gross")), NUMERICOID);
		load_available(table, &definition);
	}
	table->may_raise = table->counts_when.may_raise || table->at.may_raise ||
		table->amount.may_raise || table->available_at.may_raise;
	load_rules(table, table->terms);
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

/* What the program says of the tracked table, or false if it says nothing. */
static bool
read_settings(TrackedTable *table)
{
	const char *kind;
	char	   *query = psprintf("SELECT coalesce(o.relation, s.relation)::pg_catalog.oid, s.kind, coalesce(o.tracked_table, s.tracked_table),"
								 " s.without_order, s.terms, p.terms, p.on_invalid, p.time_zone, s.definition IS NOT NULL,"
								 " EXISTS (SELECT FROM %1$s.terms t WHERE t.refund_shortfall = 'reject'), s.event,"
								 " EXISTS (SELECT FROM %1$s.terms_rule r WHERE r.version >= s.terms AND pg_catalog.strpos(pg_catalog.lower(pg_catalog.concat_ws(' ', r.points, r.multiplier, r.applies_when)), 'member') OPERATOR(pg_catalog.>) 0)"
								 "  FROM %1$s.tracked_table s CROSS JOIN %1$s.program p"
								 "  LEFT JOIN %1$s.tracked_table o ON o.tracked_table = s.of_tracked_table"
								 " WHERE s.tracked_table = $1 AND s.active", quote_identifier(table->program));

	read_configuration(table, query, table->number);
	/* A row that is changed meanwhile may have been missed in both places. */
	if (SPI_processed == 0 && !snapshot_is_of_one_moment(false))
		read_configuration(table, query, table->number);
	if (SPI_processed == 0)
		return false;
	for (int c = 1; c <= 9; c++)
		if (result_text(0, c) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the configuration of loyalty program \"%s\" has a null in tracked table %d",
							table->program, table->number)));
	table->root = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(result_text(0, 1))));
	kind = result_text(0, 2);
	table->part = strcmp(kind, "lines") == 0 ? "lines" : strcmp(kind, "refunds") == 0 ? "refunds" : "";
	table->is_refunds = strcmp(kind, "credits") == 0;
	table->tracked_table = pg_strtoint32(result_text(0, 3));
	table->without_order = copy_text(table->context, 0, 4);
	table->first_terms = pg_strtoint32(result_text(0, 5));
	table->terms = pg_strtoint32(result_text(0, 6));
	table->skip_invalid = strcmp(result_text(0, 7), "skip") == 0;
	table->time_zone = copy_text(table->context, 0, 8);
	table->paused = strcmp(result_text(0, 9), "t") == 0;
	table->may_reject = strcmp(result_text(0, 10), "t") == 0;
	table->event = copy_text(table->context, 0, 11);
	table->reads_members = strcmp(result_text(0, 12), "t") == 0;
	return true;
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

	owner_begin(table, &scope);
	table->layouts = version_layouts(schema);
	owner_end(&scope);
	if (version_agrees(table->layouts))
		return true;
	table->lack = LACKS_LAYOUT;
	table->part = "";
	return false;
}

/* Fill a new entry; it is not yet in the list. */
static TrackedTable *
load_table(Oid relid, const char *program, int32 number)
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

	owner_begin(table, &scope);
	if (!read_settings(table))
		table = NULL;
	else if (table->part[0] != '\0')
		load_part_table(table);
	else
		load_orders_table(table);
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
 * this tracked table, is gone.  Stays usable to the end of the transaction.
 */
TrackedTable *
program_tracked_table(Oid relid, const char *program, int32 number)
{
	TrackedTable *table;
	MemoryContext old;
	ListCell   *lc;

	foreach(lc, tables)
	{
		table = (TrackedTable *) lfirst(lc);
		if (table->relid != relid || table->number != number ||
			strcmp(table->program, program) != 0)
			continue;
		if (table->valid && expressions_are_valid(table))
			return table;
		tables = foreach_delete_current(tables, lc);
		retire(table);
		break;
	}

	/*
	 * What changes again and again while it is loaded is used as it was found, and
	 * loaded again the next time.
	 */
	table = load_table(relid, program, number);
	for (int again = 0; table != NULL && !table->valid && again < 3; again++)
	{
		retire(table);
		table = load_table(relid, program, number);
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
	return program_tracked_table(table->root, table->program, table->tracked_table);
}

/*
 * Is there a view of one version of the terms, which has its rules?
 */
bool
program_has_rules(TrackedTable *table, int32 terms)
{
	ListCell   *lc;

	foreach(lc, table->rule_sets)
	{
		if (((RuleSet *) lfirst(lc))->terms == terms)
			return true;
	}
	return OidIsValid(find_view(table, "orders", table->number, terms));
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
