/*
 * layout.h: the columns that the tables of a program must have.
 */
#ifndef LOYALTY_LAYOUT_H
#define LOYALTY_LAYOUT_H

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* Columns that the journal and the ledger have in common, in this order. */
typedef enum EntryColumn
{
	ENTRY_CUSTOMER = 0,
	ENTRY_TRACKED_TABLE,
	ENTRY_ORDER_KEY,
	ENTRY_REVISION,
	ENTRY_AT,
	ENTRY_RECORDED_AT,
	ENTRY_TERMS,
	ENTRY_COUNTS,
	ENTRY_AMOUNT,
	ENTRY_AWARDS,
	ENTRY_CURRENCY,
	ENTRY_RATE,
	ENTRY_JOINED_AT,			/* may be null */
	ENTRY_MOVED,
	ENTRY_TIER,					/* may be null; */
	ENTRY_MULTIPLIER,			/* so may this, in the journal */
	ENTRY_AVAILABLE_AT,			/* may be null */
	ENTRY_PARTS,				/* may be null; */
	ENTRY_HELD_RULES,			/* so may this; */
	ENTRY_CAME_FROM,			/* and these three; */
	ENTRY_CAME_REVISION,
	ENTRY_CAME_OVER,
	ENTRY_ALLOTTED,				/* may be null */
	ENTRY_EVENT,				/* may be null: an order, or a call */
	ENTRY_MEMBER,				/* and this */
	ENTRY_COLUMNS
} EntryColumn;

/* Columns of the ledger behind them. */
enum
{
	LEDGER_ENTRY = ENTRY_COLUMNS,
	LEDGER_ORDER_POINTS,
	LEDGER_ORDERS_CHANGE,
	LEDGER_AMOUNT_CHANGE,
	LEDGER_POINTS_CHANGE,
	LEDGER_KIND,				/* null: an order; the others, too, may be null */
	LEDGER_REVERSES,
	LEDGER_REASON,
	LEDGER_ACTOR,
	LEDGER_UNTIL,
	LEDGER_LOTS,
	LEDGER_COUNTERPART,
	LEDGER_ACCOUNT,				/* null: that of its customer */
	LEDGER_FORGIVEN,
	LEDGER_PAYS_FOR,
	LEDGER_PAYS_TABLE,
	LEDGER_ROOMS,
	LEDGER_APART,
	LEDGER_COLUMNS
};

/* Fields of the types "facts" and "rule_facts", in this order. */
enum
{
	FACT_SPEND = 0,
	FACT_ORDERS,
	FACT_POINTS_EARNED,
	FACT_TENURE,
	FACT_FIRST_ORDER_AT,
	FACT_LAST_ORDER_AT,
	FACT_TODAY,
	FACT_AT,
	FACT_JOINED_AT,
	FACT_PURCHASES,
	FACT_EVENTS,
	FACT_CUSTOMER_ROW,
	FACT_COLUMNS,
	FACT_TIER = FACT_COLUMNS,	/* of "rule_facts" alone */
	RULE_FACT_COLUMNS
};

/* The primary key of both tables is their first columns, in order. */
#define ENTRY_KEYS (ENTRY_REVISION + 1)

extern Oid	layout_lots_type(void);
extern Oid	layout_histories_type(void);
extern Oid	layout_event_type(void);
extern Oid	layout_primary_key(Relation rel);
extern void layout_check_entries(Relation rel, bool ledger, LOCKMODE lock);
extern void layout_check_purchase(Relation rel, Oid customer_type);
extern void layout_check_facts(Relation rel, bool of_rules);
extern List *layout_customer_tables(Oid schema);
extern Oid	layout_check_owner(Oid schema);

#endif							/* LOYALTY_LAYOUT_H */
