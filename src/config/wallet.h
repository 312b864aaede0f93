/*
 * wallet.h: when the points of a wallet become available, and when they expire.
 */
#ifndef LOYALTY_WALLET_H
#define LOYALTY_WALLET_H

#include "lots.h"
#include "terms.h"

extern void wallet_load(Terms *terms, const char *schema);
extern Lot	wallet_lot(Terms *terms, TimestampTz earned_at);
extern bool wallet_extends(Terms *terms, TimestampTz active_at, TimestampTz *until);

#endif							/* LOYALTY_WALLET_H */
