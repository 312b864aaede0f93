/*
 * purse.h: the dated points of one customer, and what happens to them.
 */
#ifndef LOYALTY_PURSE_H
#define LOYALTY_PURSE_H

#include "lots.h"

/* Points of the scale that comes with them. */
typedef struct Points
{
	int128		value;
	int			scale;
} Points;

/* All points of a customer. */
typedef struct Purse
{
	LotList    *lots;			/* settled; those that never wait nor expire are a lot,
								 * too, which is below zero if the customer owes points */
	TimestampTz now;			/* the moment of the present entry: what has expired by
								 * then repays no debt */
	LotList    *change;			/* what the present entry did to lots but that one */
	const LotList *expired;		/* what was taken off expired lots by entries before; or
								 * NULL */
	const int32 *wallet;		/* those that can be spent from, in their order */
	int			wallets;		/* 0: there are no points but in such wallets */
} Purse;

extern Purse *purse_begin(Datum points, Datum lots);
extern Points purse_points(Datum number);
extern bool purse_is_dated(const Lot *lot);
extern void purse_earn(Purse *purse, const Lot *kind, Points points);
extern void purse_credit(Purse *purse, const Lot *kind, Points points);
extern Points purse_refund(Purse *purse, const Lot *own, Points points, bool available_first, TimestampTz at);
extern void purse_owe(Purse *purse, Points points);
extern void purse_move(Purse *purse, const Lot *from, const Lot *to, Points most, bool may_extend,
					   TimestampTz at);
extern void purse_extend(Purse *purse, int32 wallet, TimestampTz until, TimestampTz at);
extern LotList *purse_take(Purse *purse, Points points, TimestampTz at);
extern LotList *purse_take_from(Purse *purse, const int32 *wallet, int wallets, Points points,
								TimestampTz at);
extern void purse_give(Purse *purse, const LotList *lots);
extern LotList *purse_empty(Purse *purse);
extern void purse_pass(Purse *purse, const LotList *lots, TimestampTz at);
extern LotList *purse_change(Datum points, Datum lots);
extern LotList *purse_give_back(Purse *purse, const LotList *taken, Points points);
extern bool purse_reclaim(Purse *purse, const LotList *given, Points points, TimestampTz at);
extern bool purse_next_expiry(const Purse *purse, TimestampTz at, TimestampTz *moment);
extern Datum purse_expire(Purse *purse, TimestampTz moment);
extern bool purse_vest(Purse *purse, TimestampTz at, TimestampTz *moment);
extern Datum purse_debt(const Purse *purse);
extern Datum purse_available(const Purse *purse, TimestampTz at);
extern Datum purse_available_in(const Purse *purse, const int32 *wallet, int wallets, TimestampTz at);
extern Datum purse_waiting_in(const Purse *purse, const int32 *wallet, int wallets, TimestampTz at);
extern bool purse_is_of(const LotList *lots, const int32 *wallet, int wallets);
extern Lots *purse_end_entry(Purse *purse);
extern Lots *purse_lots(const Purse *purse);

#endif							/* LOYALTY_PURSE_H */
