/*
 * watch.h: what is invalidated while something is loaded from catalogs and
 * tables.
 */
#ifndef LOYALTY_WATCH_H
#define LOYALTY_WATCH_H

extern void watch_init(void);
extern void watch_begin(void);
extern bool watch_saw(Oid relid);

#endif							/* LOYALTY_WATCH_H */
