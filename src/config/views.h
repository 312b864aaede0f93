/*
 * views.h: the views of a program that say what the rows of a tracked table mean.
 */
#ifndef LOYALTY_VIEWS_H
#define LOYALTY_VIEWS_H

#include "definition.h"
#include "program.h"

extern Oid	views_find(TrackedTable *table, const char *kind, int32 number, int32 terms);
extern Oid	views_orders(TrackedTable *table, int32 terms);
extern Expression views_compile(TrackedTable *table, Definition *definition, Node *expr, Oid type);
extern void views_check_orders(TrackedTable *table, const Definition *definition);
extern void views_check_identity(TrackedTable *table);
extern void views_load_archived(TrackedTable *table);
extern Oid	program_part_root(TrackedTable *table);

#endif							/* LOYALTY_VIEWS_H */
