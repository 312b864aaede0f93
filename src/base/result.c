/*
 * result.c: functions that return a set of rows at once.
 */
#include "postgres.h"

#include "funcapi.h"
#include "miscadmin.h"

#include "result.h"

/*
 * Begin to return rows from a set-returning function: where they go, and what
 * they look like.
 */
Tuplestorestate *
result_begin(FunctionCallInfo fcinfo, TupleDesc *desc)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Tuplestorestate *store;
	MemoryContext old;
	Oid			type;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		!(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, &type, desc) != TYPEFUNC_COMPOSITE)
	{
		*desc = CreateTemplateTupleDesc(1);
		TupleDescInitEntry(*desc, 1, "result", type, -1, 0);
	}
	else
		*desc = CreateTupleDescCopy(*desc);
	store = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
								  false, work_mem);
	MemoryContextSwitchTo(old);
	result->returnMode = SFRM_Materialize;
	result->setResult = store;
	result->setDesc = *desc;
	return store;
}
