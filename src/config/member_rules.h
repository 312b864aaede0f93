/*
 * member_rules.h: earning rules that are for some members.
 */
#ifndef LOYALTY_MEMBER_RULES_H
#define LOYALTY_MEMBER_RULES_H

#include "terms.h"

extern void member_rules_load(Terms *terms, Oid schema_oid, const char *schema);
extern bool terms_fold(const Terms *terms);
extern Datum terms_rules_held(Terms *terms, const Facts *facts, const char *tier);

#endif							/* LOYALTY_MEMBER_RULES_H */
