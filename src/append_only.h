/*
 * append_only.h: the journal and the ledger refuse changes outside posting.
 */
#ifndef LOYALTY_APPEND_ONLY_H
#define LOYALTY_APPEND_ONLY_H

extern void append_only_init(void);

#endif							/* LOYALTY_APPEND_ONLY_H */
