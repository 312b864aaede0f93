/*
 * budgets.c: what earning rules give out of budgets for all members.
 *
 * A rule may name a budget: all rules that do give no more points than that to all members
 * together.  What is left of it must be known when an order is recorded, so this is the one
 * place where recording waits for others: whoever records an order that such a rule gives points to
 * locks the row of the budget, to the end of the transaction.  Orders that no such rule gives anything
 * wait for nobody.  What rules give to an order is its "allotted", an array by the number of
 * the award beside its "parts", which is what they would give; the fold takes it in their place.
 *
 * An order that stands as before keeps what it has, whatever is left by then.  One that is worth
 * less gives back the difference, and one that is worth more gets no more than what is left;
 * but what was cut once stays cut, or else any later change of the order would be worth points.
 *
 * The row is locked and written by direct table access, like all that recording writes; and
 * its newest version, whatever the isolation level, so no order fails for another one's
 * sake.  What a batch needs is locked in the order of the names, before it is counted; no code of
 * users runs from then until it is written.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "budget_table.h"
#include "budgets.h"
#include "compat.h"
#include "number.h"

typedef struct Budget
{
	const char *name;
	bool		exists;			/* the row is there, and locked */
	BudgetRow	row;
	bool		changed;		/* given is another than there */
} Budget;

struct Budgets
{
	TrackedTable *table;
	List	   *expected;		/* of Budget *, by their names */
	int			locked;			/* so many of them were locked, or have no row */
	BudgetTable *rows;			/* NULL: nothing was locked yet, or there is no such
								 * table */
};

/*
 * Does a rule with a budget give something to an order of these parts?
 */
bool
budgets_are_asked(const Terms *terms, Datum parts)
{
	ByAward		read;
	int			budget_count;
	const RuleBudget *budgets;

	if (terms == NULL || parts == (Datum) 0)
		return false;
	budgets = stacking_budgets(terms->stacking, &budget_count);
	if (budget_count == 0)
		return false;
	read = stacking_read(parts);
	for (int i = 0; i < budget_count; i++)
		if (stacking_value(&read, budgets[i].award) != (Datum) 0)
			return true;
	return false;
}

/*
 * Begin to count for orders of a table, in the current memory context, which must live as long.
 */
Budgets *
budgets_begin(TrackedTable *table)
{
	Budgets    *budgets = palloc0(sizeof(Budgets));

	budgets->table = table;
	return budgets;
}

static Budget *
find_budget(const Budgets *budgets, const char *name)
{
	ListCell   *lc;

	foreach(lc, budgets->expected)
		if (strcmp(((Budget *) lfirst(lc))->name, name) == 0)
		return (Budget *) lfirst(lc);
	return NULL;
}

/*
 * Rules will give something of these parts, or give it back.
 */
void
budgets_expect(Budgets *budgets, const Terms *terms, Datum parts)
{
	ByAward		read = stacking_read(parts);
	int			budget_count;
	const RuleBudget *rules = stacking_budgets(terms->stacking, &budget_count);

	for (int i = 0; i < budget_count; i++)
	{
		Budget	   *budget;

		if (stacking_value(&read, rules[i].award) == (Datum) 0 || find_budget(budgets, rules[i].budget) != NULL)
			continue;
		budget = palloc0(sizeof(Budget));
		budget->name = rules[i].budget;
		budgets->expected = lappend(budgets->expected, budget);
	}
}

static int
compare_budgets(const ListCell *a, const ListCell *b)
{
	return strcmp(((const Budget *) lfirst(a))->name, ((const Budget *) lfirst(b))->name);
}

/*
 * Lock the budgets that are expected, which are not locked yet.  A budget without a row gives nothing.
 */
void
budgets_lock(Budgets *budgets)
{
	ListCell   *lc;

	if (budgets->locked == list_length(budgets->expected))
		return;
	budgets->locked = list_length(budgets->expected);
	if (budgets->rows == NULL)
		budgets->rows = budget_table_open(get_rel_namespace(budgets->table->program_relid));
	if (budgets->rows == NULL)
		return;
	list_sort(budgets->expected, compare_budgets);
	/* what this transaction wrote before */
	CommandCounterIncrement();
	foreach(lc, budgets->expected)
	{
		Budget	   *budget = (Budget *) lfirst(lc);

		budget->exists = budget->exists || budget_table_lock(budgets->rows, budget->name, &budget->row);
	}
}

static void
change_given(Budget *budget, Datum points, bool more)
{
	if (budget == NULL || !budget->exists || DatumGetBool(DirectFunctionCall2(numeric_le, points, number_zero())))
		return;
	budget->row.given = DirectFunctionCall2(more ? numeric_add : numeric_sub, budget->row.given, points);
	budget->changed = true;
}

/*
 * Count what was allotted to an order, or not any more.
 */
void
budgets_count(Budgets *budgets, const Terms *terms, Datum allotted, bool more)
{
	ByAward		read;
	int			budget_count;
	const RuleBudget *rules;

	if (terms == NULL || allotted == (Datum) 0)
		return;
	rules = stacking_budgets(terms->stacking, &budget_count);
	read = stacking_read(allotted);
	for (int i = 0; i < budget_count; i++)
	{
		Datum		points = stacking_value(&read, rules[i].award);

		if (points != (Datum) 0)
			change_given(find_budget(budgets, rules[i].budget), points, more);
	}
}

/* What an order has by a rule until now. */
typedef struct Had
{
	bool		any;
	Datum		worth;			/* what it would give */
	Datum		allotted;
} Had;

/* What a rule gives to an order that would get so much, where what it has is given back. */
static Datum
give(const Budget *budget, Terms *terms, Datum worth, const Had *had)
{
	Datum		room = budget == NULL || !budget->exists ? number_zero() :
	DirectFunctionCall2(numeric_sub, budget->row.points, budget->row.given);

	if (had->any)
	{
		bool		was_cut = DatumGetBool(DirectFunctionCall2(numeric_lt, had->allotted, had->worth));

		/* it stays cut, or keeps what it has */
		room = was_cut ? had->allotted : DirectFunctionCall2(numeric_larger, room, had->allotted);
	}
	room = DirectFunctionCall2(numeric_trunc, DirectFunctionCall2(numeric_larger, room, number_zero()), Int32GetDatum(terms->scale));
	return DirectFunctionCall2(numeric_smaller, worth, room);
}

/* What orders had until now by the rules of the same terms, by the number of the award. */
static Had *
read_had(Terms *terms, const Allotment *before, int count)
{
	Had		   *had = palloc0(count * sizeof(Had));
	ByAward		parts = stacking_read(before->parts);
	ByAward		allotted = stacking_read(before->allotted);

	for (int i = 0; i < Min(count, Min(parts.count, allotted.count)); i++)
	{
		had[i].any = !parts.isnull[i] && !allotted.isnull[i];
		if (!had[i].any)
			continue;
		had[i].worth = terms_round(terms, parts.values[i]);
		had[i].allotted = allotted.values[i];
	}
	return had;
}

/*
 * What rules give to an order of these parts out of their budgets: a numeric[] by the number of the
 * award, or (Datum) 0: there is no such rule.  before: what it has by now, which is given back.
 */
Datum
budgets_allot(Budgets *budgets, Terms *terms, Datum parts, const Allotment *before)
{
	ByAward		read;
	bool	   *not_allotted;
	int			budget_count;
	const RuleBudget *rules = stacking_budgets(terms->stacking, &budget_count);
	Had		   *had;

	if (before->terms != terms || parts == (Datum) 0)
		budgets_count(budgets, before->terms, before->allotted, false);
	if (budget_count == 0 || parts == (Datum) 0)
		return (Datum) 0;
	read = stacking_read(parts);
	had = before->terms == terms ? read_had(terms, before, read.count) : palloc0(read.count * sizeof(Had));
	not_allotted = palloc(read.count * sizeof(bool));
	memset(not_allotted, true, read.count * sizeof(bool));
	for (int i = 0; i < budget_count; i++)
	{
		int			award = rules[i].award;
		Budget	   *budget = find_budget(budgets, rules[i].budget);

		if (award >= read.count)
			continue;
		if (had[award].any)
			change_given(budget, had[award].allotted, false);
		if (read.isnull[award])
			continue;
		read.values[award] = give(budget, terms, terms_round(terms, read.values[award]), &had[award]);
		not_allotted[award] = false;
		change_given(budget, read.values[award], true);
	}
	return stacking_parts(read.values, not_allotted, read.count);
}

/*
 * Write what was counted.  The locks stay to the end of the transaction.
 */
void
budgets_end(Budgets *budgets)
{
	ListCell   *lc;

	if (budgets->rows == NULL)
		return;
	foreach(lc, budgets->expected)
		if (((Budget *) lfirst(lc))->changed)
		budget_table_write(budgets->rows, &((Budget *) lfirst(lc))->row);
	budget_table_close(budgets->rows);
}
