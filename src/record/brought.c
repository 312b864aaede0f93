/*
 * brought.c: what an order that gets another customer or key brings along.
 *
 * An order keeps the terms that it was first recorded under, its rate, the joining
 * date that its tenure was counted from, and the multiplier of the tier that was
 * held just before it.  An UPDATE that gives its row another customer, or another
 * key, makes one order end and another begin in the journal; but the row says that
 * they are one, so the new one begins with all of that.
 *
 * The tier of an order that is posted is in the ledger.  Before that, the fold of
 * the customer that it leaves tells it, who is looked up once in a statement; this
 * is done before the statement writes anything, so that it does not matter in which
 * order it writes.
 *
 * A row can get another customer more than once in a statement, as when foreign
 * keys hand a new key down to several columns that the customer is made of.  What
 * a customer in between brings along is what the first one had.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "brought.h"
#include "current.h"
#include "joined.h"
#include "member_rules.h"
#include "moment.h"
#include "number.h"
#include "owner.h"
#include "protect.h"
#include "snapshot.h"
#include "terms.h"

/* What is known of an order, or of all orders of a customer, by its key as text. */
typedef struct Known
{
	char	   *key;
	HeldTier	held;			/* of an order that is not posted */
	Datum		from_customer;	/* of an order that was moved in this statement: whose */
	Datum		from_key;		/* it was, and which; */
	bool		passed_on;		/* it was moved again, before it was recorded there */
	uint32		hash;
	char		status;
} Known;

#define SH_PREFIX known
#define SH_ELEMENT_TYPE Known
#define SH_KEY_TYPE char *
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) (key), strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp((a), (b)) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct Brought
{
	TrackedTable *table;
	Journal    *journal;
	MemoryContext context;
	MemoryContext answer;		/* reset with each look-up */
	MemoryContext fold_context; /* reset when it is full */
	FmgrInfo	output;			/* of customers */
	known_hash *folds;			/* tiers of orders, and the customers they were read of */
	known_hash *moves;			/* orders that were moved in this statement */
	bool		too_many_moves; /* no more of them are kept */
	TimestampTz newest;			/* when the newest entry of both keys of all moves was
								 * recorded */
	TimestampTz moment;			/* when the moves are, once it is known */
	OrderState	state;			/* the answer */
};

/*
 * Begin to look for what orders of a table bring along.
 */
Brought *
brought_begin(TrackedTable *table, Journal *journal)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "loyalty brought",
												  ALLOCSET_DEFAULT_SIZES);
	Brought    *brought = MemoryContextAllocZero(context, sizeof(Brought));
	Oid			output;
	bool		is_varlena;

	brought->table = table;
	brought->journal = journal;
	brought->context = context;
	brought->answer = AllocSetContextCreate(context, "loyalty brought order",
											ALLOCSET_SMALL_SIZES);
	brought->fold_context = AllocSetContextCreate(context, "loyalty brought tiers",
												  ALLOCSET_DEFAULT_SIZES);
	brought->folds = known_create(brought->fold_context, 64, NULL);
	brought->moves = known_create(context, 64, NULL);
	brought->newest = brought->moment = DT_NOBEGIN;
	getTypeOutputInfo(table->customer_type, &output, &is_varlena);
	fmgr_info_cxt(output, &brought->output, context);
	return brought;
}

/*
 * Forget all.
 */
void
brought_end(Brought *brought)
{
	MemoryContextDelete(brought->context);
}

/* An order, or with (Datum) 0 all those of a customer, as text. */
static char *
order_text(Brought *brought, Datum customer, Datum order_key)
{
	char	   *whose = OutputFunctionCall(&brought->output, customer);

	/* No output of a key can make two orders look like one: its length is given. */
	if (order_key == (Datum) 0)
		return psprintf("%zu:%s", strlen(whose), whose);
	return psprintf("%zu:%s:%s", strlen(whose), whose, TextDatumGetCString(order_key));
}

static Known *
enter(MemoryContext context, known_hash *hash, const char *key, bool *found)
{
	Known	   *known = known_lookup(hash, unconstify(char *, key));

	*found = known != NULL;
	if (known == NULL)
	{
		known = known_insert(hash, MemoryContextStrdup(context, key), found);
		memset(&known->held, 0, sizeof(HeldTier));
		known->from_customer = known->from_key = (Datum) 0;
		known->passed_on = false;
		*found = false;
	}
	return known;
}

/* A plan that is kept. */
static SPIPlanPtr
prepare_look_up(TrackedTable *table, const char *columns_and_view, const char *condition, int arguments)
{
	Oid			types[2] = {table->customer_type, INT4OID};
	char	   *query = psprintf("SELECT %s u WHERE u.customer %s $1%s",
								 columns_and_view, table->same_customer, condition);
	SPIPlanPtr	plan = SPI_prepare_cursor(query, arguments, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "could not prepare_look_up the look-up of an account: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	pfree(query);
	return plan;
}

static void
execute(SPIPlanPtr plan, Datum *arguments)
{
	if (SPI_execute_plan(plan, arguments, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look up an account");
}

/* How often it was posted to the account of a customer. */
static int64
posted_version(TrackedTable *table, Datum *arguments)
{
	int64		version = -1;
	bool		isnull;

	execute(table->account_version, arguments);
	if (SPI_processed > 0)
		version = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return version;
}

/*
 * Run the fold of a customer.  It puts together what is posted and what is not,
 * which are not of one moment with every snapshot: then nothing must have been
 * posted meanwhile.  What others record meanwhile only adds to the entries.
 */
static SPITupleTable *
execute_fold(TrackedTable *table, Datum *arguments, bool one_moment, uint64 *count)
{
	for (;;)
	{
		int64		version = one_moment ? 0 : posted_version(table, arguments);
		SPITupleTable *rows;

		execute(table->unposted, arguments);
		rows = SPI_tuptable;
		*count = SPI_processed;
		if (one_moment || posted_version(table, arguments) == version)
			return rows;
		SPI_freetuptable(rows);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Note the tiers of a customer's orders that are not posted; those of later revisions last. */
static void
note_fold(Brought *brought, Datum customer, SPITupleTable *rows, uint64 count)
{
	for (uint64 i = 0; i < count; i++)
	{
		bool		found;
		bool		isnull;
		Datum		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		char	   *key = order_text(brought, customer, value);
		Known	   *known = enter(brought->fold_context, brought->folds, key, &found);
		MemoryContext old = MemoryContextSwitchTo(brought->fold_context);

		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		known->held.is_known = !isnull;
		if (!isnull)
			known->held.multiplier = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull);
		known->held.tier = isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		value = SPI_getbinval(rows->vals[i], rows->tupdesc, 4, &isnull);
		known->held.rules = isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		MemoryContextSwitchTo(old);
		pfree(key);
	}
}

/* A customer whose fold is read, for protect(). */
typedef struct Reading
{
	Brought    *brought;
	Datum		customer;
	bool		user_code;		/* conditions of tiers call functions of users */
} Reading;

/* Read the tiers of a customer's orders that are not posted. */
static void
read_fold(void *arg)
{
	Reading    *reading = (Reading *) arg;
	Brought    *brought = reading->brought;
	TrackedTable *table = brought->table;
	bool		user_code = reading->user_code;
	Datum		arguments[2] = {reading->customer, Int32GetDatum(table->tracked_table)};
	int			nest = settings_begin(table->time_zone);
	char	   *program = pstrdup(quote_identifier(table->program));
	SPITupleTable *rows;
	uint64		count;

	settings_look_up();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (table->unposted == NULL)
		table->unposted = prepare_look_up(table, psprintf("u.order_key, u.multiplier, u.tier, u.held_rules FROM %s.unposted", program),
										  " AND u.tracked_table = $2 ORDER BY u.revision", 2);
	if (table->account_version == NULL)
		table->account_version = prepare_look_up(table, psprintf("u.version::pg_catalog.int8 FROM %s.account", program),
												 "", 1);
	CommandCounterIncrement();
	snapshot_push_current(user_code);
	rows = execute_fold(table, arguments, snapshot_is_of_one_moment(user_code), &count);
	PopActiveSnapshot();
	note_fold(brought, reading->customer, rows, count);
	SPI_finish();
	settings_end(nest);
}

/*
 * The same.  If it fails, posting that customer fails as well, of which it tells;
 * tiers are then found when the orders are posted.
 */
static void
read_fold_guarded(Brought *brought, Datum customer, bool user_code)
{
	Reading		reading = {.brought = brought,.customer = customer,.user_code = user_code};
	ErrorData  *error = protect(read_fold, &reading);

	if (error == NULL)
		return;
	ereport(LOG_SERVER_ONLY,
			(errcode(error->sqlerrcode),
			 errmsg("loyalty program \"%s\" could not tell the tiers of orders that were given to another customer: %s",
					brought->table->program, error->message),
			 errdetail("The customer was %s.", OutputFunctionCall(&brought->output, customer))));
	FreeErrorData(error);
}

/* What is known of customers is read again rather than kept beyond work_mem. */
static bool
fold_is_full(Brought *brought)
{
	return MemoryContextMemAllocated(brought->fold_context, false) > work_mem * (Size) 1024;
}

/* The tier of an order by the fold of its customer. */
static HeldTier
held_by_fold(Brought *brought, Datum customer, Datum order_key, bool user_code)
{
	HeldTier	nothing = {0};
	char	   *all = order_text(brought, customer, (Datum) 0);
	char	   *key = order_text(brought, customer, order_key);
	Known	   *known;
	bool		found;

	if (known_lookup(brought->folds, all) == NULL && fold_is_full(brought))
	{
		MemoryContextReset(brought->fold_context);
		brought->folds = known_create(brought->fold_context, 64, NULL);
	}
	(void) enter(brought->fold_context, brought->folds, all, &found);
	if (!found)
		read_fold_guarded(brought, customer, user_code);
	known = known_lookup(brought->folds, key);
	pfree(all);
	pfree(key);
	return known == NULL ? nothing : known->held;
}

/* The tier that was held just before an order, of which the newest entry is known. */
static HeldTier
held_before(Brought *brought, Datum customer, Datum order_key, const OrderState *state)
{
	Terms	   *terms = terms_if_possible(brought->table->program_relid, state->terms);
	HeldTier	held = state->held;

	/* Posted between the two looks, perhaps. */
	for (int i = 0; !held.is_known && i < 2; i++)
	{
		if (terms != NULL && terms->tiers == NIL && !terms_fold(terms))
		{
			held.is_known = true;
			held.multiplier = number_one();
			held.tier = (Datum) 0;
		}
		else if (!journal_find_posted_tier(brought->journal, customer, order_key, state->terms, &held))
			held = held_by_fold(brought, customer, order_key, terms == NULL || terms->user_functions);
	}
	return held;
}

/* Whose key a row must have, for find_holder(). */
typedef struct Holder
{
	TrackedTable *table;
	Datum		customer;
	bool		found;
} Holder;

static void
find_holder(void *arg, Order *order)
{
	Holder	   *holder = (Holder *) arg;

	holder->found = holder->found || equals_customer(holder->table, holder->customer, order->customer);
}

/* Has a row this key of this customer now, at the end of the statement? */
static bool
has_row(Brought *brought, Datum customer, Datum order_key)
{
	TrackedTable *root = program_root_table(brought->table);
	Holder		holder = {.table = brought->table,.customer = customer};

	if (root != NULL)
		current_customers(root, &order_key, 1, false, NULL, find_holder, &holder);
	return holder.found;
}

/* The newest entry by one of the keys of a move. */
static void
note_newest(Brought *brought, const OrderState *state)
{
	if (state->revision != 0)
		brought->newest = Max(brought->newest, state->recorded_at);
}

/*
 * What an order brings along that has been this customer's, by this key, and is another one's now
 * or has another key: as it is
 * recorded, with the tier held just before it.  NULL if nothing is recorded of it.
 * The answer lives until the next look-up.
 */
const OrderState *
brought_find(Brought *brought, Datum customer, Datum order_key, Datum new_customer, Datum new_key)
{
	OrderState *state = &brought->state;
	OrderState	other;
	MemoryContext old;

	MemoryContextReset(brought->answer);
	old = MemoryContextSwitchTo(brought->answer);
	journal_find(brought->journal, customer, order_key, state);
	if (state->revision == 0)
	{
		Known	   *move = known_lookup(brought->moves, order_text(brought, customer, order_key));

		/*
		 * else it is another order that has the key now, and nothing is recorded of this
		 * one
		 */
		if (move != NULL && !has_row(brought, customer, order_key))
		{
			customer = move->from_customer;
			order_key = move->from_key;
			move->passed_on = true;
			journal_find(brought->journal, customer, order_key, state);
		}
	}
	if (state->revision != 0)
	{
		note_newest(brought, state);
		journal_find(brought->journal, new_customer, new_key, &other);
		note_newest(brought, &other);
		state->held = held_before(brought, customer, order_key, state);
		state->moved = true;
		state->came_from = order_key;
		state->came_revision = state->revision;
		state->came_over = !equals_customer(brought->table, customer, new_customer);
	}
	MemoryContextSwitchTo(old);
	return state->revision == 0 ? NULL : state;
}

/*
 * The moment of all moves of this statement, when all of them were looked up: the two entries of each are
 * recorded at it, behind all else, so that they are folded one after the other (see account/rekeying.c).
 */
TimestampTz
brought_moment(Brought *brought, TimestampTz now)
{
	if (brought->moment == DT_NOBEGIN)
		brought->moment = moment_of_moves(Max(brought->newest, now) + 1);
	return brought->moment;
}

/*
 * Did an order have this key of this customer only within this statement, so that it came from
 * another one and went on?
 */
bool
brought_is_passed_on(Brought *brought, Datum customer, Datum order_key)
{
	MemoryContext old = MemoryContextSwitchTo(brought->answer);
	Known	   *move = known_lookup(brought->moves, order_text(brought, customer, order_key));

	MemoryContextSwitchTo(old);
	return move != NULL && move->passed_on;
}

/*
 * Note that an order of one customer, by one key, is another's, or has another key.
 * These notes are few, or else no chains: within work_mem.
 */
void
brought_note(Brought *brought, Datum from_customer, Datum from_key,
			 Datum customer, Datum order_key)
{
	TrackedTable *table = brought->table;
	MemoryContext old;
	Known	   *before;
	Known	   *move;
	bool		found;

	brought->too_many_moves = brought->too_many_moves ||
		MemoryContextMemAllocated(brought->context, false) > work_mem * (Size) 1024;
	if (brought->too_many_moves)
		return;
	old = MemoryContextSwitchTo(brought->answer);
	before = known_lookup(brought->moves, order_text(brought, from_customer, from_key));
	if (before != NULL)
	{
		from_customer = before->from_customer;
		from_key = before->from_key;
	}
	move = enter(brought->context, brought->moves, order_text(brought, customer, order_key), &found);
	MemoryContextSwitchTo(brought->context);
	if (!found)
	{
		move->from_customer = datumCopy(from_customer, table->customer_by_value, table->customer_length);
		move->from_key = datumCopy(from_key, false, -1);
	}
	MemoryContextSwitchTo(old);
}
