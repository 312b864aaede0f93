-- Access ---------------------------------------------------------------------------

-- A grant on the extension's own routines can be made by those only who may hand it
-- on; one that is there already need not be made.
CREATE FUNCTION _loyalty.grant_routine(routine regprocedure, role regrole)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text := format('GRANT EXECUTE ON ROUTINE %s TO %s', routine, role);
BEGIN
	IF has_function_privilege(role, routine, 'EXECUTE') THEN
		RETURN;
	END IF;
	IF NOT has_function_privilege(routine, 'EXECUTE WITH GRANT OPTION') THEN
		RAISE EXCEPTION 'role "%" may not grant the right to call %', current_user, routine
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let a superuser do it: %s;', command);
	END IF;
	EXECUTE command;
END
$$;
COMMENT ON FUNCTION _loyalty.grant_routine(regprocedure, regrole) IS
'grant a role the right to call a routine of the extension, or an error that says who can';

-- Sets of ordinary GRANTs; nothing that GRANT and REVOKE could not do.
CREATE FUNCTION loyalty.grant_access(program name, role regrole, level text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
	routine regprocedure;
BEGIN
	PERFORM _loyalty.refuse_nested('grant_access');
	PERFORM _loyalty.require_program(program);
	IF role IS NULL THEN
		RAISE EXCEPTION 'role must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM _loyalty.require_choice('level', level, 'read', 'operate', 'admin');
	-- as GRANT gives a warning only to who may not grant all of it
	IF NOT pg_has_role((SELECT nspowner FROM pg_namespace WHERE nspname = program), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of loyalty program "%"', program
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let the role "%s" call loyalty.grant_access(), or a member of it.',
			                    (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = program));
	END IF;
	FOREACH command IN ARRAY
		-- read: every view, and the ledger, with which one may verify
		ARRAY['GRANT USAGE ON SCHEMA %1$I TO %2$s',
		      'GRANT SELECT ON %1$I.members, %1$I.former_members, %1$I.entries, %1$I.unposted, %1$I.recorded_orders, %1$I.order_points, %1$I.customer, %1$I.ledger, %1$I.set_aside TO %2$s',
		      'GRANT SELECT ON %1$I.program, %1$I.tracked_table, %1$I.exchange_rate, %1$I.earning_rule, %1$I.tier, %1$I.terms, %1$I.terms_rule, %1$I.terms_tier, %1$I.archived, %1$I.kept TO %2$s',
		      'GRANT EXECUTE ON FUNCTION %1$I.balance, %1$I.tier_at TO %2$s']
		-- operate: post; the journal refuses every DELETE but that of posting
		|| CASE WHEN level IN ('operate', 'admin') THEN
		ARRAY['GRANT SELECT, DELETE ON %1$I.journal TO %2$s'] ELSE '{}' END
		-- admin: write rules, tiers, rates and settings; of these, new terms are made
		-- by the owner, and so nobody may write terms
		|| CASE WHEN level = 'admin' THEN
		ARRAY['GRANT INSERT, UPDATE, DELETE ON %1$I.earning_rule, %1$I.tier, %1$I.exchange_rate TO %2$s',
		      'GRANT UPDATE ON %1$I.program TO %2$s'] ELSE '{}' END
	LOOP
		EXECUTE format(command, program, role);
	END LOOP;
	IF level IN ('operate', 'admin') THEN
		FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND proname IN ('post', 'post_batch') ORDER BY proname
		LOOP
			PERFORM _loyalty.grant_routine(routine, role);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.grant_access(name, regrole, text) IS
'grant a role what it needs to read a program (read), to post it, too (operate), or to change its rules, tiers and settings, too (admin), acting with the rights of the owner';

-- The owner of a program, and the role that gets it, must be able to call what acts as them.
-- REASSIGN OWNED gives programs to roles that are not.
CREATE FUNCTION _loyalty.require_able_owner(program name, owner regrole)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present regrole := (SELECT n.nspowner::regrole FROM pg_namespace n WHERE n.nspname = program);
	r regrole;
BEGIN
	FOREACH r IN ARRAY ARRAY[owner, present]
	LOOP
		IF EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND NOT has_function_privilege(r, p.oid, 'EXECUTE')) THEN
			RAISE EXCEPTION 'role "%" may not call the functions of loyalty', pg_get_userbyid(r)
				USING ERRCODE = 'insufficient_privilege',
				      HINT = format('Let a superuser do it: GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO %s;', r);
		END IF;
	END LOOP;
	IF NOT has_database_privilege(present, current_database(), 'CREATE') THEN
		RAISE EXCEPTION 'role "%" may not create schemas in database "%"', pg_get_userbyid(present), current_database()
			USING ERRCODE = 'insufficient_privilege',
			      DETAIL = format('It owns the loyalty program "%s", which is compared with one that is made as this role, and taken back.', program),
			      HINT = format('Let the owner of the database do it, until the program is given away: GRANT CREATE ON DATABASE %I TO %s;', current_database(), present);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_able_owner(name, regrole) IS
'an error unless the owner of a program, and the role that it is given to, can call what is run as them';
