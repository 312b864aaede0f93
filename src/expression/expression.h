/*
 * expression.h: SQL expressions of the configuration.
 */
#ifndef LOYALTY_EXPRESSION_H
#define LOYALTY_EXPRESSION_H

#include "nodes/execnodes.h"

/*
 * The columns an expression may name.  "row" is the tracked table, its columns
 * are written plainly or as new.column.  "facts" is a composite type of the
 * program (purchase or metrics); its fields come before columns of the same
 * name.  Either may be InvalidOid.
 */
typedef struct ExpressionScope
{
	Oid			row;
	const char *row_name;		/* "new" if NULL */
	const char *program;		/* by whose names stored text knows columns; or NULL */
	Oid			root;			/* what row is a partition of, if not a table of its own */
	Oid			line;			/* a row named "line" besides; or InvalidOid */
	Oid			facts;
	const char *time_zone;		/* of dates and local times; or NULL */
	bool		any_settings;	/* it must give the same under whatever settings */
} ExpressionScope;

/*
 * A compiled expression: the row in the scan slot, the facts in the inner
 * slot of the ExprContext.
 */
typedef struct Expression
{
	ExprState  *state;
	Expr	   *planned;
	bool		user_functions; /* calls functions that aren't built in */
	bool		needs_settings; /* its value may depend on settings */
	bool		may_raise;		/* not proved to raise no error */
	LocalTransactionId in_use;	/* transaction that is evaluating it */
	Oid			type;			/* before the cast to the type asked for */
} Expression;

extern Expression expression_compile(const char *text, ExpressionScope scope,
									 Oid type, const char *what);
extern bool expression_check(const char *text, ExpressionScope scope, Oid type,
							 const char *what);
extern Datum expression_evaluate(Expression *expression, ExprContext *econtext,
								 bool *isnull);

#endif							/* LOYALTY_EXPRESSION_H */
