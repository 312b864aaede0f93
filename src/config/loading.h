/*
 * loading.h: an entry of program.c is filled.
 */
#ifndef LOYALTY_LOADING_H
#define LOYALTY_LOADING_H

#include "program.h"

extern TrackedTable *loading_table(Oid relid, const char *program, int32 number);
extern void loading_rules(TrackedTable *table, int32 terms);

#endif							/* LOYALTY_LOADING_H */
