/*
 * nested.c: what must not begin while a program is at work.
 *
 * While a program acts as its owner (see owner.c), it evaluates expressions, and
 * reads views that do, whose functions may call anything: one that reconciles the
 * program would be evaluated for each of its orders, and reconcile again.  So
 * whatever changes or recomputes a program asks here, first of all, whether it is
 * called from within, and so does recording.  This holds for all programs, as one
 * may call another that calls the first.
 *
 * The triggers that users have on the tables of a program are called from within,
 * too, but after the work: they may write orders, though not begin other work.
 *
 * Work is left by an error as well, and then it is over when the transaction or
 * subtransaction ends that it was begun in.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "nested.h"

#define NESTED_DETAIL "It was called by a function that an expression, a domain or a trigger of a program uses."
#define NESTED_HINT "An expression must compute its value and change nothing: take this out of the function."

/* What was begun and is not over. */
typedef struct Work
{
	int			level;			/* of the subtransaction */
	bool		triggers;		/* triggers of users */
} Work;

static Work *works = NULL;
static int	room = 0;
static int	depth = 0;

static void
transaction_ended(XactEvent event, void *arg)
{
	depth = 0;
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId subxact,
					 SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (depth > 0 && works[depth - 1].level >= GetCurrentTransactionNestLevel())
		depth--;
}

static void
begin(bool triggers)
{
	if (works == NULL)
	{
		works = MemoryContextAlloc(TopMemoryContext, 8 * sizeof(Work));
		room = 8;
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
	}
	else if (depth == room)
	{
		works = repalloc(works, 2 * room * sizeof(Work));
		room *= 2;
	}
	works[depth].level = GetCurrentTransactionNestLevel();
	works[depth].triggers = triggers;
	depth++;
}

/*
 * A program is at work as its owner until nested_end(), or an error.
 */
void
nested_begin_work(void)
{
	begin(false);
}

/*
 * Triggers of users are called until nested_end(), or an error.
 */
void
nested_begin_triggers(void)
{
	begin(true);
}

void
nested_end(void)
{
	Assert(depth > 0);
	depth--;
}

/*
 * An error if a function that changes or recomputes a program is called by what a
 * program runs.
 */
void
nested_refuse_call(const char *function)
{
	if (depth > 0)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("cannot call %s() while a loyalty program evaluates its expressions",
						function),
				 errdetail(NESTED_DETAIL),
				 errhint(NESTED_HINT)));
}

/*
 * An error if an expression writes to a table, but for triggers of users.
 */
void
nested_refuse_write(const char *table)
{
	if (depth > 0 && !works[depth - 1].triggers)
		ereport(ERROR,
				(errcode(ERRCODE_S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED),
				 errmsg("cannot write to table \"%s\" while a loyalty program evaluates its expressions",
						table),
				 errdetail(NESTED_DETAIL),
				 errhint(NESTED_HINT)));
}

PG_FUNCTION_INFO_V1(loyalty_refuse_nested);

/*
 * refuse_nested(function text) returns void: the same for functions in SQL.
 */
Datum
loyalty_refuse_nested(PG_FUNCTION_ARGS)
{
	nested_refuse_call(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}
