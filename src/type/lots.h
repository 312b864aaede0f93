/*
 * lots.h: dated points, and what can be done with them.
 *
 * A lot is points of a wallet that are available from a moment on, until they expire.  A
 * value of the type loyalty.lots is a set of lots that adds: what an entry did to an
 * account is one, and the account is the sum of those of its entries.
 */
#ifndef LOYALTY_LOTS_H
#define LOYALTY_LOTS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

#include "exact.h"

/* The wallet that points are in where nobody names one. */
#define LOTS_DEFAULT_WALLET 1

/* Points with the moments between which they can be spent. */
typedef struct Lot
{
	int128		points;			/* with the decimals of the list that it is in */
	TimestampTz available_at;	/* or -infinity: at once */
	TimestampTz expires_at;		/* or infinity: never */
	int32		wallet;			/* from 1 on */
} Lot;

/*
 * Lots that are worked with.  Those before "sorted" are in their order, each of other
 * wallet and moments than the one before; behind them are some that were put since.
 * lots_settle() puts all in order, and takes away those of no points.
 */
typedef struct LotList
{
	Lot		   *lot;
	int			scale;			/* decimals of all points */
	int			sorted;
	int			count;
	int			room;
} LotList;

/* Lots as they are stored: see lots.c. */
typedef struct varlena Lots;

#define DatumGetLots(datum) ((Lots *) PG_DETOAST_DATUM_PACKED(datum))
#define LotsGetDatum(lots) PointerGetDatum(lots)
#define PG_GETARG_LOTS(n) DatumGetLots(PG_GETARG_DATUM(n))
#define PG_RETURN_LOTS(lots) PG_RETURN_POINTER(lots)

/* Reads stored lots one after the other. */
typedef struct LotReader
{
	const uint8 *place;
	const uint8 *end;
	int			scale;
} LotReader;

/* What becomes of a lot at a moment.  It is one of these at any. */
typedef enum LotState
{
	LOT_AVAILABLE,
	LOT_PENDING,
	LOT_EXPIRED
} LotState;

/*
 * Points that are wanted, and where they may be taken from.  Whoever takes some lowers
 * "rest", which is never below zero.
 */
typedef struct LotDemand
{
	int128		rest;
	int			scale;			/* its decimals */
	TimestampTz at;
	const int32 *wallet;		/* to take from, the first one first */
	int			wallets;		/* 0: from all, in the order of their numbers */
} LotDemand;

/* Which of the lots that are preferred are taken first. */
typedef enum LotPreference
{
	PENDING_FIRST,
	AVAILABLE_FIRST
} LotPreference;

/* lots.c */
extern LotList *lots_make(void);
extern void lots_put(LotList *list, int scale, const Lot *lot);
extern void lots_add(LotList *list, const LotList *other);
extern void lots_negate(LotList *list);
extern void lots_settle(LotList *list);
extern const Lot *lots_find(const LotList *list, const Lot *wanted);
extern LotState lot_state(const Lot *lot, TimestampTz at);
extern char *lot_fault(const Lot *lot);
extern char *lots_fault(const LotList *list);
extern Datum lots_points(int128 points, int scale);
extern Datum lots_total(const LotList *list);

/* lots_store.c */
extern LotReader lots_reader(const Lots *lots);
extern bool lots_next(LotReader *reader, Lot *lot);
extern void lots_put_stored(LotList *list, const Lots *lots, bool negated);
extern LotList *lots_decode(const Lots *lots);
extern Lots *lots_encode(LotList *list);

/* lots_read.c */
extern void lots_check_wallet(int32 wallet);
extern TimestampTz lots_moment_argument(FunctionCallInfo fcinfo, int argument);

/* lots_take.c */
extern void lots_take(const LotList *lots, LotDemand *demand, LotList *taken);
extern void lots_take_from(const LotList *lots, const LotList *preferred,
						   LotPreference preference, LotDemand *demand, LotList *taken);
extern LotList *lots_without(const Lots *lots, const int32 *wallets, int count);
extern LotList *lots_expire(const LotList *lots, TimestampTz at);

#endif							/* LOYALTY_LOTS_H */
