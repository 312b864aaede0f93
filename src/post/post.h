/*
 * post.h: working through all customers of a program in batches.
 */
#ifndef LOYALTY_POST_H
#define LOYALTY_POST_H

#include "fmgr.h"

extern Oid	post_require(const char *program);
extern Datum post_begin_procedure(FunctionCallInfo fcinfo, const char *function, bool *atomic);
extern int64 post_batches(const char *query, Datum program, int batch, bool atomic);
extern int64 post_all(Datum program, int batch, bool atomic);

#endif							/* LOYALTY_POST_H */
