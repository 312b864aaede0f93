/*
 * nested.h: what must not begin while a program is at work.
 */
#ifndef LOYALTY_NESTED_H
#define LOYALTY_NESTED_H

extern void nested_begin_work(void);
extern void nested_begin_triggers(void);
extern void nested_end(void);
extern void nested_refuse_call(const char *function);
extern void nested_refuse_write(const char *table);

#endif							/* LOYALTY_NESTED_H */
