/*
 * call.h: what all calls for a customer have in common.
 */
#ifndef LOYALTY_CALL_H
#define LOYALTY_CALL_H

#include "authorize.h"

extern text *call_reference_argument(FunctionCallInfo fcinfo, int argument);
extern text *call_reason_argument(FunctionCallInfo fcinfo, int argument, bool is_required);
extern void call_refuse_reference(const Call *found, const char *differing);
extern bool call_is_repeated(Authorization *auth, Call *call);
extern Datum call_finish(FunctionCallInfo fcinfo, Authorization *auth, Call *call, MemoryContext context);

#endif							/* LOYALTY_CALL_H */
