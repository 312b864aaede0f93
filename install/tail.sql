-- Privileges ------------------------------------------------------------------------

-- Administration acts with the rights of the caller, who needs them on the
-- program's schema and on the tables; nobody else has any use for it.
REVOKE EXECUTE ON FUNCTION loyalty.create_program(name, regclass, name, text, text, int, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.drop_program(name, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.track_orders(name, regclass, text, text, text, text, text, boolean, regclass, text, text, text, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.backfill(name, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.untrack(name, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.follow_ddl() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.create_triggers(name, int, regclass, text) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE loyalty.post(name, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.post_batch(name, text, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.record_table(name, int, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.canonical_expression(text, regclass, regclass, regtype, text, text, text, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.change_owner(name, regrole) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.track_refunds(name, regclass, text, text, regclass, text, text, boolean, text, text, text, text, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.reconcile(name, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.add_part(name, int, text, regclass, text, text, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.lock_source(name, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.comment_program(name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.hold_columns(name, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.grant_access(name, regrole, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.add_source(name, regclass, text, text, text, text, text, boolean, text, boolean) FROM PUBLIC;
