-- Upgrades ------------------------------------------------------------------------

-- Programs are as the version of the extension made them that was installed then.  The
-- layout counts the versions that differ in this: whatever changes a template so that
-- programs that are there must have it, too, raises it by one, and says in a file of
-- install/program/upgrade what becomes of their tables.
CREATE FUNCTION _loyalty.layout()
RETURNS int
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 1
$$;
COMMENT ON FUNCTION _loyalty.layout() IS 'the layout of programs that this version of the extension makes, and works with';

CREATE FUNCTION _loyalty.library_layout()
RETURNS int
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'loyalty_library_layout';
COMMENT ON FUNCTION _loyalty.library_layout() IS 'the layout of programs that the library works with that this session has loaded';

-- What views of programs call cannot be dropped while they do, and a dump of a program
-- that comes from an older version must find it.  So in place of dropping a function, or
-- changing its arguments, the script that updates the extension retires it, and makes
-- another one.  Of an aggregate, what is called for each row is retired.
CREATE FUNCTION _loyalty.retire(routine regprocedure)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	called regprocedure := coalesce((SELECT a.aggtransfn::oid FROM pg_aggregate a WHERE a.aggfnoid = routine), routine);
BEGIN
	EXECUTE (SELECT format('CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE c AS %L, %L',
	                       n.nspname, p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
	                       (SELECT l.probin FROM pg_proc l WHERE l.oid = '_loyalty.record'::regproc), 'loyalty_retired')
	           FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.oid = called);
	EXECUTE format('COMMENT ON ROUTINE %s IS %L', routine, 'not there any more, but in programs that are to be upgraded, which it says');
END
$$;
COMMENT ON FUNCTION _loyalty.retire(regprocedure) IS
'put an error that tells to upgrade in place of a function that is not used any more, for the views of older programs';

CREATE FUNCTION _loyalty.lock_view(view regclass)
RETURNS void
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_lock_view';
COMMENT ON FUNCTION _loyalty.lock_view(regclass) IS
'lock a view against everybody, and not what it reads; an error if it is not to be had at once';

-- Whoever records begins with tables of the host and the journal, and reads views then;
-- whoever reads begins with views.  So views come last, and if one is not to be had at once,
-- all is let go of.
CREATE FUNCTION _loyalty.lock_to_upgrade(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	attempts CONSTANT int := 200;
	tables CONSTANT text[] := ARRAY(SELECT format('%s IN ACCESS SHARE MODE', t.relation) FROM _loyalty.tables_in_order(program, NULL) t)
		|| ARRAY(SELECT format('%s IN ACCESS EXCLUSIVE MODE', c.oid::regclass) FROM pg_class c
		          WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind IN ('r', 'p')
		          ORDER BY c.relname <> 'journal', c.oid);
	views CONSTANT regclass[] := ARRAY(SELECT c.oid FROM pg_class c
		WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'v' ORDER BY c.oid DESC);
BEGIN
	FOR attempt IN 1 .. attempts
	LOOP
		BEGIN
			PERFORM _loyalty.lock_at_once(tables);
			PERFORM _loyalty.lock_view(v) FROM unnest(views) v;
			RETURN;
		EXCEPTION WHEN lock_not_available THEN
			IF attempt = attempts THEN
				RAISE;
			END IF;
		END;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.lock_to_upgrade(name) IS
'lock all of a program against everybody, and what it tracks against who would alter it';

-- Templates of a program that are not there.
CREATE FUNCTION _loyalty.missing_objects(program name)
RETURNS TABLE (ordinal int, object name, kind text, name name, body text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.ordinal, t.object, t.kind, t.name, t.body
	  FROM _loyalty.templates() t
	 CROSS JOIN LATERAL (SELECT to_regclass(format('%I.%I', program, t.object)) AS relation) r
	 WHERE CASE t.kind
	       WHEN 'function' THEN NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident(program)) AND p.proname = t.name)
	       WHEN 'trigger' THEN NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.relation AND g.tgname = t.name)
	       WHEN 'upgrade' THEN false
	       ELSE r.relation IS NULL END
$$;
COMMENT ON FUNCTION _loyalty.missing_objects(name) IS 'what a program must have and has not, with the templates that make it';

-- Commands that give the views and functions of a program again what others gave them:
-- comments and options, and rights if the object is made anew, which has another OID then.
CREATE FUNCTION _loyalty.given_by_others(program name)
RETURNS TABLE (classid oid, objid oid, object name, command text, if_new boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH thing AS (
		SELECT 'pg_class'::regclass::oid AS classid, c.oid, t.object, 'TABLE' AS type, format('%I.%I', program, t.object) AS name, c.relacl AS acl, c.relowner AS owner
		  FROM _loyalty.templates() t JOIN pg_class c ON c.oid = to_regclass(format('%I.%I', program, t.object))
		 WHERE t.kind = 'view'
		UNION ALL
		-- what these say of themselves is written anew with them
		SELECT 'pg_class'::regclass::oid, c.oid, c.relname, 'TABLE', format('%I.%I', program, c.relname), c.relacl, c.relowner
		  FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'v' AND _loyalty.is_definition(c.relname)
		UNION ALL
		SELECT 'pg_proc'::regclass::oid, p.oid, t.object, 'FUNCTION', CASE count(*) OVER (PARTITION BY p.proname) WHEN 1 THEN format('%I.%I', program, t.object) ELSE p.oid::regprocedure::text END,
		       p.proacl, p.proowner
		  FROM _loyalty.templates() t JOIN pg_proc p ON p.pronamespace = to_regnamespace(quote_ident(program)) AND p.proname = t.object
		 WHERE t.kind = 'function'),
	granted AS (
		SELECT t.*, a.privilege_type AS privilege, a.grantee, a.is_grantable
		  FROM thing t CROSS JOIN LATERAL aclexplode(t.acl) a
		UNION ALL
		SELECT t.*, format('%s (%I)', a.privilege_type, c.attname), a.grantee, a.is_grantable
		  FROM thing t JOIN pg_attribute c ON t.type = 'TABLE' AND c.attrelid = t.oid CROSS JOIN LATERAL aclexplode(c.attacl) a)
	SELECT t.classid, t.oid, t.object, format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', t.name), true
	  FROM thing t WHERE t.type = 'FUNCTION' AND t.acl IS NOT NULL
	UNION ALL
	SELECT g.classid, g.oid, g.object, format('GRANT %s ON %s %s TO %s%s', g.privilege, g.type, g.name, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END,
	              CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), true
	  FROM granted g WHERE g.grantee <> g.owner
	UNION ALL
	SELECT t.classid, t.oid, t.object, format('COMMENT ON %s %s IS %L', CASE t.type WHEN 'TABLE' THEN 'VIEW' ELSE t.type END, t.name, d.description), false
	  FROM thing t JOIN pg_description d ON d.classoid = t.classid AND d.objoid = t.oid AND d.objsubid = 0
	 WHERE NOT _loyalty.is_definition(t.object)
	UNION ALL
	SELECT t.classid, t.oid, t.object, format('COMMENT ON COLUMN %s.%I IS %L', t.name, c.attname, d.description), false
	  FROM thing t JOIN pg_description d ON t.type = 'TABLE' AND d.classoid = t.classid AND d.objoid = t.oid
	  JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum = d.objsubid
	 WHERE NOT _loyalty.is_definition(t.object)
	UNION ALL
	SELECT t.classid, t.oid, t.object, format('ALTER VIEW %s SET (%s)', t.name, array_to_string(c.reloptions, ', ')), false
	  FROM thing t JOIN pg_class c ON t.type = 'TABLE' AND c.oid = t.oid AND c.reloptions IS NOT NULL
$$;
COMMENT ON FUNCTION _loyalty.given_by_others(name) IS
'commands that give views and functions of a program again the rights, comments and options that they have now';

-- A view with the columns that it has and nothing in it: it reads no table, so all
-- tables can be altered, and what users built on it stays.
CREATE FUNCTION _loyalty.empty_view(view regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
BEGIN
	EXECUTE (SELECT format('CREATE OR REPLACE VIEW %s AS SELECT %s WHERE false', view,
	                       string_agg(format('NULL::%s%s AS %I', format_type(a.atttypid, a.atttypmod), _loyalty.collation_clause(a.attcollation), a.attname), ', ' ORDER BY a.attnum))
	           FROM pg_attribute a WHERE a.attrelid = view AND a.attnum > 0);
END
$$;
COMMENT ON FUNCTION _loyalty.empty_view(regclass) IS 'put nothing into a view of a program, until it is made again';

-- CREATE OR REPLACE keeps who depends on an object, and its rights, but cannot change what
-- it returns, nor drop columns of a view.
CREATE FUNCTION _loyalty.replace_object(program name, object name, kind text, command text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	dependents text;
BEGIN
	EXECUTE command;
EXCEPTION WHEN invalid_table_definition OR invalid_function_definition THEN
	SELECT string_agg(x.what, E'\n') INTO dependents FROM (
		SELECT format('trigger %s', g.tgname) FROM pg_trigger g WHERE g.tgrelid = to_regclass(format('%I.%I', program, object)) AND NOT g.tgisinternal
		UNION ALL
		SELECT format('rule %s', w.rulename) FROM pg_rewrite w WHERE w.ev_class = to_regclass(format('%I.%I', program, object)) AND w.rulename <> '_RETURN'
		UNION ALL
		SELECT format('default of column %s', a.attname) FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.%I', program, object)) AND a.atthasdef) x (what)
	 WHERE kind = 'view';
	IF dependents IS NOT NULL THEN
		RAISE EXCEPTION 'view "%" of loyalty program "%" cannot be replaced, since it has what others added', object, program
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = dependents,
			      HINT = 'Its columns are others now. Drop what was added, do it again, and add it again.';
	END IF;
	BEGIN
		EXECUTE format('DROP %s %I.%I', upper(kind), program, object);
	EXCEPTION WHEN dependent_objects_still_exist THEN
		GET STACKED DIAGNOSTICS dependents = PG_EXCEPTION_DETAIL;
		RAISE EXCEPTION '% "%" of loyalty program "%" cannot be replaced, since other objects depend on it', kind, object, program
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = dependents,
			      HINT = format('Its columns or its result are others now. Drop these objects, call loyalty.upgrade_program(%L) again, and make them again.', program);
	END;
	EXECUTE command;
END
$$;
COMMENT ON FUNCTION _loyalty.replace_object(name, name, text, text) IS
'make a view or function of a program in place of one of its name, with what depends on it if that can stay';

CREATE FUNCTION _loyalty.replace_objects(program name, all_of_them boolean, template_values jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT x.object, x.kind, x.body FROM _loyalty.templates() x
	          WHERE x.kind IN ('view', 'function') AND (all_of_them OR x.ordinal IN (SELECT m.ordinal FROM _loyalty.missing_objects(program) m))
	          ORDER BY x.ordinal
	LOOP
		-- what is lost with the customer table is made when that is named again
		CONTINUE WHEN t.kind = 'view' AND t.body LIKE '%@schema@.customer %' AND to_regclass(format('%I.customer', program)) IS NULL;
		PERFORM _loyalty.replace_object(program, t.object, t.kind, _loyalty.rendered(t.body, template_values));
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.replace_objects(name, boolean, jsonb) IS
'make all views and functions of a program in place of those that it has, or those that it lacks';

-- The triggers of a program's own tables: those that this version has, and no others of ours.
CREATE FUNCTION _loyalty.drop_own_triggers(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('DROP TRIGGER %I ON %s', g.tgname, g.tgrelid::regclass)
		  FROM pg_trigger g
		  JOIN pg_class c ON c.oid = g.tgrelid AND c.relnamespace = to_regnamespace(quote_ident(program))
		  JOIN pg_proc p ON p.oid = g.tgfoid AND p.pronamespace = '_loyalty'::regnamespace
		 WHERE NOT g.tgisinternal AND EXISTS (SELECT FROM _loyalty.templates() t WHERE t.object = c.relname AND t.kind = 'table')
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.drop_own_triggers(name) IS 'drop the triggers of the extension on the tables that a program is made of';

-- A table that was dropped took its views along, and with lines and refunds those of the
-- orders.
CREATE FUNCTION _loyalty.has_lost_views(program name, tracked_table int, newest int)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result boolean;
BEGIN
	EXECUTE format('SELECT bool_or(NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation)
	                               OR _loyalty.view_of($1, s.kind, s.tracked_table) IS NULL
	                               OR (s.kind IN (''orders'', ''credits'', ''events'') AND _loyalty.view_of($1, s.kind, s.tracked_table, $3) IS NULL))
	                  FROM %I.tracked_table s WHERE s.tracked_table = $2 OR (s.of_tracked_table = $2 AND s.active)', program)
	   INTO result USING program, tracked_table, newest;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.has_lost_views(name, int, int) IS 'was a table dropped, or a view, without which a tracked table cannot be defined?';

CREATE FUNCTION _loyalty.renew_definitions(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message text;
	dependents text;
BEGIN
	PERFORM _loyalty.renew_views(program, with_lost => true);
EXCEPTION WHEN dependent_objects_still_exist THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, dependents = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION '%', message
		USING ERRCODE = 'dependent_objects_still_exist', DETAIL = dependents,
		      HINT = format('Drop what is yours of that, call loyalty.upgrade_program(%L) again, and make it again.', program);
END
$$;
COMMENT ON FUNCTION _loyalty.renew_definitions(name) IS 'make the views of tracked tables and tiers anew, or say which objects of users stand in the way';

-- What tables that were lost had is in others: accounts are the sums of the ledger, open holds and merges are in it, and rules and
-- tiers are those of the terms in force.
CREATE FUNCTION _loyalty.fill_again(program name, tables text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	part record;
BEGIN
	IF 'merged' = ANY (tables) THEN
		EXECUTE format($sql$
			WITH RECURSIVE merge AS (
				SELECT coalesce(l.account, l.customer) AS customer, coalesce(s.account, s.customer) AS merged_into, l.order_key, l.at
				  FROM %1$I.ledger l JOIN %1$I.ledger s ON s.customer %2$s l.counterpart AND s.tracked_table = 0 AND s.order_key = l.order_key AND s.kind = 'merge'
				 WHERE l.kind = 'merged'),
			step (customer, survivor, n) AS (
				SELECT m.customer, m.merged_into, 1 FROM merge m
				UNION ALL
				SELECT s.customer, m.merged_into, s.n + 1 FROM step s JOIN merge m ON m.customer %2$s s.survivor)
			INSERT INTO %1$I.merged (customer, survivor, merged_into, reference, at)
			SELECT DISTINCT ON (m.customer) m.customer, s.survivor, m.merged_into, m.order_key, m.at
			  FROM merge m JOIN step s ON s.customer %2$s m.customer ORDER BY m.customer, s.n DESC $sql$, program, _loyalty.customer_equality(program));
	END IF;
	IF 'account' = ANY (tables) THEN
		EXECUTE format($sql$
			WITH RECURSIVE reach (customer, survivor) AS (
				SELECT m.customer, m.merged_into FROM %1$I.merged m
				UNION ALL
				SELECT r.customer, m.merged_into FROM reach r JOIN %1$I.merged m ON m.customer %2$s r.survivor)
			INSERT INTO %1$I.account (customer, version, entries, spend, orders, points_earned, points, first_order_at, last_order_at, last_recorded_at, held, next_release, lots, merged_into, merged)
			SELECT a.customer, 1, a.entries, a.spend, a.orders, a.earned, a.points, b.first, b.last, a.newest, coalesce(b.held, 0), b.until, a.lots, m.merged_into,
			       (SELECT array_agg(x.customer ORDER BY x.customer) FROM reach x WHERE x.survivor %2$s a.customer)
			  FROM (SELECT coalesce(l.account, l.customer) AS customer, count(*) AS entries, sum(l.amount_change) AS spend, sum(l.orders_change) AS orders,
			               sum(CASE WHEN l.tracked_table > 0 THEN l.points_change ELSE l.awards END) AS earned, sum(l.points_change) AS points,
			               max(l.recorded_at) AS newest, loyalty.sum(l.lots) AS lots
			          FROM %1$I.ledger l GROUP BY 1) a
			  LEFT JOIN %1$I.merged m ON m.customer %2$s a.customer
			  -- of orders and holds, what is newest says how they are, and whose they are by now
			  LEFT JOIN (SELECT coalesce(k.survivor, l.customer) AS customer, min(l.at) FILTER (WHERE l.counts AND l.event IS NULL) AS first, max(l.at) FILTER (WHERE l.counts AND l.event IS NULL) AS last,
			                    -sum(l.points_change) FILTER (WHERE l.kind = 'hold') AS held, min(l.until) FILTER (WHERE l.kind = 'hold' AND isfinite(l.until)) AS until
			               FROM %1$I.ledger l LEFT JOIN %1$I.merged k ON k.customer %2$s l.customer
			              WHERE NOT EXISTS (SELECT FROM %1$I.ledger n WHERE n.customer %2$s l.customer AND n.tracked_table = l.tracked_table
			                                   AND n.order_key = l.order_key AND n.revision > l.revision) GROUP BY 1) b ON b.customer %2$s a.customer $sql$,
			program, _loyalty.customer_equality(program));
	END IF;
	IF 'posted_terms' = ANY (tables) THEN
		EXECUTE format('INSERT INTO %1$I.posted_terms (version) SELECT DISTINCT l.terms FROM %1$I.ledger l WHERE l.terms > 0', program);
	END IF;
	IF 'held' = ANY (tables) THEN
		EXECUTE format($sql$
			INSERT INTO %1$I.held (customer, reference, points, until, lots, recorded_for)
			SELECT coalesce(m.survivor, l.customer), l.order_key, -l.points_change, l.until, loyalty.lots '{}' OPERATOR(loyalty.-) l.lots, l.customer
			  FROM %1$I.ledger l LEFT JOIN %1$I.merged m ON m.customer %2$s l.customer
			 WHERE l.kind = 'hold' AND NOT EXISTS (SELECT FROM %1$I.ledger n WHERE n.customer %2$s l.customer AND n.tracked_table = 0
			                                          AND n.order_key = l.order_key AND n.revision > l.revision) $sql$, program, _loyalty.customer_equality(program));
	END IF;
	FOR part IN SELECT x.* FROM _loyalty.terms_parts() x WHERE x.configured = ANY (tables)
	LOOP
		CONTINUE WHEN part.configured = 'metric';
		EXECUTE format('DELETE FROM %I.%I', program, part.configured);	-- a template may bring rows
		EXECUTE format('INSERT INTO %1$I.%2$I (%4$s) SELECT %4$s FROM %1$I.%3$I r WHERE r.version = (SELECT p.terms FROM %1$I.program p)%5$s',
		               program, part.configured, part.pinned, part.columns, CASE part.configured WHEN 'earning_rule' THEN ' AND NOT r.is_campaign' ELSE '' END);
	END LOOP;
	PERFORM _loyalty.fill_metrics_again(program, tables);
	IF 'campaign' = ANY (tables) THEN
		EXECUTE format($sql$
			INSERT INTO %1$I.campaign (name, starts, ends, applies_when, for_members, budget)
			SELECT DISTINCT ON (g.campaign) g.campaign, g.starts, g.ends, g.applies_when, g.for_members,
			       (SELECT min(r.budget) FROM %1$I.terms_rule r JOIN %1$I.earning_rule e ON e.name = r.name AND e.budget IS NULL WHERE r.version = g.version AND r.campaign = g.campaign)
			  FROM %1$I.terms_rule g WHERE g.is_campaign AND g.version = (SELECT p.terms FROM %1$I.program p) ORDER BY g.campaign, g.award $sql$, program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.fill_again(name, text[]) IS
'put into tables of a program that were lost, and are made again, what others know of them: merges, accounts, open holds, earning rules, campaigns, tiers, metrics and wallets';

-- The histories of all accounts, out of the newest entry of each order and event.
CREATE FUNCTION _loyalty.fill_histories(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
BEGIN
	EXECUTE format($sql$
		%1$s
		UPDATE %2$I.account a SET purchases = h.purchases, events = h.events
		  FROM (SELECT k.customer, loyalty.sum(k.history) FILTER (WHERE k.event IS NULL) AS purchases,
		               array_agg(ROW(k.event, k.history)::_loyalty.event_history ORDER BY k.event) FILTER (WHERE k.event IS NOT NULL) AS events
		          FROM (SELECT d.customer, d.event, loyalty.history(d.day, d.amount) AS history FROM order_day d WHERE d.is_posted GROUP BY 1, 2) k
		         GROUP BY k.customer) h
		 WHERE a.customer %3$s h.customer $sql$, _loyalty.order_days_sql(program, false, true), program, _loyalty.customer_equality(program));
END
$$;
COMMENT ON FUNCTION _loyalty.fill_histories(name) IS 'put the histories into accounts that have none yet';

-- Brings all of a program to the layout that is needed.  Runs as the owner.
CREATE FUNCTION _loyalty.upgrade_objects(program name, present int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET check_function_bodies = off	-- of functions that read views which are lost
SET loyalty.tracking = 'on'		-- what is written is not written by hand
AS $$
DECLARE
	is_older boolean := present < _loyalty.layout();
	template_values jsonb := _loyalty.template_values(program);
	given jsonb;
	lost text[] := '{}';
	t record;
BEGIN
	IF is_older THEN
		SELECT coalesce(jsonb_agg(to_jsonb(g)), '[]') INTO given FROM _loyalty.given_by_others(program) g;
		PERFORM _loyalty.empty_view(v.view)
		   FROM (SELECT to_regclass(format('%I.%I', program, x.object)) AS view FROM _loyalty.templates() x WHERE x.kind = 'view' OFFSET 0) v
		  WHERE v.view IS NOT NULL;
		FOR t IN SELECT x.body FROM _loyalty.templates() x WHERE x.kind = 'upgrade' AND x.object::text::int > present ORDER BY x.object::text::int
		LOOP
			EXECUTE _loyalty.rendered(t.body, template_values);
		END LOOP;
		PERFORM _loyalty.drop_own_triggers(program);
	END IF;
	FOR t IN SELECT m.* FROM _loyalty.missing_objects(program) m WHERE m.kind IN ('table', 'type', 'trigger') ORDER BY m.ordinal
	LOOP
		EXECUTE _loyalty.rendered(t.body, template_values);
		CONTINUE WHEN t.kind <> 'table';
		lost := lost || t.object::text;
	END LOOP;
	PERFORM _loyalty.fill_again(program, lost);
	PERFORM _loyalty.fill_rewards_again(program, lost);
	IF present < 1 OR 'account' = ANY (lost) THEN
		PERFORM _loyalty.fill_histories(program);
	END IF;
	IF is_older THEN
		PERFORM _loyalty.renew_definitions(program);
	ELSIF _loyalty.lacks_metrics(program) THEN
		PERFORM _loyalty.renew_metrics(program);
	END IF;
	BEGIN
		PERFORM _loyalty.replace_objects(program, is_older, template_values);
	EXCEPTION WHEN duplicate_column THEN
		-- as the key of the customers, another column is called now; what shows metrics is made again below
		EXECUTE format('DROP VIEW IF EXISTS %1$I.metrics, %1$I.ratings', program);
		PERFORM _loyalty.replace_objects(program, is_older, template_values || '{"key": "customer"}');
	END;
	IF _loyalty.lacks_metrics(program) THEN
		PERFORM _loyalty.renew_metrics(program);
	END IF;
	PERFORM _loyalty.give_again(program, given);
	PERFORM _loyalty.comment_program(program);
	IF is_older THEN
		EXECUTE format('UPDATE %I.program SET layout = _loyalty.layout()', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.upgrade_objects(name, int) IS
'bring the tables, views and functions of a program from its present layout to the one that is needed, or make those that are missing';

CREATE FUNCTION _loyalty.give_again(program name, given jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT x.* FROM jsonb_to_recordset(given) x (classid oid, objid oid, command text, if_new boolean)
	LOOP
		CONTINUE WHEN g.if_new AND EXISTS (SELECT FROM pg_class c WHERE g.classid = 'pg_class'::regclass AND c.oid = g.objid
		                                   UNION ALL SELECT FROM pg_proc p WHERE g.classid = 'pg_proc'::regclass AND p.oid = g.objid);
		BEGIN
			EXECUTE g.command;
		EXCEPTION WHEN undefined_column OR undefined_function THEN
			NULL;		-- it is not there any more
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.give_again(name, jsonb) IS 'run the commands of _loyalty.given_by_others() after views and functions were made anew';

-- The layout of a program that the caller may act for, or an error.
CREATE FUNCTION _loyalty.present_layout(program name)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present int;
BEGIN
	SELECT r[1]::int INTO present
	  FROM _loyalty.as_owner(program, CASE WHEN EXISTS (SELECT FROM loyalty.programs p JOIN pg_attribute a ON a.attrelid = p.settings
	                                                     WHERE p.name = program AND a.attname = 'layout')
	                                  THEN format('SELECT p.layout FROM %I.program p', program) ELSE 'SELECT 0' END) r;
	IF present > _loyalty.layout() OR _loyalty.library_layout() <> _loyalty.layout() THEN
		PERFORM _loyalty.require_layout(program);
	END IF;
	RETURN present;
END
$$;
COMMENT ON FUNCTION _loyalty.present_layout(name) IS 'the layout of a program of the caller; an error if it is newer than the installed extension, or this is another one than the library';

CREATE FUNCTION loyalty.upgrade_program(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present int;
BEGIN
	PERFORM _loyalty.refuse_nested('upgrade_program');
	PERFORM _loyalty.require_existing(program);
	present := _loyalty.present_layout(program);
	IF present = _loyalty.layout() AND NOT EXISTS (SELECT FROM _loyalty.missing_objects(program)) AND NOT _loyalty.lacks_metrics(program) THEN
		RETURN;
	END IF;
	PERFORM _loyalty.lock_to_upgrade(program);
	PERFORM _loyalty.require_caller_of_all(n.nspowner::regrole) FROM pg_namespace n WHERE n.nspname = program;
	-- somebody may have done it meanwhile
	present := _loyalty.present_layout(program);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.upgrade_objects($1::name, $2::int)', program::text, present::text);
	IF EXISTS (SELECT FROM _loyalty.missing_objects(program)) THEN
		RAISE WARNING 'loyalty program "%" still lacks: %', program, (SELECT string_agg(m.object, ', ' ORDER BY m.ordinal) FROM _loyalty.missing_objects(program) m)
			USING DETAIL = 'The view of the customers was dropped, with the table that it was of, or what it called.',
			      HINT = format('UPDATE %I.program SET customers = ''...'', customer_key = ''...'', joined_at = ''...'' makes them.', program);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.upgrade_program(name) IS
'bring a program to the layout of the installed extension, with all that is recorded, and make what it lacks of its own tables, views and functions';

-- Views declare how many decimals points and amounts have, and functions round to them.  After the trigger "new_terms",
-- as its name is behind that.
CREATE FUNCTION _loyalty.show_scales()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	template_values jsonb := _loyalty.template_values(tg_table_schema);
	given jsonb;
	message text;
	dependents text;
	t record;
BEGIN
	IF (SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attname) FROM pg_attribute a
	     WHERE a.attrelid = to_regclass(format('%I.members', tg_table_schema)) AND a.attname IN ('lifetime_value', 'points'))
	   IS NOT DISTINCT FROM ARRAY[format('numeric(38,%s)', template_values ->> 'amount_scale'), format('numeric(38,%s)', template_values ->> 'points_scale')] THEN
		RETURN NULL;
	END IF;
	SELECT coalesce(jsonb_agg(to_jsonb(g)), '[]') INTO given FROM _loyalty.given_by_others(tg_table_schema) g;
	FOR t IN SELECT x.object, x.kind, x.body FROM _loyalty.templates() x
	          WHERE x.kind IN ('view', 'function') AND x.body ~ '@(points|amount)_scale@' ORDER BY x.ordinal
	LOOP
		CONTINUE WHEN t.kind = 'view' AND to_regclass(format('%I.%I', tg_table_schema, t.object)) IS NULL;
		PERFORM _loyalty.replace_object(tg_table_schema, t.object, t.kind, _loyalty.rendered(t.body, template_values));
	END LOOP;
	PERFORM _loyalty.give_again(tg_table_schema, given);
	PERFORM _loyalty.comment_program(tg_table_schema);
	RETURN NULL;
EXCEPTION WHEN dependent_objects_still_exist THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, dependents = PG_EXCEPTION_DETAIL;
	RAISE EXCEPTION '%', message
		USING ERRCODE = 'dependent_objects_still_exist', DETAIL = dependents,
		      HINT = 'Its columns have a declared scale. Drop what depends on it, change the settings again, and make it again.';
END
$$;
COMMENT ON FUNCTION _loyalty.show_scales() IS 'trigger: makes the views anew that declare how many decimals points and amounts have';
