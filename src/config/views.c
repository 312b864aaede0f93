/*
 * views.c: the views of a program that say what the rows of a tracked table mean.
 *
 * They are found by their names, must have the columns that recording reads, and their
 * expressions are compiled for the rows of a relation.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "definition.h"
#include "program.h"
#include "views.h"

/*
 * A view of the program by its name, or InvalidOid.
 */
Oid
views_find(TrackedTable *table, const char *kind, int32 number, int32 terms)
{
	Oid			schema = get_namespace_oid(table->program, false);
	Oid			view = get_relname_relid(terms == 0 ? psprintf("%s_%d", kind, number) :
										 psprintf("%s_%d_%d", kind, number, terms), schema);

	return OidIsValid(view) && get_rel_relkind(view) == RELKIND_VIEW ? view : InvalidOid;
}

/* Under which name does a view of definitions read the tracked table? */
static const char *
row_alias(TrackedTable *table)
{
	return strcmp(table->part, "lines") == 0 ? "line" :
		strcmp(table->part, "refunds") == 0 ? "refund" : "tracked";
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
Expression
views_compile(TrackedTable *table, Definition *definition, Node *expr, Oid type)
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

/*
 * An error unless a view of orders has the columns that are read from it (see record/current.c).
 */
void
views_check_orders(TrackedTable *table, const Definition *definition)
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

/* An error unless a view names the rows of a relation that it reads: they are locked. */
static void
check_locked(TrackedTable *table, const Definition *definition, Oid relation)
{
	if (definition_relation(definition, "tracked") != relation ||
		!definition_has_row_column(definition, "row_table", TableOidAttributeNumber) ||
		!definition_has_row_column(definition, "row_id", SelfItemPointerAttributeNumber))
		view_is_wrong(table, definition);
}

/*
 * The same for the view that says which orders there are: it names rows that are locked.
 */
void
views_check_identity(TrackedTable *table)
{
	Definition	definition = definition_open(table->identity);

	check_locked(table, &definition, table->root);
	if (!definition_has_column(&definition, "customer", table->customer_type) ||
		!definition_has_column(&definition, "order_key", TEXTOID))
		view_is_wrong(table, &definition);
	definition_check(&definition);
}

/*
 * The view of archived orders, of a table with refunds.  Its rows are locked, too: they
 * are those of the program's table.
 */
void
views_load_archived(TrackedTable *table)
{
	Definition	definition;

	table->archived = views_find(table, "archived", table->number, 0);
	if (!OidIsValid(table->archived))
		return;
	definition = definition_open(table->archived);
	views_check_orders(table, &definition);
	check_locked(table, &definition, program_relation(get_namespace_oid(table->program, false), "archived"));
	definition_check(&definition);
	table->user_code |= definition_runs_user_code(&definition);
}

/*
 * The view of orders under one version of the terms; an error if there is none.
 */
Oid
views_orders(TrackedTable *table, int32 terms)
{
	Oid			view = views_find(table, "orders", table->number, terms);

	if (!OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("loyalty program \"%s\" has no view of table \"%s\" under its terms %d",
						table->program, get_rel_name(table->root), terms),
				 hint_to_track_again(table)));
	return view;
}

/*
 * The table that a view of lines or refunds reads.
 */
Oid
program_part_root(TrackedTable *table)
{
	Definition	definition = definition_open(table->view);

	return definition_relation(&definition, row_alias(table));
}
