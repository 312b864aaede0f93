/*
 * wallet.c: when the points of a wallet become available, and when they expire.
 *
 * A version of the terms says both for each wallet: available_after is an interval after
 * the moment of the order, and the expressions "expires" and "extended" are over its day,
 * in the time zone of the program.  These call nothing but what is built in.  They are
 * kept as text, checked once more when a session first needs them, and evaluated once for
 * each day, by a query: days come again and again.  An order that says itself when its
 * points are available takes the place of available_after, with a wallet or without one.
 *
 * An expression that fails on some day, as one that leaves the range of dates, gives
 * points that never expire, and the log tells of it: posting and reading go on.
 *
 * Orders give their points to wallet 1, but those of rules that name another one.  Orders keep
 * points from expiring, of wallets that say so.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "owner.h"
#include "protect.h"
#include "snapshot.h"
#include "tenure.h"
#include "wallet.h"

/* What an expression gives for a day. */
typedef struct DatedMoment
{
	DateADT		day;
	TimestampTz moment;
	char		status;
} DatedMoment;

#define SH_PREFIX moments
#define SH_ELEMENT_TYPE DatedMoment
#define SH_KEY_TYPE DateADT
#define SH_KEY day
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) (key))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "common/hashfn.h"
#include "lib/simplehash.h"

/* An expression over a day. */
typedef struct DayExpression
{
	const char *query;
	struct moments_hash *known;
	bool		told;			/* that it failed on some day */
} DayExpression;

/* The wallet of a version of the terms. */
struct Wallet
{
	int32		number;
	const char *name;
	Interval   *available_after;	/* or NULL */
	DayExpression *expires;		/* or NULL */
	DayExpression *extended;	/* or NULL */
};

/* Check an expression as it was checked when it was written, and keep it; NULL: there is none. */
static DayExpression *
load_day_expression(Terms *terms, const char *wallet, const char *text, const char *column, const char *type,
					const char *day)
{
	Oid			types[4] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[4];
	DayExpression *expression;
	char	   *checked;

	if (text == NULL)
		return NULL;
	values[0] = CStringGetTextDatum(text);
	values[1] = CStringGetTextDatum(wallet);
	values[2] = CStringGetTextDatum(column);
	values[3] = CStringGetTextDatum(terms->time_zone);
	if (SPI_execute_with_args(psprintf("SELECT _loyalty.parse_wallet($1, '_loyalty.%s', $2, $3, $4, false)", type),
							  4, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not check an expression of a wallet");
	checked = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	expression = MemoryContextAllocZero(terms->context, sizeof(DayExpression));
	expression->query = MemoryContextStrdup(terms->context,
											psprintf("SELECT %s FROM (SELECT $1 AS %s) AS %s", checked, day, type));
	expression->known = moments_create(terms->context, 32, NULL);
	return expression;
}

/* The wallet of a row of the terms. */
static Wallet *
load_wallet(Terms *terms, SPITupleTable *result, int row)
{
	Wallet	   *wallet = MemoryContextAllocZero(terms->context, sizeof(Wallet));
	HeapTuple	tuple = result->vals[row];
	Datum		after;
	bool		isnull;

	wallet->number = DatumGetInt32(SPI_getbinval(tuple, result->tupdesc, 1, &isnull));
	wallet->name = MemoryContextStrdup(terms->context, SPI_getvalue(tuple, result->tupdesc, 2));
	after = SPI_getbinval(tuple, result->tupdesc, 3, &isnull);
	if (!isnull)
	{
		wallet->available_after = MemoryContextAlloc(terms->context, sizeof(Interval));
		*wallet->available_after = *DatumGetIntervalP(after);
	}
	wallet->expires = load_day_expression(terms, wallet->name, SPI_getvalue(tuple, result->tupdesc, 4),
										  "expires", "earning", "earned_on");
	wallet->extended = load_day_expression(terms, wallet->name, SPI_getvalue(tuple, result->tupdesc, 5),
										   "extended", "activity", "active_on");
	return wallet;
}

/*
 * Read what a version of the terms says of wallets; as the owner of the program, with SPI
 * connected.
 */
void
wallet_load(Terms *terms, const char *schema)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(terms->id)};
	SPITupleTable *result;
	uint64		count;

	if (SPI_execute_with_args(psprintf("SELECT w.wallet::pg_catalog.int4, w.name, w.available_after::pg_catalog.interval, w.expires, w.extended,"
									   " w.redeemable::pg_catalog.bool FROM %s.terms_wallet w WHERE w.version OPERATOR(pg_catalog.=) $1"
									   " ORDER BY w.redeem_order, w.wallet",
									   quote_identifier(schema)), 1, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the wallets of a loyalty program");
	result = SPI_tuptable;
	count = SPI_processed;
	terms->redeemable = MemoryContextAlloc(terms->context, Max(count, 1) * sizeof(int32));
	terms->status = MemoryContextAlloc(terms->context, Max(count, 1) * sizeof(int32));
	for (uint64 i = 0; i < count; i++)
	{
		Wallet	   *wallet = load_wallet(terms, result, (int) i);
		MemoryContext old = MemoryContextSwitchTo(terms->context);
		bool		isnull;

		terms->wallets = lappend(terms->wallets, wallet);
		if (wallet->extended != NULL)
			terms->extending = lappend(terms->extending, wallet);
		MemoryContextSwitchTo(old);
		if (DatumGetBool(SPI_getbinval(result->vals[i], result->tupdesc, 6, &isnull)))
			terms->redeemable[terms->redeemables++] = wallet->number;
		else
			terms->status[terms->statuses++] = wallet->number;
		if (wallet->number == LOTS_DEFAULT_WALLET &&
			(wallet->available_after != NULL || wallet->expires != NULL || wallet->extended != NULL))
			terms->wallet = wallet;
	}
}

/* A day for which an expression is evaluated, for protect(). */
typedef struct Evaluation
{
	Terms	   *terms;
	DayExpression *expression;
	DateADT		day;
	TimestampTz result;
} Evaluation;

/* A local time in the zone of the program; -infinity is the first moment that there is. */
static TimestampTz
moment_of(Terms *terms, Timestamp local)
{
	if (TIMESTAMP_NOT_FINITE(local))
		return TIMESTAMP_IS_NOBEGIN(local) ? MIN_TIMESTAMP : DT_NOEND;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, CStringGetTextDatum(terms->time_zone),
												   TimestampGetDatum(local)));
}

static void
evaluate_day(void *arg)
{
	Evaluation *evaluation = (Evaluation *) arg;
	Terms	   *terms = evaluation->terms;
	Oid			types[1] = {DATEOID};
	Datum		values[1] = {DateADTGetDatum(evaluation->day)};
	OwnerScope	scope;
	Datum		local;
	bool		isnull;

	owner_enter(&scope, terms->owner, true, terms->time_zone);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(evaluation->expression->query, 1, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not evaluate an expression of a wallet");
	local = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	evaluation->result = isnull ? DT_NOEND : moment_of(terms, DatumGetTimestamp(local));
	SPI_finish();
	owner_leave(&scope);
}

/* What an expression gives for the local day of a moment. */
static TimestampTz
day_moment(Terms *terms, const Wallet *wallet, DayExpression *expression, TimestampTz at)
{
	Evaluation	evaluation = {.terms = terms,.expression = expression,.result = DT_NOEND};
	DatedMoment *known;
	ErrorData  *error;
	bool		found;

	if (!tenure_local_date(at, terms->zone, &evaluation.day))
		return DT_NOEND;
	known = moments_lookup(expression->known, evaluation.day);
	if (known != NULL)
		return known->moment;
	error = protect(evaluate_day, &evaluation);
	if (error != NULL)
	{
		if (!expression->told)
			ereport(LOG_SERVER_ONLY,
					(errcode(error->sqlerrcode),
					 errmsg("an expression of the wallet \"%s\" of loyalty program \"%s\" failed, and points do not expire: %s",
							wallet->name, get_namespace_name(get_rel_namespace(terms->program)),
							error->message)));
		expression->told = true;
		FreeErrorData(error);
		evaluation.result = DT_NOEND;
	}
	known = moments_insert(expression->known, evaluation.day, &found);
	known->moment = evaluation.result;
	return known->moment;
}

/* A moment and months or days after it, by the clocks of the program. */
static TimestampTz
local_after(Terms *terms, TimestampTz at, Interval *part)
{
	Datum		zone = CStringGetTextDatum(terms->time_zone);
	Datum		local = DirectFunctionCall2(timestamptz_zone, zone, TimestampTzGetDatum(at));

	local = DirectFunctionCall2(timestamp_pl_interval, local, IntervalPGetDatum(part));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamp_zone, zone, local));
}

/*
 * A moment and an interval after it: months and days are those of the zone of the program,
 * hours pass as they do, as in timestamptz + interval.  So each part is added to a moment,
 * for clocks that are set back show a time twice, and hours may be all that is added.
 */
static TimestampTz
moment_after(Terms *terms, TimestampTz at, const Interval *interval)
{
	Interval	months = {.month = interval->month};
	Interval	days = {.day = interval->day};

	if (months.month != 0)
		at = local_after(terms, at, &months);
	if (days.day != 0)
		at = local_after(terms, at, &days);
	return at + interval->time;
}

/*
 * Points that are available at infinity wait until somebody says when they are: no lot can
 * say that, so theirs is available at the latest moment that there is.
 */
#define LAST_MOMENT (END_TIMESTAMP - 1)

/*
 * From when on points are available that are earned at a moment.  Moments near both ends of
 * the range, which come from the host, must not fail: so early, that is long ago in any case,
 * and so late it is the last moment that there is.
 */
static TimestampTz
available_from(Terms *terms, const Wallet *wallet, TimestampTz earned_at)
{
	if (earned_at < MIN_TIMESTAMP + 2 * USECS_PER_DAY)
		return DT_NOBEGIN;
	if (earned_at >= END_TIMESTAMP - INT64CONST(1100) * 366 * USECS_PER_DAY)
		return LAST_MOMENT;
	return moment_after(terms, earned_at, wallet->available_after);
}

/* A wallet of the terms, or NULL. */
static const Wallet *
find_wallet(const Terms *terms, int32 number)
{
	ListCell   *lc;

	foreach(lc, terms->wallets)
		if (((const Wallet *) lfirst(lc))->number == number)
		return (const Wallet *) lfirst(lc);
	return NULL;
}

/* The dates that a wallet gives to points of a moment, unless the order says when they are available. */
static void
set_dates(Terms *terms, const Wallet *wallet, TimestampTz earned_at, bool is_said, Lot *lot)
{
	if (wallet == NULL || TIMESTAMP_NOT_FINITE(earned_at))
		return;
	if (!is_said && wallet->available_after != NULL)
		lot->available_at = available_from(terms, wallet, earned_at);
	if (wallet->expires != NULL)
		lot->expires_at = day_moment(terms, wallet, wallet->expires, earned_at);
}

/*
 * The lot of a wallet that points go to which are earned at a moment, or which a call gives at it, without
 * points.  An order may say itself when they are available, or NULL.  Of one whose time is infinite they never
 * expire, and are available at once if it does not say.
 */
Lot
wallet_lot_in(Terms *terms, int32 number, TimestampTz earned_at, const Moment *said)
{
	Lot			lot = {.available_at = DT_NOBEGIN,.expires_at = DT_NOEND,.wallet = number};
	bool		is_said = said != NULL && said->is_known;

	if (is_said)
		lot.available_at = Min(said->at, LAST_MOMENT);
	set_dates(terms, number == LOTS_DEFAULT_WALLET ? terms->wallet : find_wallet(terms, number), earned_at, is_said, &lot);
	return lot;
}

/*
 * The same of the first wallet, which orders give their points to.
 */
Lot
wallet_lot(Terms *terms, TimestampTz earned_at, const Moment *said)
{
	return wallet_lot_in(terms, LOTS_DEFAULT_WALLET, earned_at, said);
}

/*
 * Do orders keep points of a wallet from expiring?
 */
bool
wallet_may_extend(const Terms *terms, int32 number)
{
	const Wallet *wallet = find_wallet(terms, number);

	return wallet != NULL && wallet->extended != NULL;
}

/*
 * Until when an order that counts, of a moment, keeps points of a wallet from expiring that
 * is one of terms->extending; false: it does not.
 */
bool
wallet_extends(Terms *terms, const Wallet *wallet, TimestampTz active_at, int32 *number, TimestampTz *until)
{
	if (TIMESTAMP_NOT_FINITE(active_at))
		return false;
	*number = wallet->number;
	*until = day_moment(terms, wallet, wallet->extended, active_at);
	return true;
}

PG_FUNCTION_INFO_V1(loyalty_wallet_has_entries);

/*
 * wallet_has_entries(program name, wallet int) returns boolean
 *
 * For whoever changes the wallet, and has its row locked against those who give points to it.
 * They may have committed after the snapshot of this transaction, so what is read is what is
 * there now, of one moment: another one may be changing entries, whose customer is forgotten.
 * Orders lock nothing of it, and what they give is in no ledger before they are posted: so terms
 * that have a rule which names the wallet count as well.
 */
Datum
loyalty_wallet_has_entries(PG_FUNCTION_ARGS)
{
	Oid			type = INT4OID;
	Datum		wallet = PG_GETARG_DATUM(1);
	bool		found;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	CommandCounterIncrement();
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args(psprintf("SELECT FROM %1$s.ledger l CROSS JOIN LATERAL loyalty.unnest(l.lots) u"
									   " WHERE l.lots IS NOT NULL AND u.wallet OPERATOR(pg_catalog.=) $1"
									   " UNION ALL"
									   " SELECT FROM %1$s.terms_wallet w JOIN %1$s.terms_rule r ON r.version OPERATOR(pg_catalog.=) w.version AND r.wallet OPERATOR(pg_catalog.=) w.name"
									   " WHERE w.wallet OPERATOR(pg_catalog.=) $1",
									   quote_identifier(NameStr(*PG_GETARG_NAME(0)))),
							  1, &type, &wallet, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for entries of a wallet");
	found = SPI_processed > 0;
	PopActiveSnapshot();
	SPI_finish();
	PG_RETURN_BOOL(found);
}
