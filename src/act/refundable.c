/*
 * refundable.c: does a customer have the points that a statement takes back?
 *
 * Under the lock of the account, what waits of the customer is posted, the entries that the
 * statement just wrote among it.  The fold says of each whether it found the points that it
 * was to take back; what else the statement does may make up for it, as where it gives an order
 * another key, so it fails if the customer owes more afterwards than before.  So the answer is exact for all that the transaction can know, and the lock,
 * which stays to its end, keeps it so: whoever spends points of the customer comes before, and is
 * seen, or waits.  In a transaction with one snapshot for all its statements, the lock fails if
 * somebody came between.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "authorize.h"
#include "compat.h"
#include "layout.h"
#include "number.h"

/* An entry of a statement that takes points of its customer back, by this entry or another one. */
typedef struct Refund
{
	Datum		customer;
	Datum		account;		/* whose has his entries: the survivor's, if he was
								 * merged */
	text	   *order_key;
	int32		revision;
	bool		is_posted;
	bool		is_short;		/* it was to take points back that were not there */
} Refund;

/* All of a statement, by customers. */
typedef struct Refunds
{
	int32		tracked_table;
	Refund	   *refund;
	int			count;
	Authorization *auth;		/* the present account */
	int			first;			/* the entries of it: from this one */
	int			end;			/* up to that one */
	Purse	   *before;			/* what he had before the first of them; NULL: none is
								 * posted yet */
	MemoryContext context;
	FmgrInfo	compare;
	Oid			collation;
} Refunds;

static int
compare_refunds(const void *a, const void *b, void *arg)
{
	Refunds    *refunds = (Refunds *) arg;

	return DatumGetInt32(FunctionCall2Coll(&refunds->compare, refunds->collation,
										   ((const Refund *) a)->account, ((const Refund *) b)->account));
}

/* An entry of the present customer is posted. */
static void
note_posted(void *arg, const RecordedEntry *entry, Datum points_before, Datum lots_before, bool is_short)
{
	Refunds    *refunds = (Refunds *) arg;

	for (int i = refunds->first; i < refunds->end; i++)
	{
		Refund	   *refund = &refunds->refund[i];

		if (entry->tracked_table != refunds->tracked_table || entry->revision != refund->revision ||
			VARSIZE_ANY_EXHDR(entry->order_key) != VARSIZE_ANY_EXHDR(refund->order_key) ||
			memcmp(VARDATA_ANY(entry->order_key), VARDATA_ANY(refund->order_key), VARSIZE_ANY_EXHDR(refund->order_key)) != 0 ||
			posting_compare_customers(&refunds->auth->posting, refunds->auth->keys.keys[entry->recorded_for], refund->customer) != 0)
			continue;
		if (refunds->before == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(refunds->context);

			refunds->before = purse_begin(points_before, lots_before);
			MemoryContextSwitchTo(old);
		}
		refund->is_posted = true;
		refund->is_short = is_short;
	}
}

/*
 * Customers who were merged have their entries in the accounts of others, which are locked in the
 * order of their keys, as posting and transfers lock them: what one statement takes back of several
 * customers is in no deadlock with what another one does.
 */
static void
find_survivors(Refunds *refunds, Datum customers, Posting *posting)
{
	Oid			types[1] = {get_array_type(posting->key_type)};
	char	   *query = psprintf("SELECT k.place, m.survivor FROM pg_catalog.unnest($1) WITH ORDINALITY k (customer, place)"
								 " JOIN %s.merged m ON m.customer %s k.customer",
								 posting->program, posting->operators[0]);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args(query, 1, types, &customers, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for customers who were merged into others");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		int64		place = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(refunds->context);

		refunds->refund[place - 1].account = posting_copy_customer(posting, SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

/* The entries that the arguments name, in the order of the keys of their accounts. */
static void
read_refunds(FunctionCallInfo fcinfo, Refunds *refunds, Oid customer_type, Posting *posting)
{
	Datum	   *customers;
	Datum	   *order_keys;
	Datum	   *revisions;
	int			counts[3];
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(customer_type, &length, &by_value, &align);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), customer_type, length, by_value, align, &customers, NULL, &counts[0]);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false, TYPALIGN_INT, &order_keys, NULL, &counts[1]);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), INT4OID, 4, true, TYPALIGN_INT, &revisions, NULL, &counts[2]);
	if (counts[0] != counts[1] || counts[0] != counts[2])
		elog(ERROR, "require_refundable needs arrays of one size");
	refunds->tracked_table = PG_GETARG_INT32(1);
	refunds->count = counts[0];
	refunds->refund = palloc0(Max(refunds->count, 1) * sizeof(Refund));
	for (int i = 0; i < refunds->count; i++)
	{
		refunds->refund[i].customer = refunds->refund[i].account = customers[i];
		refunds->refund[i].order_key = DatumGetTextPP(order_keys[i]);
		refunds->refund[i].revision = DatumGetInt32(revisions[i]);
	}
	refunds->compare = posting->compare;
	refunds->collation = posting->collation;

	/*
	 * entries of one customer are together already, and one account is locked in any
	 * order
	 */
	if (refunds->count > 1 && compare_refunds(&refunds->refund[0], &refunds->refund[refunds->count - 1], refunds) != 0)
		find_survivors(refunds, PG_GETARG_DATUM(2), posting);
	qsort_arg(refunds->refund, refunds->count, sizeof(Refund), compare_refunds, refunds);
}

/*
 * A refund cannot be.  Who records it may know of no points, so this says no more than that
 * they are not there.
 */
static void
refuse_refund(const char *program, const Refund *refund)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOYALTY_CANNOT_REFUND),
			 errmsg("order \"%s\" cannot be refunded: its points are spent", text_to_cstring(refund->order_key)),
			 errdetail("The loyalty program \"%s\" takes back what an order earned, and rejects a refund if the customer does not have that many points any more.",
					   program),
			 errhint("Give points back that were spent before, in the same transaction, with the function %s.reverse; or let the owner of the program set refund_shortfall in its table \"program\", for orders to come.",
					 quote_identifier(program))));
}

/*
 * Does the customer owe more than without the entries?  What holds gave back that had timed out
 * was there before, too, and written only after the entries.
 */
static bool
owes_more(Authorization *auth, const Refunds *refunds)
{
	ListCell   *lc;

	if (refunds->before == NULL)
		return false;
	refunds->before->now = auth->at;
	foreach(lc, auth->released)
		purse_give(refunds->before, (const LotList *) lfirst(lc));
	return DatumGetBool(DirectFunctionCall2(numeric_gt, purse_debt(auth->purse), purse_debt(refunds->before)));
}

/* What became of the entries of a customer? */
static void
check_refunds(Authorization *auth, const char *program, const Refunds *refunds)
{
	bool		is_indebted = owes_more(auth, refunds);

	/* what could not be posted is judged by what readers see of it */
	is_indebted = is_indebted ||
		(auth->has_unposted && DatumGetBool(DirectFunctionCall2(numeric_lt, auth->present, number_zero())));

	for (int i = refunds->first; i < refunds->end; i++)
	{
		const Refund *refund = &refunds->refund[i];

		if ((refund->is_short || auth->has_unposted) && is_indebted)
			refuse_refund(program, refund);
		/* an entry before it is not in the snapshot */
		if (!refund->is_posted && IsolationUsesXactSnapshot())
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access: order \"%s\" was recorded by another transaction meanwhile",
							text_to_cstring(refund->order_key)),
					 errhint("The transaction might succeed if retried.")));
	}
}

PG_FUNCTION_INFO_V1(loyalty_require_refundable);

/*
 * require_refundable(program regclass, tracked_table int, customers anyarray, order_keys text[],
 * revisions int[]) returns void
 *
 * Posts what waits of these customers, whose entries these are of orders of a tracked table, in
 * the order of the keys of their accounts, and raises an error if one takes points back that are not there.
 * Where entries of a customer cannot be posted, of which the log and verify() tell, it is one if he
 * owes points by what readers see.
 */
Datum
loyalty_require_refundable(PG_FUNCTION_ARGS)
{
	Oid			customer_type;
	Oid			schema;
	Refunds		refunds = {.context = CurrentMemoryContext};
	Posting		posting = {0};
	MemoryContext own = CurrentMemoryContext;
	char	   *program;

	for (int i = 0; i < 5; i++)
		if (PG_ARGISNULL(i))
			PG_RETURN_VOID();
	customer_type = ARR_ELEMTYPE(PG_GETARG_ARRAYTYPE_P(2));
	LockRelationOid(PG_GETARG_OID(0), AccessShareLock);
	schema = get_rel_namespace(PG_GETARG_OID(0));
	program = get_namespace_name(schema);
	if (program == NULL || !has_privs_of_role(GetUserId(), layout_check_owner(schema)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for loyalty program \"%s\"", program == NULL ? "" : program)));
	posting_begin(&posting, program, schema);
	read_refunds(fcinfo, &refunds, customer_type, &posting);
	for (; refunds.first < refunds.count; refunds.first = refunds.end)
	{
		Authorization auth;

		CHECK_FOR_INTERRUPTS();
		refunds.end = refunds.first + 1;
		while (refunds.end < refunds.count &&
			   compare_refunds(&refunds.refund[refunds.first], &refunds.refund[refunds.end], &refunds) == 0)
			refunds.end++;
		refunds.before = NULL;
		refunds.auth = &auth;
		authorize_open_told(&auth, PG_GETARG_OID(0), refunds.refund[refunds.first].account, customer_type,
							note_posted, &refunds);
		check_refunds(&auth, program, &refunds);
		authorize_end(&auth);
		MemoryContextSwitchTo(own);
	}
	PG_RETURN_VOID();
}
