/*
 * moment.c: when a transaction records.
 *
 * All that one transaction records, it records at one moment: the clock when it
 * first records something.  So an import of orders, and then of the refunds that
 * came between them, is folded by the times of orders and refunds, like the same
 * orders and refunds when they came one by one.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "compat.h"
#include "moment.h"

static LocalTransactionId known_transaction = InvalidLocalTransactionId;
static TimestampTz known_moment;

/*
 * The moment at which this transaction, whatever its subtransaction, records.
 */
TimestampTz
moment_of_recording(void)
{
	LocalTransactionId transaction = loyalty_local_transaction();

	if (transaction != known_transaction)
	{
		known_transaction = transaction;
		known_moment = GetCurrentTimestamp();
	}
	return known_moment;
}

/*
 * From here on, this transaction records at this moment, unless it does so at a later
 * one already.
 */
void
moment_not_before(TimestampTz moment)
{
	known_moment = Max(moment_of_recording(), moment);
}
