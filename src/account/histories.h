/*
 * histories.h: what entries do to the histories of an account: of its orders, and of each
 * kind of events.
 */
#ifndef LOYALTY_HISTORIES_H
#define LOYALTY_HISTORIES_H

#include "access/tupdesc.h"
#include "nodes/pg_list.h"

#include "history.h"
#include "terms.h"

/* The history of the events of one kind. */
typedef struct EventHistory
{
	text	   *event;
	History    *history;
} EventHistory;

typedef struct Histories
{
	MemoryContext context;
	History    *purchases;		/* of orders; or NULL: none */
	List	   *events;			/* of EventHistory *, one for each kind */
} Histories;

extern Histories *histories_begin(MemoryContext context);
extern void histories_count(Histories *histories, const text *event, const Terms *terms,
							TimestampTz at, Datum amount, int sign);
extern Histories *histories_of(MemoryContext context, Datum purchases, Datum events);
extern Datum histories_purchases(const Histories *histories);
extern Datum histories_events(const Histories *histories, Oid type);
extern Datum histories_row(Histories *histories, TupleDesc desc);

#endif							/* LOYALTY_HISTORIES_H */
