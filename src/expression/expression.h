/*
 * expression.h: expressions of the configuration, compiled.
 */
#ifndef LOYALTY_EXPRESSION_H
#define LOYALTY_EXPRESSION_H

#include "nodes/execnodes.h"
#include "utils/plancache.h"
#include "utils/relcache.h"

/*
 * A compiled expression: the row in the scan slot, the facts in the inner
 * slot of the ExprContext.
 */
typedef struct Expression
{
	ExprState  *state;
	CachedExpression *cached;	/* NULL: there is no such expression */
	bool		user_functions; /* calls functions that aren't built in */
	uint64		function_changes;	/* expression_function_changes() of its compilation */
	bool		needs_settings; /* its value may depend on settings */
	bool		may_raise;		/* not proved to raise no error */
	bool		in_use;			/* being evaluated */
} Expression;

extern bool expression_is_over(Node *expr, Index row, Index facts);
extern Expression expression_compile(Node *expr, Index row, Relation rel, Relation root,
									 Index facts);
extern uint64 expression_function_changes(void);
extern bool expression_is_valid(const Expression *expression);
extern void expression_refuse_recursion(const Expression *expression);
extern void expression_free(Expression *expression);
extern Datum expression_evaluate(Expression *expression, ExprContext *econtext,
								 bool *isnull);

#endif							/* LOYALTY_EXPRESSION_H */
