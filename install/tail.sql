-- Privileges ------------------------------------------------------------------------

-- Administration acts with the rights of the caller, who needs them on the
-- program's schema and on the tables; nobody else has any use for it.
REVOKE EXECUTE ON FUNCTION loyalty.create_program(name, regclass, name, text, text, int, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.drop_program(name, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.track_orders(name, regclass, text, text, text, text, text, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.backfill(name, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.untrack(name, regclass) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.create_triggers(name, int, regclass) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE loyalty.post(name, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.post_batch(name, text, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.record_table(name, int) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.canonical_expression(text, regclass, regclass, regtype, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION loyalty.change_owner(name, regrole) FROM PUBLIC;
