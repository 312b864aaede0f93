/*
 * refuse.h: what an expression of the configuration must not say.
 */
#ifndef LOYALTY_REFUSE_H
#define LOYALTY_REFUSE_H

#include "parser/parse_node.h"
#include "utils/relcache.h"

extern void refuse_unevaluable(ParseState *pstate, Node *expr);
extern void refuse_session(ParseState *pstate, Node *expr, const char *what);
extern void refuse_moment(ParseState *pstate, Node *expr, Relation facts);
extern bool refuse_is_mutable(Node *expr);
extern void refuse_settings(ParseState *pstate, Node *expr, const char *time_zone,
							const char *what);

#endif							/* LOYALTY_REFUSE_H */
