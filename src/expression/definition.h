/*
 * definition.h: what a view of a program says.
 */
#ifndef LOYALTY_DEFINITION_H
#define LOYALTY_DEFINITION_H

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"

/* The query of a view. */
typedef struct Definition
{
	Oid			view;
	Query	   *query;
} Definition;

extern Definition definition_open(Oid view);
extern Index definition_row(const Definition *definition, const char *alias);
extern Oid	definition_relation(const Definition *definition, const char *alias);
extern Node *definition_expression(const Definition *definition, const char *inside,
								   const char *column);
extern Node *definition_flatten(const Definition *definition, Node *expr, Index base);
extern char *definition_text(const Definition *definition, Node *expr);
extern bool definition_has_column(const Definition *definition, const char *column, Oid type);
extern bool definition_has_row_column(const Definition *definition, const char *column,
									  AttrNumber number);
extern Var *definition_plain_column(const Definition *definition, const char *alias,
									const char *column);
extern Node *definition_guarded(Node *expr);
extern Datum definition_names(List *texts);
extern void definition_check(const Definition *definition);
extern bool definition_runs_user_code(const Definition *definition);
extern bool definition_lacks_right(const Definition *definition, Oid *relation, Oid *function);

#endif							/* LOYALTY_DEFINITION_H */
