/*
 * purse.c: what happens to the dated points of a customer, tested without a server.
 *
 * Cases with numbers WE-... are published examples of other systems.  After them, a random
 * life of many purses keeps the laws: no points come or go but by what was done, nothing
 * that is spent was not there, and what an entry says that it did adds up to what there is.
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "purse.h"

#undef printf

static int	tests = 0;
static bool failed = false;

static void
check(bool holds, const char *what)
{
	printf("%s %d - %s\n", holds ? "ok" : "not ok", ++tests, what);
	failed |= !holds;
}

/* Days are moments here. */
#define DAY(n) ((TimestampTz) (n) * USECS_PER_DAY)

static Points
whole(int value)
{
	Points		points = {.value = value,.scale = 0};

	return points;
}

static Lot
lot(TimestampTz available_at, TimestampTz expires_at)
{
	Lot			result = {.available_at = available_at,.expires_at = expires_at,.wallet = LOTS_DEFAULT_WALLET};

	return result;
}

static Purse *
empty(void)
{
	return purse_begin(PointerGetDatum("0"), (Datum) 0);
}

static bool
has(const Purse *purse, const Lot *kind, int points)
{
	const Lot  *found = lots_find(purse->lots, kind);

	return found == NULL ? points == 0 : found->points == points;
}

static int
available(const Purse *purse, TimestampTz at)
{
	return atoi((char *) DatumGetPointer(purse_available(purse, at)));
}

static const Lot undated = {.available_at = DT_NOBEGIN,.expires_at = DT_NOEND,.wallet = LOTS_DEFAULT_WALLET};

static void
test_examples(void)
{
	Purse	   *purse = empty();
	Lot			early = lot(DT_NOBEGIN, DAY(100));
	Lot			late = lot(DT_NOBEGIN, DAY(200));
	Lot			waiting = lot(DAY(50), DT_NOEND);
	LotList    *taken;

	purse_credit(purse, &undated, whole(100));
	check(purse_take(purse, whole(30), DAY(1)) != NULL && has(purse, &undated, 70), "WE-061: 100, and 30 spent, leave 70");
	check(purse_take(purse, whole(71), DAY(1)) == NULL && has(purse, &undated, 70), "no more is spent than there is, and then nothing");

	purse = empty();
	purse_credit(purse, &early, whole(100));
	purse_credit(purse, &undated, whole(40));
	check(available(purse, DAY(99)) == 140 && available(purse, DAY(100)) == 40, "WE-065: what expires is gone at that moment");

	purse = empty();
	purse_credit(purse, &late, whole(5000));
	purse_credit(purse, &early, whole(3000));
	taken = purse_take(purse, whole(6000), DAY(1));
	check(has(purse, &early, 0) && has(purse, &late, 2000), "what expires first is spent first");
	purse_give_back(purse, taken, whole(4000));
	check(has(purse, &early, 1000) && has(purse, &late, 5000), "what was taken last comes back first");
	purse_give_back(purse, taken, whole(9000));
	check(available(purse, DAY(150)) == 2000 + 3000 + 3000, "WE-081: what comes back has its dates, and may have expired");

	purse = empty();
	purse_credit(purse, &waiting, whole(20));
	purse_credit(purse, &early, whole(30));
	purse_owe(purse, purse_refund(purse, &undated, whole(20), false, DAY(1)));
	check(has(purse, &waiting, 0) && available(purse, DAY(1)) == 30, "WE-141: points that wait are taken back first");
	purse_owe(purse, purse_refund(purse, &undated, whole(40), false, DAY(1)));
	check(available(purse, DAY(1)) == -10, "WE-141: what was not there is owed");
	purse_credit(purse, &late, whole(4));
	check(has(purse, &late, 0) && has(purse, &undated, -6), "what is owed is repaid");
	purse_credit(purse, &late, whole(10));
	check(has(purse, &late, 4) && has(purse, &undated, 0), "and no more than that");
}

static void
test_time(void)
{
	Purse	   *purse = empty();
	Lot			first = lot(DT_NOBEGIN, DAY(180));
	Lot			rolled = lot(DT_NOBEGIN, DAY(515));
	Lot			waiting = lot(DAY(14), DAY(300));
	Lot			vested = lot(DT_NOBEGIN, DAY(300));
	LotList    *expired = lots_make();
	TimestampTz moment;

	purse_credit(purse, &first, whole(100));
	purse_extend(purse, LOTS_DEFAULT_WALLET, DAY(515), DAY(150));
	check(has(purse, &first, 0) && has(purse, &rolled, 100), "WE-077: activity moves the dates");
	purse_extend(purse, LOTS_DEFAULT_WALLET, DAY(900), DAY(515));
	check(has(purse, &rolled, 100), "but not of what has expired");
	purse_extend(purse, LOTS_DEFAULT_WALLET, DAY(400), DAY(200));
	check(has(purse, &rolled, 100), "and never back");

	purse = empty();
	purse_credit(purse, &waiting, whole(10));
	purse_credit(purse, &first, whole(100));
	check(!purse_vest(purse, DAY(13), &moment) && has(purse, &waiting, 10), "points wait until their moment");
	check(purse_vest(purse, DAY(20), &moment) && moment == DAY(14) && has(purse, &vested, 10), "and are available then");
	purse_owe(purse, purse_refund(purse, &waiting, whole(4), false, DAY(21)));
	check(has(purse, &vested, 6), "an order finds its points after they waited");
	check(!purse_next_expiry(purse, DAY(179), &moment), "nothing has expired yet");
	check(purse_next_expiry(purse, DAY(999), &moment) && moment == DAY(180), "the first expiry comes first");
	check(strcmp((char *) DatumGetPointer(purse_expire(purse, moment)), "-100") == 0 && has(purse, &first, 0), "and takes all of its lot");

	/* 60 of 100 were spent, 40 expired; the order is taken back */
	first.points = 40;
	lots_put(expired, 0, &first);
	lots_settle(expired);
	purse = empty();
	purse->expired = expired;
	purse_credit(purse, &undated, whole(5));
	purse_owe(purse, purse_refund(purse, &first, whole(100), false, DAY(200)));
	check(has(purse, &first, -40) && has(purse, &undated, -55), "what expired is not owed, what was spent is");
	check(available(purse, DAY(200)) == -55, "and the expired lot is none that counts");
}

/* An order says that its points are available at another moment. */
static void
test_move(void)
{
	TimestampTz unknown = DAY(90000);
	Lot			waiting = lot(unknown, DAY(100));
	Lot			kept = lot(unknown, DAY(500));
	Lot			other = lot(unknown, DAY(200));
	Lot			shipped = lot(DAY(20), DAY(100));
	Lot			shipped_kept = lot(DAY(20), DAY(500));
	Lot			vested = lot(DT_NOBEGIN, DAY(100));
	Purse	   *purse = empty();
	TimestampTz moment;

	purse_credit(purse, &undated, whole(-30));
	purse_credit(purse, &waiting, whole(100));
	purse_credit(purse, &other, whole(50));
	purse_move(purse, &waiting, &shipped, whole(100), false, DAY(1));
	check(has(purse, &waiting, 0) && has(purse, &shipped, 70) && has(purse, &other, 50), "what is left of an order gets its new date, and nothing of another one");
	(void) purse_take(purse, whole(30), DAY(21));
	check(purse_vest(purse, DAY(21), &moment) && has(purse, &vested, 40), "they are available then");
	purse_move(purse, &shipped, &waiting, whole(100), true, DAY(22));
	check(has(purse, &vested, 0) && has(purse, &waiting, 40) && has(purse, &other, 50), "and wait again, if the order says so");
	purse_move(purse, &waiting, &shipped, whole(100), false, DAY(100));
	check(has(purse, &waiting, 40) && has(purse, &shipped, 0), "but not when they have expired");

	purse = empty();
	purse_credit(purse, &waiting, whole(100));
	purse_extend(purse, LOTS_DEFAULT_WALLET, DAY(500), DAY(1));
	check(has(purse, &kept, 100), "points that wait are kept, too");
	purse_move(purse, &waiting, &shipped, whole(100), false, DAY(150));
	check(has(purse, &kept, 0) && has(purse, &shipped_kept, 100), "and stay kept when their order gets a date");

	purse = empty();
	purse_credit(purse, &waiting, whole(90));
	purse_extend(purse, LOTS_DEFAULT_WALLET, DAY(500), DAY(1));
	purse_credit(purse, &waiting, whole(10));
	purse_move(purse, &waiting, &shipped, whole(100), true, DAY(2));
	check(has(purse, &shipped, 10) && has(purse, &shipped_kept, 90) && has(purse, &kept, 0), "those that came later go with them");
}

static unsigned random_state = 12345;

static int
any(int limit)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 8) % limit;
}

/* The points of all lots. */
static int
total(const LotList *lots)
{
	int			points = 0;

	for (int i = 0; i < lots->count; i++)
		points += (int) lots->lot[i].points;
	return points;
}

/* Do something; returns by how much the points change. */
static int
step(Purse *purse, TimestampTz now)
{
	Lot			kind = lot(any(2) ? DT_NOBEGIN : now + DAY(any(20)), any(3) ? now + DAY(any(60)) : DT_NOEND);
	int			points = 1 + any(100);
	TimestampTz moment;

	switch (any(6))
	{
		case 0:
		case 1:
			purse_credit(purse, &kind, whole(points));
			return points;
		case 2:
			purse_owe(purse, purse_refund(purse, &kind, whole(points), false, now));
			return -points;
		case 3:
			return purse_take(purse, whole(points), now) == NULL ? 0 : -points;
		case 4:
			purse_extend(purse, LOTS_DEFAULT_WALLET, now + DAY(60), now);
			return 0;
		default:
			(void) purse_vest(purse, now, &moment);
			return purse_next_expiry(purse, now, &moment) ?
				atoi((char *) DatumGetPointer(purse_expire(purse, moment))) : 0;
	}
}

/* Does a list have the lots of a purse but for the undated one? */
static bool
is_dated_part(const LotList *sum, const Purse *purse)
{
	int			dated = 0;

	for (int i = 0; i < purse->lots->count; i++)
	{
		const Lot  *found = lots_find(sum, &purse->lots->lot[i]);

		if (!purse_is_dated(&purse->lots->lot[i]))
			continue;
		dated++;
		if (found == NULL || found->points != purse->lots->lot[i].points)
			return false;
	}
	return dated == sum->count;
}

static void
test_laws(void)
{
	bool		adds_up = true;
	bool		is_sum = true;
	bool		never_below = true;
	bool		same_again = true;

	for (int life = 0; life < 300; life++)
	{
		Purse	   *purse = empty();
		LotList    *sum = lots_make();
		TimestampTz now = 0;
		int			points = 0;

		for (int i = 0; i < 60; i++)
		{
			Lots	   *change;

			now += DAY(any(8));
			points += step(purse, now);
			change = purse_end_entry(purse);
			if (change != NULL)
				lots_put_stored(sum, change, false);
			lots_settle(sum);
			adds_up &= total(purse->lots) == points;
			is_sum &= is_dated_part(sum, purse);
			for (int n = 0; n < purse->lots->count; n++)
				never_below &= purse->lots->lot[n].points > 0 || !purse_is_dated(&purse->lots->lot[n]);
		}
		/* as it is stored, and read again */
		purse = purse_begin(PointerGetDatum(psprintf("%d", points)), PointerGetDatum(purse_lots(purse)));
		same_again &= is_dated_part(sum, purse) && total(purse->lots) == points;
	}
	check(adds_up, "points come and go by what is done, and by nothing else");
	check(is_sum, "what entries did adds up to what there is");
	check(never_below, "no dated lot is below zero");
	check(same_again, "a purse is the same after it was stored");
}

int
main(void)
{
	test_examples();
	test_time();
	test_move();
	test_laws();
	if (!failed)
		printf("done\n");
	return failed;
}
