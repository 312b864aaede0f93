/*
 * program.h: what a backend remembers of the programs whose tables it changes.
 */
#ifndef LOYALTY_PROGRAM_H
#define LOYALTY_PROGRAM_H

#include "executor/spi.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "expression.h"
#include "journal.h"
#include "probe.h"
#include "relations.h"
#include "stacking.h"
#include "version.h"

/*
 * Marks the messages of the files that include this: they say nothing of the
 * rules, and are shown to whoever inserts an order (see record.c).  Those about
 * expressions, of expression.c and trust.c, are not.
 */
#undef TEXTDOMAIN
#define TEXTDOMAIN "loyalty"

/* What an earning rule of one version of the terms gives for a row. */
typedef struct Rule
{
	char	   *name;			/* what errors call it */
	Expression	award;			/* nothing, if the rule is not for rows of this table */
} Rule;

/* The earning rules of one version of the terms; versions never change. */
typedef struct RuleSet
{
	int32		terms;
	Oid			view;			/* says what the rows of the table mean under these terms */
	List	   *rules;			/* of Rule *, in the order of the view's columns */
	bool		may_raise;		/* some of them may raise an error */
	Stacking   *stacking;		/* NULL: their points are added up */
	SPIPlanPtr	orders;			/* of current_orders(); made when first needed */
} RuleSet;

/* Why nothing is recorded of a table. */
typedef enum Lack
{
	LACKS_NOTHING,
	LACKS_LAYOUT,				/* the program is of another version of the extension */
	LACKS_TABLE,				/* it is no part of the tracked table (any more) */
	LACKS_ORDERS,				/* it has lines or refunds of a table that was dropped */
	LACKS_RESUME,				/* it is paused */
	LACKS_VIEW,					/* a view was dropped that says what its rows mean */
	LACKS_PART,					/* the table of its lines or refunds was dropped */
	LACKS_ROWS,					/* row security hides rows from the owner */
	LACKS_SELECT,				/* the owner may not read a table */
	LACKS_EXECUTE				/* the owner may not call a function */
} Lack;

/*
 * A tracked table, or partition of one, as one program sees it: everything
 * that recording needs, compiled out of the view that says what its rows mean.  Or a
 * table of lines or refunds of it, with only its order key.
 */
typedef struct TrackedTable
{
	Oid			relid;			/* the table whose rows these are */
	char	   *program;		/* schema of the program */
	int32		number;			/* of the tracked table */
	int32		tracked_table;	/* of the table of the orders */
	bool		valid;
	MemoryContext context;
	MemoryContextCallback end;

	Oid			root;			/* the table of the orders that was tracked */
	Oid			view;			/* that says what the rows mean, under the present terms */
	Oid			identity;		/* the view that says which orders they are */
	Oid			archived;		/* the view of archived orders, if there are refunds */
	bool		same_as_text;	/* order keys are equal if, and only if, their texts are */
	Oid			owner;			/* of the program: expressions run as this role */
	Oid			program_relid;
	Oid			tracked_table_relid;
	Oid			journal;
	Oid			ledger;
	ScanKeyData entry_keys[ENTRY_KEYS]; /* of their primary keys */
	char	   *same_customer;	/* equality of customers as SQL */
	char	   *same_key;		/* equality of order keys as SQL */
	Oid			key_type_oid;	/* of order keys, below domains */
	char	   *key_type;		/* the same as SQL, with the domain */
	Oid			purchase;		/* composite type that rules see */
	TupleDesc	purchase_desc;
	TupleDesc	row_desc;
	bool		may_reject;		/* some of its terms refuse refunds of points that are
								 * spent */
	Oid			customer_type;
	int16		customer_length;
	bool		customer_by_value;
	int32		terms;			/* current version */
	int32		first_terms;	/* no order of the tracked table has older ones */
	const char *time_zone;
	bool		skip_invalid;
	bool		look_first;		/* the journal has more than its primary key: nothing is
								 * written to it that may have to be deleted again */
	bool		needs_settings; /* some expression does */
	bool		user_code;		/* some expression calls what is not built in */
	uint64		function_changes;	/* expression_function_changes() when it was loaded */
	bool		may_raise;		/* counts_when, time, amount or available_at may raise an
								 * error */
	bool		rows_hidden;	/* row security hides rows of the orders from the owner,
								 * or he may not read them at all */
	bool		unique_key;		/* no two rows ever have one order key */
	bool		paused;			/* it was let go of */
	Lack		lack;			/* why it is not recorded */
	Layouts		layouts;		/* nothing else is known of one that lacks its layout */
	Oid			lacking;		/* the table or function that the owner has no right on */
	List	   *people;			/* relations (Oid) that the customers are read from */
	Oid			unread_people;	/* one of these that the owner may not read */
	const char *part;			/* "lines", "refunds", or "" */
	const char *without_order;	/* of refunds: what to do about one that names none */
	bool		is_refunds;		/* orders are refunds that name no order */
	const char *event;			/* its rows are events of this kind; NULL: they are none */
	bool		in_currency;	/* amounts may be in another currency */
	bool		reads_members;	/* rules of some terms use columns of the customer's row */
	Oid			lines;			/* the view of lines, if there are any */
	List	   *parts;			/* relations (Oid) of lines and refunds of the orders */
	SPIPlanPtr	customers;		/* of current_customers(); made when first needed */
	SPIPlanPtr	joined;			/* of joined_read(); made when first needed */
	SPIPlanPtr	unposted;		/* of brought_find(); both made when first needed */
	SPIPlanPtr	account_version;
	uint64		joined_checked; /* when its view was checked: of watch_begin() */
	bool		joined_user_code;	/* the view calls functions that are not built in */
	Probe		joined_probe;	/* finds what the view says, if that is just two columns */
	AttrNumber	joined_column;	/* since when a customer is one, there */

	Probe		key_probe;		/* finds the row of an order by its key, if it is a
								 * column */
	Probe		line_probe;		/* finds the lines of an order that is the sum of them */
	Oid			kept;			/* the table of what lines gave that have left */

	Expression	customer;
	Expression	at;
	Expression	amount;
	Expression	available_at;	/* nothing, if orders don't say it themselves */
	Expression	counts_when;
	Expression	order_key;
	List	   *rule_sets;		/* of RuleSet * */
} TrackedTable;

extern void program_cache_init(void);
extern TrackedTable *program_tracked_table(Oid relid, const char *program,
										   int32 number);
extern TrackedTable *program_root_table(TrackedTable *table);
extern RuleSet *program_rules(TrackedTable *table, int32 terms);
extern bool program_has_rules(TrackedTable *table, int32 terms);

/*
 * Is an order more than its row: has it lines, refunds, or a rate that is pinned, or do rules
 * look at the row of its customer?
 */
static inline bool
program_more_than_row(const TrackedTable *table)
{
	return table->parts != NIL || table->in_currency || table->reads_members;
}

#endif							/* LOYALTY_PROGRAM_H */
