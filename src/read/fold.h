/*
 * fold.h: the entries of one customer, made ready to be added.
 */
#ifndef LOYALTY_FOLD_H
#define LOYALTY_FOLD_H

#include "fmgr.h"

#include "accrual.h"
#include "entries.h"

/*
 * The customers whose entries are those of an account: the one whose it is, and then
 * those who were merged into this one.
 */
typedef struct CustomerKeys
{
	Datum	   *keys;
	int			count;
} CustomerKeys;

/* The account of a customer before the entries that are not posted. */
typedef struct PostedAccount
{
	Datum		customer;
	Oid			customer_type;
	CustomerKeys keys;
	Datum		spend;
	int64		orders;
	Datum		points_earned;
	Bounds		bounds;			/* of its orders */
	Datum		points;			/* numeric */
	Datum		lots;			/* or (Datum) 0 */
	Datum		purchases;		/* its histories, or (Datum) 0 */
	Datum		events;
} PostedAccount;

extern void fold_read_entry(TupleTableSlot *slot, RecordedEntry *entry);
extern void fold_read_place(TupleTableSlot *slot, RecordedEntry *entry);
extern CustomerKeys fold_keys(Datum customer, Datum merged, Oid type);
extern void fold_read_account(FunctionCallInfo fcinfo, int customer, int sums, int merged, PostedAccount *account);
extern RecordedEntry **fold_read_entries(Oid schema, const PostedAccount *account, int *count);
extern void fold_know_histories(Accrual *accrual, Oid program, const Terms *asked, RecordedEntry **entries, int count,
								Datum purchases, Datum events);
extern void fold_sort(RecordedEntry **entries, int count);
extern bool fold_needs_posted(Accrual *accrual, Oid program, RecordedEntry **entries, int count);
extern void fold_know_posted(Accrual *accrual, RecordedEntry **entries, int count, bool all,
							 EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys);
extern LotList *fold_expired_lots(EntryTable *ledger, Snapshot snapshot, const CustomerKeys *keys);
extern void fold_find_rekeyed(Accrual *accrual, RecordedEntry **entries, int count);
extern void fold_know_payments(Accrual *accrual, RecordedEntry **entries, int count, EntryTable *ledger,
							   Snapshot snapshot, const CustomerKeys *keys);
extern void fold_check_customer(EntryTable *table, bool ledger, Oid customer_type);
extern Accrual *fold_begin_read(Oid schema, const PostedAccount *account, const Terms *asked,
								RecordedEntry **entries, int count);

#endif							/* LOYALTY_FOLD_H */
