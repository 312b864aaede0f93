/*
 * program.c: what a backend remembers of the programs whose tables it changes.
 *
 * One entry per (triggering relation, program, tracked table), with the expressions
 * compiled against the layout of that relation, in a memory context of its own, which
 * loading.c fills.
 *
 * A relcache invalidation of the tracked table or of the program's
 * configuration only marks the entry; the next use builds a new one.  The old
 * one may still be in use further up the stack, so it lives on to the end of
 * the transaction.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "configured.h"
#include "loading.h"
#include "program.h"
#include "views.h"
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

/* Somebody got the rights of a role, or lost them; or a role may read past row security, or must not any more. */
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
	CacheRegisterSyscacheCallback(AUTHOID, mark_all_tables, (Datum) 0);
	CacheRegisterRelcacheCallback(mark_tables, (Datum) 0);
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
	table = loading_table(relid, program, number);
	for (int again = 0; table != NULL && !table->valid && again < 3; again++)
	{
		retire(table);
		table = loading_table(relid, program, number);
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
	return OidIsValid(views_find(table, "orders", table->number, terms));
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
	configured_begin(table, &scope);
	loading_rules(table, terms);
	configured_end(&scope);
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
