/*
 * wallet.h: when the points of a wallet become available, and when they expire.
 */
#ifndef LOYALTY_WALLET_H
#define LOYALTY_WALLET_H

#include "journal.h"
#include "lots.h"
#include "terms.h"

extern void wallet_load(Terms *terms, const char *schema);
extern Lot	wallet_lot(Terms *terms, TimestampTz earned_at, const Moment *said);
extern bool wallet_may_extend(const Terms *terms);
extern bool wallet_extends(Terms *terms, TimestampTz active_at, TimestampTz *until);

#endif							/* LOYALTY_WALLET_H */
