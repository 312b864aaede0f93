/*
 * snapshot.h: what this moment looks like.
 */
#ifndef LOYALTY_SNAPSHOT_H
#define LOYALTY_SNAPSHOT_H

extern void snapshot_push_current(void);
extern bool snapshot_is_of_one_moment(void);

#endif							/* LOYALTY_SNAPSHOT_H */
