/*
 * configured.c: what a program's configuration says of a tracked table.
 *
 * It is read as the program's owner, with fixed settings, as it is now: while an entry of
 * program.c is filled, and by who begins to work with a table.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "configured.h"
#include "layout.h"
#include "owner.h"
#include "program.h"
#include "snapshot.h"

/*
 * Enter SPI as the owner of a program, with fixed settings and a snapshot of this moment.
 */
void
configured_begin(TrackedTable *table, OwnerScope *scope)
{
	owner_enter(scope, table->owner, true, table->time_zone);
	settings_look_up();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	snapshot_push_current(false);
}

/*
 * Back to who was there before.
 */
void
configured_end(OwnerScope *scope)
{
	PopActiveSnapshot();
	SPI_finish();
	owner_leave(scope);
}

/*
 * Run a query on the configuration, as the program's owner, as it is now: an
 * old snapshot must not fill a cache that later transactions use.
 */
void
configured_query(TrackedTable *table, const char *query, int32 argument)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(argument)};

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the configuration of loyalty program \"%s\"",
			 table->program);
}

/*
 * Column of a result row as text in the current context, or NULL.
 */
char *
configured_text(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

/*
 * The same in a context of its own.
 */
char *
configured_copy(MemoryContext context, int row, int column)
{
	char	   *value = configured_text(row, column);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

/*
 * A column that is an OID, a number, true or false, and not null.
 */
Oid
configured_oid(int row, int column)
{
	return DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(configured_text(row, column))));
}

int32
configured_number(int row, int column)
{
	return pg_strtoint32(configured_text(row, column));
}

static bool
configured_flag(int row, int column)
{
	return strcmp(configured_text(row, column), "t") == 0;
}

/*
 * What the program says of the tracked table, or false if it says nothing.
 */
bool
configured_settings(TrackedTable *table)
{
	const char *kind;
	char	   *query = psprintf("SELECT coalesce(o.relation, s.relation)::pg_catalog.oid, s.kind, coalesce(o.tracked_table, s.tracked_table),"
								 " s.without_order, s.terms, p.terms, p.on_invalid, p.time_zone, s.definition IS NOT NULL,"
								 " EXISTS (SELECT FROM %1$s.terms t WHERE t.refund_shortfall = 'reject'), s.event,"
								 " EXISTS (SELECT FROM %1$s.terms_rule r WHERE r.version >= s.terms AND pg_catalog.strpos(pg_catalog.lower(pg_catalog.concat_ws(' ', r.points, r.multiplier, r.applies_when)), 'member') OPERATOR(pg_catalog.>) 0)"
								 "  FROM %1$s.tracked_table s CROSS JOIN %1$s.program p"
								 "  LEFT JOIN %1$s.tracked_table o ON o.tracked_table = s.of_tracked_table"
								 " WHERE s.tracked_table = $1 AND s.active", quote_identifier(table->program));

	configured_query(table, query, table->number);
	/* A row that is changed meanwhile may have been missed in both places. */
	if (SPI_processed == 0 && !snapshot_is_of_one_moment(false))
		configured_query(table, query, table->number);
	if (SPI_processed == 0)
		return false;
	for (int c = 1; c <= 9; c++)
		if (configured_text(0, c) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("the configuration of loyalty program \"%s\" has a null in tracked table %d",
							table->program, table->number)));
	table->root = configured_oid(0, 1);
	kind = configured_text(0, 2);
	table->part = strcmp(kind, "lines") == 0 ? "lines" : strcmp(kind, "refunds") == 0 ? "refunds" : "";
	table->is_refunds = strcmp(kind, "credits") == 0;
	table->tracked_table = configured_number(0, 3);
	table->without_order = configured_copy(table->context, 0, 4);
	table->first_terms = configured_number(0, 5);
	table->terms = configured_number(0, 6);
	table->skip_invalid = strcmp(configured_text(0, 7), "skip") == 0;
	table->time_zone = configured_copy(table->context, 0, 8);
	table->paused = configured_flag(0, 9);
	table->may_reject = configured_flag(0, 10);
	table->event = configured_copy(table->context, 0, 11);
	table->reads_members = configured_flag(0, 12);
	return true;
}

/*
 * What errors call the rules of one version of the terms, in the order of the awards.
 */
List *
configured_rules(TrackedTable *table, int32 terms)
{
	List	   *names = NIL;
	MemoryContext old;
	char	   *query = psprintf("SELECT CASE WHEN is_campaign THEN name ELSE pg_catalog.format('earning rule \"%%s\"', name) END FROM %s.terms_rule WHERE version = $1 ORDER BY award",
								 quote_identifier(table->program));

	configured_query(table, query, terms);
	old = MemoryContextSwitchTo(table->context);
	for (uint64 i = 0; i < SPI_processed; i++)
		names = lappend(names, configured_copy(table->context, i, 1));
	MemoryContextSwitchTo(old);
	pfree(query);
	return names;
}

/*
 * The relation of a tracked table, as the owner's configuration says.  An error
 * if there is none.
 */
Oid
program_tracked_relation(Oid schema, int32 tracked_table)
{
	TrackedTable table = {0};
	char	   *query;
	Oid			result = InvalidOid;
	OwnerScope	scope;

	(void) program_relation(schema, "tracked_table");
	table.owner = layout_check_owner(schema);
	table.program = get_namespace_name(schema);
	configured_begin(&table, &scope);
	version_require(schema);
	query = psprintf("SELECT relation::pg_catalog.oid FROM %s.tracked_table WHERE tracked_table = $1 AND kind IN ('orders', 'credits', 'events')",
					 quote_identifier(table.program));
	configured_query(&table, query, tracked_table);
	if (SPI_processed == 1)
		result = configured_oid(0, 1);
	configured_end(&scope);
	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("loyalty program \"%s\" has no tracked table %d", table.program, tracked_table)));
	return result;
}
