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
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', program, role);
	-- What each level may do with an object is said by its template; the view of the
	-- customers has none.  The journal refuses every DELETE but that of posting; and of
	-- rules, tiers and settings, new terms are made by the owner: nobody may write these.
	FOR command IN
		SELECT format('GRANT %s ON %s %I.%I TO %s', g.privileges, CASE t.kind WHEN 'function' THEN 'FUNCTION' ELSE 'TABLE' END, program, t.object, role)
		  FROM (SELECT * FROM _loyalty.templates()
		        UNION ALL SELECT NULL, v, 'view', v, 'SELECT', NULL, NULL, NULL FROM unnest('{customer, metrics, ratings}'::name[]) v) t
		 CROSS JOIN LATERAL (VALUES (1, t.may_read, true), (2, t.may_operate, level IN ('operate', 'admin')), (3, t.may_admin, level = 'admin')) g (n, privileges, is_meant)
		 WHERE g.is_meant AND g.privileges IS NOT NULL
		 ORDER BY g.n, t.ordinal
	LOOP
		EXECUTE command;
	END LOOP;
	IF level IN ('operate', 'admin') THEN
		FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND proname IN ('post', 'post_batch', 'maintain', 'maintain_batch') ORDER BY proname
		LOOP
			PERFORM _loyalty.grant_routine(routine, role);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.grant_access(name, regrole, text) IS
'grant a role what it needs to read a program (read), to post and maintain it and call what changes points, redeems rewards and issues and redeems vouchers, too (operate), or to change its rules, tiers and settings, too (admin), acting with the rights of the owner';

CREATE FUNCTION _loyalty.require_caller_of_all(role regrole)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND NOT has_function_privilege(role, p.oid, 'EXECUTE')) THEN
		RAISE EXCEPTION 'role "%" may not call the functions of loyalty', pg_get_userbyid(role)
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let a superuser do it: GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO %s;', role);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_caller_of_all(regrole) IS 'an error unless a role may call all functions of the extension';

-- The owner of a program, and the role that gets it, must be able to call what acts as them.
-- REASSIGN OWNED gives programs to roles that are not.
CREATE FUNCTION _loyalty.require_able_owner(program name, owner regrole)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present regrole := (SELECT n.nspowner::regrole FROM pg_namespace n WHERE n.nspname = program);
BEGIN
	PERFORM _loyalty.require_caller_of_all(r) FROM unnest(ARRAY[owner, present]) r;
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
