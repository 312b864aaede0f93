/*
 * protect.c: running work whose failure must not be everybody's.
 *
 * A rule, a tier or an entry that raises an error concerns one order or one
 * customer.  The work runs in a subtransaction, so that what it did and what it
 * held is undone, and the caller is given the error.  Errors that are not the
 * work's own (a cancelled query, a deadlock, a full disk) are raised as ever.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "protect.h"

/*
 * Is an error one of the work itself?  Those of the classes "transaction
 * rollback", "insufficient resources", "operator intervention", "system error",
 * "internal error" and "invalid transaction state", and a lock that was not to be
 * had, would meet any other work as well.
 */
bool
protect_may_catch(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
		case ERRCODE_INVALID_TRANSACTION_STATE:
			return false;
	}
	return sqlstate != ERRCODE_LOCK_NOT_AVAILABLE &&
		sqlstate != ERRCODE_CRASH_SHUTDOWN;
}

/*
 * Do the work in a subtransaction.  Returns NULL, or the error that the work
 * raised, in the current memory context.
 */
ErrorData *
protect(ProtectedWork work, void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	int			level PG_USED_FOR_ASSERTS_ONLY = GetCurrentTransactionNestLevel();

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	Assert(GetCurrentTransactionNestLevel() == level);
	if (error != NULL && !protect_may_catch(error->sqlerrcode))
		ReThrowError(error);
	return error;
}
