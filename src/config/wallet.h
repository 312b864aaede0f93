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
extern Lot	wallet_lot_in(Terms *terms, int32 number, TimestampTz earned_at, const Moment *said);
extern bool wallet_may_extend(const Terms *terms, int32 number);
extern bool wallet_extends(Terms *terms, const Wallet *wallet, TimestampTz active_at, int32 *number,
						   TimestampTz *until);

#endif							/* LOYALTY_WALLET_H */
