/*
 * relations.h: the relations of a program by their names, and names as SQL.
 */
#ifndef LOYALTY_RELATIONS_H
#define LOYALTY_RELATIONS_H

#include "access/stratnum.h"
#include "utils/relcache.h"

extern Oid	program_relation(Oid schema, const char *name);
extern char *program_operator(Oid op);
extern char *program_key_operator(Relation index, StrategyNumber strategy);
extern char *program_table_argument(Oid relid);

#endif							/* LOYALTY_RELATIONS_H */
