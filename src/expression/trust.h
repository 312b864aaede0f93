/*
 * trust.h: whose code runs with the rights of a program's owner.
 */
#ifndef LOYALTY_TRUST_H
#define LOYALTY_TRUST_H

#include "nodes/nodes.h"

extern void trust_check(Node *expr);
extern void trust_check_node(Node *node);
extern void trust_check_raw(Node *raw);
extern Oid	trust_foreign_type(Oid type);
extern void trust_check_key_type(Oid type, const char *what);
extern void trust_check_table(Oid relid);
extern void trust_check_descendants(Oid relid);
extern void trust_check_customers(Oid schema);
extern void trust_check_read(Oid relid);
extern bool trust_may_read(Oid relid);
extern Oid	trust_lacks_execute(Node *node);
extern bool trust_is_user_code(Node *node);
extern bool trust_runs_user_code(Node *expr);
extern bool trust_depends_on_settings(Node *expr);
extern bool trust_reads_setting(Node *node);

#endif							/* LOYALTY_TRUST_H */
