/*
 * rights.c: what the owner of a program may not read or call of what recording needs.
 *
 * An order must not fail for it, so an entry of program.c says what is lacking, and which
 * command gives it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rls.h"

#include "definition.h"
#include "layout.h"
#include "program.h"
#include "rights.h"
#include "terms.h"
#include "trust.h"

/*
 * Does the owner lack a right that a view needs?  Orders that are no more than their row
 * need not be read.
 */
void
rights_load(TrackedTable *table, const Definition *definition)
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

/*
 * May the owner read the customers?
 */
void
rights_load_people(TrackedTable *table)
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

/*
 * Can't the owner read all rows that orders are read from?
 */
bool
rights_hide_rows(TrackedTable *table)
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
