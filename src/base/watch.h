/*
 * watch.h: what is invalidated while something is loaded from catalogs and
 * tables.
 */
#ifndef LOYALTY_WATCH_H
#define LOYALTY_WATCH_H

extern void watch_init(void);
extern uint64 watch_begin(void);
extern bool watch_saw(uint64 since, Oid relid);

#endif							/* LOYALTY_WATCH_H */
