/*
 * authorize.h: changing the points of a customer under the lock of the account.
 */
#ifndef LOYALTY_AUTHORIZE_H
#define LOYALTY_AUTHORIZE_H

#include "fmgr.h"

#include "entries.h"
#include "fold.h"
#include "kept.h"
#include "owner.h"
#include "poster.h"
#include "purse.h"

/* What is said so that applications can tell it apart. */
#define ERRCODE_LOYALTY_INSUFFICIENT_POINTS MAKE_SQLSTATE('L', 'Y', '0', '0', '1')
#define ERRCODE_LOYALTY_REFERENCE_IN_USE MAKE_SQLSTATE('L', 'Y', '0', '0', '2')
#define ERRCODE_LOYALTY_UNKNOWN_REFERENCE MAKE_SQLSTATE('L', 'Y', '0', '0', '3')
#define ERRCODE_LOYALTY_ALREADY_REVERSED MAKE_SQLSTATE('L', 'Y', '0', '0', '4')
#define ERRCODE_LOYALTY_UNKNOWN_CUSTOMER MAKE_SQLSTATE('L', 'Y', '0', '0', '5')
#define ERRCODE_LOYALTY_HOLD_CLOSED MAKE_SQLSTATE('L', 'Y', '0', '0', '6')
#define ERRCODE_LOYALTY_CANNOT_REFUND MAKE_SQLSTATE('L', 'Y', '0', '0', '7')
#define ERRCODE_LOYALTY_ALREADY_MERGED MAKE_SQLSTATE('L', 'Y', '0', '0', '8')
#define ERRCODE_LOYALTY_UNKNOWN_WALLET MAKE_SQLSTATE('L', 'Y', '0', '0', '9')

/* What a call can be. */
#define GRANT "grant"
#define ADJUSTMENT "adjustment"
#define REVERSAL "reversal"
#define HOLD "hold"
#define RELEASE "release"
#define TRANSFER "transfer"
#define MERGE "merge"
#define MERGED "merged"

/* A call, as it is recorded. */
typedef struct Call
{
	int32		tracked_table;	/* NO_TRACKED_TABLE, or TIME_TABLE for what time did */
	const char *kind;
	text	   *reference;		/* names it, among the calls for the customer */
	int32		revision;		/* 1, or 2 for what ends a hold */
	Datum		points;			/* numeric: by how much the points change */
	Datum		net;			/* numeric: by how much all calls of the reference did */
	Datum		held;			/* numeric: by how much what is held changes; or 0 */
	TimestampTz until;			/* of a hold: when it times out */
	text	   *reverses;		/* of a reversal: the reference of what it takes back; or
								 * NULL */
	text	   *reason;			/* or NULL */
	Datum		lots;			/* what it did to dated points, or (Datum) 0 */
	text	   *pays_for;		/* key of the order that the points pay for; or NULL */
	int32		pays_table;		/* its tracked table */
	bool		has_counterpart;
	Datum		counterpart;	/* of a transfer or merge: the other customer */
	Datum		account;		/* whose account it changed */
	Datum		spend;			/* of a merge: numeric, what it passes on; or (Datum) 0 */
	Datum		points_earned;
	int32		orders;
	int32		terms;			/* by whose order points were taken from several wallets;
								 * or 0 */
	int64		entry;			/* number of its entry; 0: there is none yet */
	TimestampTz at;
} Call;

/* A locked account, all of whose entries are posted that can be. */
typedef struct Authorization
{
	const char *program;		/* its schema */
	KeptPlans  *plans;
	OwnerScope	scope;
	Posting		posting;
	Datum		asked;			/* the customer, as the plans take it */
	Oid			asked_type;
	Datum		customer;		/* the customer, as the account has it */
	CustomerKeys keys;			/* whose entries are those of the account */
	Datum		recorded_for;	/* the customer who was named, who may have been merged
								 * into that one */
	Datum		points;			/* numeric: all, those that wait or have expired included */
	Purse	   *purse;			/* their lots */
	TimestampTz at;				/* the moment of the call */
	Datum		present;		/* numeric: what can be spent, less than is available if
								 * entries that take points could not be posted */
	int32		points_scale;
	int32		terms;			/* those in force */
	int32		wallet;			/* that the call names, or 0: none */
	const char *wallet_name;
	bool		is_status;		/* and its points cannot be spent */
	bool		has_timed_out;	/* some hold has */
	List	   *released;		/* of LotList *: what holds gave back that had */
	bool		has_unposted;	/* entries of his could not be posted */
	bool		is_merged;		/* the customer was merged into the survivor */
	Datum		survivor;
	EntryTable	ledger;
	Snapshot	snapshot;		/* taken after the lock */
} Authorization;

extern Oid	authorize_require_owner(Oid program, const char *function);
extern void authorize_enter(Authorization *auth, FunctionCallInfo fcinfo, const char *function);
extern bool authorize_counterpart(Authorization *auth, Datum customer, Oid type, text *reference,
								  Datum *counterpart);
extern void authorize_lock_two(Authorization *auth, Datum customer, Datum other, Oid type, Oid other_type);
extern void authorize_settle(Authorization *auth, Datum customer, Oid type, bool survivor_first);
extern void authorize_read_terms(Authorization *auth);
extern bool authorize_passes_on(const Authorization *auth);
extern void authorize_begin(Authorization *auth, FunctionCallInfo fcinfo, const char *function);
extern void authorize_open(Authorization *auth, Oid program, Datum customer, Oid type);
extern bool authorize_find_anywhere(Authorization *auth, text *reference, int32 revision, Call *call);
extern void authorize_open_told(Authorization *auth, Oid program, Datum customer, Oid type,
								PostingListener tell, void *tell_arg);
extern bool authorize_find(Authorization *auth, text *reference, int32 revision, Call *call);
extern bool authorize_find_newest(Authorization *auth, int32 tracked_table, text *reference, Call *call);
extern LotList *authorize_left(Authorization *auth, text *reference);
extern LotList *authorize_take(Authorization *auth, Datum points);
extern void authorize_reclaim(Authorization *auth, const LotList *given, Datum points);
extern Datum authorize_as_shown(Authorization *auth, Datum points);
extern Datum authorize_available(Authorization *auth);
extern void authorize_credit(Authorization *auth, Datum points, TimestampTz at);
extern char *authorize_table_of_order(Authorization *auth, text *order_key);
extern void authorize_insufficient(Authorization *auth, Datum points);
extern void authorize_require_room(Authorization *auth, Datum change);
extern void authorize_write(Authorization *auth, Call *call);
extern void authorize_write_at(Authorization *auth, Call *call);
extern Datum authorize_balance(Authorization *auth, const Call *call);
extern void authorize_end(Authorization *auth);

/* named.c */
extern void authorize_know_wallets(Authorization *auth, Purse *purse, const LotList *others);
extern void authorize_choose_wallet(Authorization *auth, text *name, bool spends);
extern void authorize_name_wallet(Authorization *auth, FunctionCallInfo fcinfo, int argument, bool spends);
extern Datum authorize_in_wallet(Authorization *auth);
extern void authorize_note_order(Authorization *auth, Call *call);
extern LotList *authorize_give_back(Authorization *auth, const LotList *taken, int32 terms, Datum points);
extern bool authorize_fits_wallet(Authorization *auth, const Call *found);

#endif							/* LOYALTY_AUTHORIZE_H */
