/*
 * accrual.h: what entries make of an account, one after the other.
 */
#ifndef LOYALTY_ACCRUAL_H
#define LOYALTY_ACCRUAL_H

#include "lib/pairingheap.h"

#include "histories.h"
#include "journal.h"
#include "payment.h"
#include "purse.h"
#include "terms.h"

/* How an order stands after the latest entry of it. */
typedef struct StandingOrder
{
	char	   *key;			/* which customer, tracked table and order key */
	int32		revision;		/* 0: nothing is known of it yet */
	int32		terms;			/* version that it was recorded under */
	bool		failed;			/* an entry of it was left out: all later ones wait */
	bool		counts;
	bool		is_event;		/* it is no order, but an event */
	TimestampTz at;
	Moment		available;		/* when its points are, if it says so itself */
	Datum		amount;
	Datum		most;			/* the highest amount that it had; as long as it is not
								 * paid with points, of the entries that are added */
	Datum		order_points;	/* what it is worth, and what was forgiven */
	Datum		forgiven;		/* or (Datum) 0: nothing */
	Datum		multiplier;
	const char *tier;
	Datum		held_rules;		/* int[]: those whose for_members held just before it, or
								 * (Datum) 0: none ask */
	Datum		rooms;			/* numeric[]: see member_limits.c; or (Datum) 0 */
	Datum		apart;			/* the same, of what rules give that are rounded by
								 * themselves, under these terms: */
	int32		apart_terms;
	const struct StandingOrder *beside; /* another order that has the same key by now, or
										 * NULL */
	pairingheap_node by_first;	/* among the counted orders */
	pairingheap_node by_last;
} StandingOrder;

/*
 * An order that gets another key: two entries are one change, that of the key that it had and
 * that of the key that it has.
 */
typedef struct Rekeying
{
	int			recorded_for;	/* whose order had which key until then */
	text	   *order_key;
	bool		begun;			/* one of the two entries was added */
	bool		is_void;		/* the order was not known as it stood, so they are two */
	StandingOrder before;		/* how it stood until then */
} Rekeying;

/* An entry as it was recorded. */
typedef struct RecordedEntry
{
	int			recorded_for;	/* whom: a place among the keys of the account */
	int32		tracked_table;
	text	   *order_key;
	int32		revision;
	int32		terms;
	TimestampTz at;
	TimestampTz recorded_at;
	bool		counts;
	bool		is_event;		/* of an event, which counts as no order */
	const text *event;			/* of which kind; or NULL */
	Datum		amount;			/* numeric */
	Datum		awards;			/* numeric */
	Datum		parts;			/* numeric[]: what each rule gives, or (Datum) 0 */
	Moment		joined;			/* since when its customer is one */
	Moment		available;		/* when its points are, if it says so itself */
	HeldTier	held;			/* what it brought along */
	bool		is_rerated;		/* the next entry of its order is of other terms, and
								 * with this one it does not count for a microsecond; or
								 * it goes on for another key of the account */
	text	   *came_from;		/* the key that its order had until this entry; NULL:
								 * this one */
	int32		came_revision;	/* by the newest entry there; */
	bool		came_over;		/* it was another customer's */
	Rekeying   *came;			/* the same, if it was an order of this account, or NULL */
	Rekeying   *left;			/* its order goes on by another key of this account */
} RecordedEntry;

/* What became of an entry that was added. */
typedef enum Verdict
{
	VERDICT_COUNTS,				/* it moved the account on */
	VERDICT_REPEATED,			/* this revision of the order, or a later one, is in the
								 * account */
	VERDICT_WAITS,				/* an earlier revision of the order is missing */
	VERDICT_FAILS				/* the sums of the account would be too large */
} Verdict;

/* The times of the first and the last of some orders that count. */
typedef struct Bounds
{
	bool		any;
	TimestampTz first;
	TimestampTz last;
} Bounds;

/* The account of one customer, and the latest entry's part in it. */
typedef struct Accrual
{
	MemoryContext context;
	MemoryContext steps[2];		/* what this entry and the one before it made */
	bool		is_read;		/* a revision that a snapshot does not show is no gap */
	Facts		facts;			/* after the latest entry; tenure and moment before it */
	Datum		points;			/* numeric: all points after the latest entry */
	Datum		between;		/* numeric: those of orders between the two entries by
								 * which they get other keys, which are not in "points";
								 * or (Datum) 0: none */
	Datum		posted_lots;	/* of the account before all entries, or (Datum) 0 */
	const LotList *expired;		/* what was taken off expired lots, or NULL: it is not
								 * known */
	Purse	   *purse;			/* after the latest entry; NULL: no points are dated yet */
	bool		has_lots;		/* there are lots, or were */
	List	   *payments;		/* of Payment *: points that expected orders were paid
								 * with */

	/* how those orders stand of which a later revision is to be added; or NULL */
	struct standing_hash *orders;
	pairingheap *first;
	pairingheap *last;
	Bounds		others;			/* of all other orders */

	Histories  *known;			/* those of the account after the latest entry; NULL: no
								 * condition asks */
	Histories  *histories;		/* what entries changed of those of the account; NULL:
								 * nobody asks */

	/*
	 * what rules with limits gave in periods of entries that are to be added: see
	 * member_limits.c
	 */
	List	   *limit_kinds;
	struct uses_hash *uses;		/* or NULL: no rule has a limit */

	/* the latest entry that counts */
	int64		number;			/* how many counted so far */
	const char *tier;
	Datum		multiplier;
	Datum		held_rules;		/* or (Datum) 0; so may these two be: */
	Datum		rooms;
	Datum		apart;			/* what rules give that are rounded by themselves */
	Datum		order_points;
	Datum		forgiven;		/* of them; (Datum) 0: nothing */
	int32		orders_change;
	Datum		amount_change;
	Datum		points_change;
	Lots	   *lots;			/* what it did to them; NULL: nothing */
	bool		is_short;		/* it was to take points back that were not there */
	List	   *returned;		/* of Returned *: what came back by it, before it */
} Accrual;

extern Accrual *accrual_begin(MemoryContext context);
extern void accrual_set_account(Accrual *accrual, Datum spend, int64 orders, Datum points_earned,
								const Bounds *bounds);
extern void accrual_set_points(Accrual *accrual, Datum points, Datum lots);
extern void accrual_set_histories(Accrual *accrual, Datum purchases, Datum events);
extern bool accrual_needs_expired(const Accrual *accrual);
extern Lots *accrual_lots(const Accrual *accrual);
extern bool accrual_expect(Accrual *accrual, int recorded_for, int32 tracked_table, const text *order_key);
extern bool accrual_expects(Accrual *accrual, int recorded_for, int32 tracked_table, const text *order_key);
extern void accrual_known_most(Accrual *accrual, int recorded_for, const Payment *payment, Datum amount);
extern bool accrual_needs_bounds(Accrual *accrual);
extern void bounds_extend(Bounds *bounds, TimestampTz at);
extern int	recorded_entry_compare(const RecordedEntry *a, const RecordedEntry *b);
extern void accrual_known_order(Accrual *accrual, const RecordedEntry *entry,
								int32 revision, int32 terms, bool counts, TimestampTz at,
								Moment available, Datum amount, Datum order_points, Datum forgiven,
								Datum multiplier, const char *tier, Datum held_rules, Datum rooms, Datum apart);
extern bool rekeying_goes_away(const RecordedEntry *entry);
extern bool rekeying_comes_along(const RecordedEntry *entry);
extern Datum rekeying_rooms(const RecordedEntry *entry, int32 terms, const StandingOrder *order, const StandingOrder *from);
extern const StandingOrder *rekeying_goes_on(const RecordedEntry *entry, const StandingOrder *order,
											 const StandingOrder *other, StandingOrder *result, Datum *passed);
extern Verdict accrual_add(Accrual *accrual, Terms *terms, const RecordedEntry *entry);

#endif							/* LOYALTY_ACCRUAL_H */
