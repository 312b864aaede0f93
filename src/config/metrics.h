/*
 * metrics.h: what users want to know of a customer, by name.
 */
#ifndef LOYALTY_METRICS_H
#define LOYALTY_METRICS_H

#include "fmgr.h"

#include "terms.h"

extern void metrics_load(Terms *terms, Oid schema_oid, const char *schema);
extern bool metrics_read_facts(FunctionCallInfo fcinfo, int first, Terms *terms, Facts *facts);
extern Datum metrics_value(Terms *terms, const Facts *facts, int32 number, Oid type, bool *isnull);

#endif							/* LOYALTY_METRICS_H */
