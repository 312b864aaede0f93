/*
 * hint.h: what an error says of a name that is not known.
 */
#ifndef LOYALTY_HINT_H
#define LOYALTY_HINT_H

#include "parser/parse_node.h"

extern void hint_ambiguous_column(ParseState *pstate, ColumnRef *cref);
extern const char *hint_keyword_column(ParseState *pstate);
extern const char *hint_span(const char *text, int code, const char *day);
extern Node *hint_unknown_column(ParseState *pstate, ColumnRef *cref, Node *var, const char *more);

#endif							/* LOYALTY_HINT_H */
