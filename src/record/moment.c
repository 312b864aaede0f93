/*
 * moment.c: when a transaction records.
 *
 * All that one transaction records, it records at one moment: the clock when it
 * first records something.  So an import of orders, and then of the refunds that
 * came between them, is folded by the times of orders and refunds, like the same
 * orders and refunds when they came one by one.
 *
 * Orders that get another customer or key are the exception: each statement that moves some has a moment
 * of its own, behind all else that it and the statements before it record.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "compat.h"
#include "moment.h"

static LocalTransactionId known_transaction = InvalidLocalTransactionId;
static TimestampTz known_moment;
static TimestampTz known_moves;

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
		known_moment = known_moves = GetCurrentTimestamp();
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

/*
 * The moment at which a statement records the orders that it moves, at least this one.
 */
TimestampTz
moment_of_moves(TimestampTz least)
{
	TimestampTz moment = moment_of_recording();

	known_moves = Max(Max(known_moves, moment) + 1, least);
	return known_moves;
}
