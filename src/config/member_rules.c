/*
 * member_rules.c: earning rules that are for some members.
 *
 * Under terms that have such rules, or rules whose points are a bonus, an entry has what
 * each rule gives ("parts"), and the fold puts these together (see stacking.c).  Which rules
 * are for the customer is found out just before the order, as the tier is, and stays with
 * it as a list of the numbers of their awards: "held_rules".  The conditions are the
 * columns rule_<award> of the view for_members_<terms>.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "condition.h"
#include "layout.h"
#include "member_rules.h"
#include "program.h"

/*
 * Do entries under these terms have what each rule gives?
 */
bool
terms_fold(const Terms *terms)
{
	return stacking_folds(terms->stacking);
}

/* The slot, and the context, in which conditions of rules are evaluated. */
static void
prepare_facts(Terms *terms, Oid schema_oid)
{
	Relation	rel;
	MemoryContext old;

	terms->rule_facts_relid = program_relation(schema_oid, "rule_facts");
	rel = relation_open(terms->rule_facts_relid, AccessShareLock);
	layout_check_facts(rel, true);
	old = MemoryContextSwitchTo(terms->context);
	terms->rule_econtext = CreateStandaloneExprContext();
	terms->rule_econtext->ecxt_innertuple =
		MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)), &TTSOpsVirtual);
	MemoryContextSwitchTo(old);
	relation_close(rel, NoLock);
}

/* Compile the conditions of the rules in the result, each a row with its award and name. */
static void
load_conditions(Terms *terms, Oid schema_oid, const char *schema)
{
	SPITupleTable *result = SPI_tuptable;
	uint64		count = SPI_processed;
	Oid			view = get_relname_relid(psprintf("for_members_%d", terms->id), schema_oid);
	Definition	definition;

	if (!OidIsValid(view))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("loyalty program \"%s\" has no view of the conditions of its earning rules under its terms %d", schema, terms->id),
				 errhint("SELECT * FROM loyalty.verify(%s) tells which condition to correct in the table \"terms_rule\".",
						 quote_literal_cstr(schema))));
	prepare_facts(terms, schema_oid);
	terms->member_view = view;
	definition = definition_open(view);
	for (uint64 i = 0; i < count; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(terms->context);
		MemberRule *rule = palloc0(sizeof(MemberRule));

		rule->award = pg_strtoint32(SPI_getvalue(result->vals[i], result->tupdesc, 1));
		rule->condition.kind = CONDITION_OF_RULE;
		rule->condition.name = SPI_getvalue(result->vals[i], result->tupdesc, 2);
		condition_load(terms, &rule->condition, &definition, psprintf("rule_%d", rule->award));
		terms->member_rules = lappend(terms->member_rules, rule);
		MemoryContextSwitchTo(old);
	}
}

/*
 * Load how the rules of a version of the terms stack, and the conditions of those that are
 * for some members.  SPI is connected, as the owner of the program.
 */
void
member_rules_load(Terms *terms, Oid schema_oid, const char *schema)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(terms->id)};
	char	   *query = psprintf("SELECT r.award, CASE WHEN r.is_campaign THEN r.name ELSE pg_catalog.format('earning rule \"%%s\"', r.name) END FROM %s.terms_rule r"
								 " WHERE r.version OPERATOR(pg_catalog.=) $1 AND r.for_members IS NOT NULL ORDER BY r.award",
								 quote_identifier(schema));

	terms->stacking = stacking_load(schema, terms->id, terms->context);
	if (!terms_fold(terms))
		return;
	if (SPI_execute_with_args(query, 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the earning rules of a loyalty program");
	if (SPI_processed > 0)
		load_conditions(terms, schema_oid, schema);
}

/*
 * The rules that are for a customer who has these facts, and this tier or NULL, as an
 * int[] of the numbers of their awards, in the current memory context.  Rules that are for
 * all are not among them.
 */
Datum
terms_rules_held(Terms *terms, const Facts *facts, const char *tier)
{
	Datum	   *held = palloc(list_length(terms->member_rules) * sizeof(Datum));
	int			count = 0;
	ConditionScope scope;
	ListCell   *lc;

	if (terms->member_rules != NIL)
	{
		condition_begin(&scope, terms, terms->rule_econtext, facts, tier);
		foreach(lc, terms->member_rules)
		{
			MemberRule *rule = (MemberRule *) lfirst(lc);

			if (condition_holds(&scope, &rule->condition))
				held[count++] = Int32GetDatum(rule->award);
		}
		condition_end(&scope);
	}
	return PointerGetDatum(construct_array(held, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}
