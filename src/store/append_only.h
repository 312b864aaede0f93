/*
 * append_only.h: the one exception from what append_only() refuses.
 */
#ifndef LOYALTY_APPEND_ONLY_H
#define LOYALTY_APPEND_ONLY_H

extern void append_only_permit(Oid table);
extern void append_only_withdraw(void);

#endif							/* LOYALTY_APPEND_ONLY_H */
