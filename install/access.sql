-- Access ---------------------------------------------------------------------------

-- Sets of ordinary GRANTs; nothing that GRANT and REVOKE could not do.
CREATE FUNCTION loyalty.grant_access(program name, role regrole, level text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	PERFORM loyalty.require_program(program);
	IF role IS NULL THEN
		RAISE EXCEPTION 'role must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM loyalty.require_choice('level', level, 'read', 'operate', 'admin');
	FOREACH command IN ARRAY
		-- read: every view, and the ledger, with which one may verify
		ARRAY['GRANT USAGE ON SCHEMA %1$I TO %2$s',
		      'GRANT SELECT ON %1$I.members, %1$I.entries, %1$I.standing, %1$I.unposted, %1$I.recorded_orders, %1$I.customer, %1$I.ledger TO %2$s',
		      'GRANT SELECT ON %1$I.program, %1$I.source, %1$I.part, %1$I.rate, %1$I.earning_rule, %1$I.tier, %1$I.terms, %1$I.terms_rule, %1$I.terms_tier, %1$I.archived TO %2$s']
		-- operate: post; the journal refuses every DELETE but that of posting
		|| CASE WHEN level IN ('operate', 'admin') THEN
		ARRAY['GRANT SELECT, DELETE ON %1$I.journal TO %2$s',
		      'GRANT EXECUTE ON PROCEDURE loyalty.post(name, int) TO %2$s',
		      'GRANT EXECUTE ON FUNCTION loyalty.post_batch(name, text, int) TO %2$s'] ELSE '{}' END
		-- admin: write rules, tiers and settings, of which new terms are made
		|| CASE WHEN level = 'admin' THEN
		ARRAY['GRANT INSERT, UPDATE, DELETE ON %1$I.earning_rule, %1$I.tier, %1$I.rate TO %2$s',
		      'GRANT UPDATE ON %1$I.program TO %2$s',
		      'GRANT INSERT ON %1$I.terms, %1$I.terms_rule, %1$I.terms_tier TO %2$s',
		      'GRANT EXECUTE ON FUNCTION loyalty.canonical_expression(text, regclass, regclass, regtype, text, text, text, regclass) TO %2$s',
		      'GRANT EXECUTE ON FUNCTION loyalty.hold_columns(name, int) TO %2$s'] ELSE '{}' END
	LOOP
		EXECUTE format(command, program, role);
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.grant_access(name, regrole, text) IS
'grant a role what it needs to read a program (read), to post it, too (operate), or to change its rules, tiers and settings, too (admin)';

