/*
 * layout.h: the columns that the tables of a program must have.
 */
#ifndef LOYALTY_LAYOUT_H
#define LOYALTY_LAYOUT_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

extern Oid	layout_primary_key(Relation rel);
extern void layout_check_entries(Relation rel, bool ledger, LOCKMODE lock);
extern void layout_check_purchase(Relation rel, Oid customer_type);
extern void layout_check_metrics(Relation rel);
extern Oid	layout_check_owner(Oid schema);

#endif							/* LOYALTY_LAYOUT_H */
