/*
 * protect.h: running work whose failure must not be everybody's.
 */
#ifndef LOYALTY_PROTECT_H
#define LOYALTY_PROTECT_H

#include "utils/elog.h"

typedef void (*ProtectedWork) (void *arg);

extern ErrorData *protect(ProtectedWork work, void *arg);
extern bool protect_may_catch(int sqlstate);

#endif							/* LOYALTY_PROTECT_H */
