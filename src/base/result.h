/*
 * result.h: functions that return a set of rows at once.
 */
#ifndef LOYALTY_RESULT_H
#define LOYALTY_RESULT_H

#include "fmgr.h"
#include "access/tupdesc.h"
#include "utils/tuplestore.h"

extern Tuplestorestate *result_begin(FunctionCallInfo fcinfo, TupleDesc *desc);

#endif							/* LOYALTY_RESULT_H */
