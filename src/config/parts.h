/*
 * parts.h: what a condition consists of, and how things stand with each part.
 */
#ifndef LOYALTY_PARTS_H
#define LOYALTY_PARTS_H

#include "utils/date.h"

#include "definition.h"
#include "terms.h"

/* What a condition says, or a part of it, of the customer whose facts are asked about. */
typedef struct Part
{
	List	   *path;			/* int: the first part, of that the second, ...; NIL: the
								 * whole condition */
	Node	   *expr;			/* as the view says it */
	Node	   *value_expr;		/* of a comparison: what is compared, and with what */
	Node	   *wanted_expr;
	Condition	whole;
	Condition	value;			/* of a comparison; else without an expression */
	Condition	wanted;
	bool		timed;			/* may be otherwise on another day */
	bool		holds;
	bool		unknown;		/* it is null, or fails */
	char	   *value_text;		/* NULL: none */
	char	   *wanted_text;
	Datum		distance;		/* numeric; (Datum) 0: none */
	DateADT		changes_on;
	bool		changes;		/* the day is known */
} Part;

extern List *parts_of_condition(Terms *terms, const Definition *definition, const char *column);
extern void parts_ask(Terms *terms, List *parts, const Facts *facts);
extern void parts_look_ahead(Terms *terms, List *parts, const Facts *facts, int32 days);

#endif							/* LOYALTY_PARTS_H */
