/*
 * snapshot.h: what this moment looks like.
 */
#ifndef LOYALTY_SNAPSHOT_H
#define LOYALTY_SNAPSHOT_H

extern void snapshot_push_current(bool user_code);
extern bool snapshot_is_of_one_moment(bool user_code);

#endif							/* LOYALTY_SNAPSHOT_H */
