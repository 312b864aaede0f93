/*
 * answer.h: what questions about a program share that are answered as its owner.
 */
#ifndef LOYALTY_ANSWER_H
#define LOYALTY_ANSWER_H

extern void answer_fix_zone(const char *program);

#endif							/* LOYALTY_ANSWER_H */
