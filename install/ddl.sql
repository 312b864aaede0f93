-- DDL on tracked tables -----------------------------------------------------------

-- A relation and all that inherits from it: partitions, or children.
CREATE FUNCTION _loyalty.descendants(relation regclass)
RETURNS SETOF regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off	-- most tables have few descendants or none, and the
SET enable_mergejoin = off	-- planner can't know which
SET enable_seqscan = off
AS $$
	WITH RECURSIVE tree AS (
		SELECT relation::oid AS relid
		UNION
		SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.relid
		  JOIN pg_class c ON c.oid = i.inhrelid AND c.relpersistence <> 't')
	SELECT relid::regclass FROM tree
$$;
COMMENT ON FUNCTION _loyalty.descendants(regclass) IS 'a table with its partitions and the tables that inherit from it, at all levels, but for temporary ones';

-- Parents of such tables that are not among them: a statement that names one of
-- these changes rows of the table and fires no trigger of it.
CREATE FUNCTION _loyalty.outside_parents(relation regclass)
RETURNS TABLE (child regclass, parent regclass)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH tree AS MATERIALIZED (SELECT d FROM _loyalty.descendants(relation) d)
	SELECT i.inhrelid::regclass, i.inhparent::regclass
	  FROM tree t JOIN pg_inherits i ON i.inhrelid = t.d
	 WHERE i.inhparent NOT IN (SELECT d FROM tree)
$$;
COMMENT ON FUNCTION _loyalty.outside_parents(regclass) IS
'tables through which rows of a table can be changed without its triggers';

-- Names of our triggers on tracked tables.
CREATE FUNCTION _loyalty.trigger_name(event text, program name, tracked_table text)
RETURNS name
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ('loyalty_' || event || '_' || CASE WHEN octet_length(suffix) > 40 THEN md5(suffix) ELSE suffix END)::name
	  FROM concat_ws('_', program, tracked_table) suffix
$$;
COMMENT ON FUNCTION _loyalty.trigger_name(text, name, text) IS
'the name of a trigger on a tracked table: readable if it fits into a name';

-- Only the owner of a table may comment on its triggers; whoever else makes one goes
-- without.
CREATE FUNCTION _loyalty.trigger_comment(trigger name, relation regclass, comment text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT format('; COMMENT ON TRIGGER %I ON %s IS %L', trigger, relation, comment)
	                   FROM pg_class WHERE oid = relation AND pg_has_role(relowner, 'USAGE')), '')
$$;
COMMENT ON FUNCTION _loyalty.trigger_comment(name, regclass, text) IS 'the command that comments on a trigger, behind the one that makes it';

-- Statement triggers with transition tables see each row once.
CREATE FUNCTION _loyalty.trigger_command(event text, relation regclass, program name, tracked_table text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.record(%L, %L)',
	              _loyalty.trigger_name(event, program, tracked_table), event, relation,
	              CASE event WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows'
	                         WHEN 'update' THEN 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
	                         WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows' END,
	              program, tracked_table)
	       || _loyalty.trigger_comment(_loyalty.trigger_name(event, program, tracked_table), relation,
	                                  format('records for the loyalty program "%s" how orders stand after each %s', program, upper(event)))
$$;
COMMENT ON FUNCTION _loyalty.trigger_command(text, regclass, name, text) IS
'the command that makes one of the triggers that record a tracked table';

CREATE FUNCTION _loyalty.trigger_arguments(tgargs bytea)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(convert_from(decode(replace(a, ' ', ''), 'hex'), getdatabaseencoding()) ORDER BY n)
	  FROM unnest(string_to_array(regexp_replace(encode(tgargs, 'hex'), '(..)', chr(92) || '1 ', 'g'), '00 '))
	       WITH ORDINALITY AS x (a, n)
$$;
COMMENT ON FUNCTION _loyalty.trigger_arguments(bytea) IS 'arguments of a trigger, and one empty text behind them';

-- Lines and refunds that leave their table with a partition, or child, are missing to orders
-- that are there.  What they gave is the program's to keep, and who runs the command has no
-- rights on it: he is told.  The table still has its triggers; which table it was a part of
-- is said by the view of the lines or refunds.
CREATE FUNCTION _loyalty.warn_of_left_parts(touched oid)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone record;
BEGIN
	FOR gone IN
		SELECT DISTINCT g.tgrelid::regclass AS relation, x.parent::regclass AS parent, k.arguments[1] AS program
		  FROM pg_trigger t
		 CROSS JOIN LATERAL (SELECT _loyalty.trigger_arguments(t.tgargs) AS arguments) k
		  JOIN pg_namespace n ON n.nspname = k.arguments[1]
		  JOIN pg_class v ON v.relnamespace = n.oid AND v.relkind = 'v' AND v.relname IN ('lines_' || k.arguments[2], 'refunds_' || k.arguments[2])
		  JOIN pg_rewrite w ON w.ev_class = v.oid
		 CROSS JOIN LATERAL (SELECT DISTINCT c.oid AS parent FROM pg_depend d JOIN pg_class c ON c.oid = d.refobjid AND c.relkind IN ('r', 'p')
		                      WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass) x
		  JOIN pg_trigger g ON g.tgname = t.tgname AND g.tgfoid = t.tgfoid AND g.tgargs = t.tgargs
		 WHERE t.tgrelid = touched AND t.tgfoid = '_loyalty.record'::regproc AND t.tgnargs = 2
		   AND g.tgrelid NOT IN (SELECT _loyalty.descendants(x.parent))
		   AND touched IN (g.tgrelid, x.parent)
	LOOP
		RAISE WARNING 'rows of table "%" that left with "%" are missing to orders of the loyalty program "%"', gone.parent, gone.relation, gone.program
			USING HINT = format('For the orders to keep what these rows gave, call loyalty.reconcile(%L, missing => ''archive'') before they change, best in the same transaction.', gone.program);
	END LOOP;
EXCEPTION WHEN OTHERS THEN
	NULL;		-- DDL of others goes on
END
$$;
COMMENT ON FUNCTION _loyalty.warn_of_left_parts(oid) IS
'warn of lines and refunds that left a tracked table with a partition or child';

-- A statement that names a partition, or a child, fires the triggers of that
-- table only.  So whatever becomes part of a tracked table gets its triggers,
-- with the rights of whoever makes it so.  This looks at catalogs only, which can
-- be large where there are many partitions, and at few of their rows.
CREATE FUNCTION _loyalty.follow_ddl()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
DECLARE
	renamed text;
	touched oid;
	missing record;
	-- not by its name, which takes the right to use the schema
	recorder oid := (SELECT p.oid FROM pg_proc p WHERE p.proname = 'record' AND p.pronamespace = to_regnamespace('_loyalty'));
BEGIN
	IF to_regnamespace('loyalty') IS NULL OR to_regnamespace('_loyalty') IS NULL THEN
		RAISE EXCEPTION 'the schemas of the extension loyalty cannot be renamed' USING ERRCODE = 'feature_not_supported';
	END IF;
	IF tg_tag = 'ALTER SCHEMA' THEN
		-- the name of a program is in the triggers of the tables that it tracks
		SELECT convert_from(substr(t.tgargs, 1, length(t.tgargs) - 1), getdatabaseencoding()) INTO renamed
		  FROM pg_event_trigger_ddl_commands() c
		  JOIN pg_namespace n ON n.oid = c.objid
		  JOIN pg_class s ON s.relnamespace = n.oid AND s.relname = 'program'
		  JOIN pg_trigger t ON t.tgrelid = s.oid AND t.tgname = 'changed' AND t.tgnargs = 1
		  JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = 'configuration_changed' AND p.pronamespace = '_loyalty'::regnamespace
		 WHERE c.classid = 'pg_namespace'::regclass
		   AND t.tgargs <> convert_to(n.nspname::text, getdatabaseencoding()) || decode('00', 'hex');
		IF FOUND THEN
			RAISE EXCEPTION 'the schema of the loyalty program "%" cannot be renamed', renamed
				USING ERRCODE = 'feature_not_supported',
				      HINT = 'Create a program of the other name and track the orders with it.';
		END IF;
		RETURN;
	END IF;
	FOR touched IN
		SELECT DISTINCT c.objid FROM pg_event_trigger_ddl_commands() c
		 WHERE c.classid = 'pg_class'::regclass AND c.object_type IN ('table', 'foreign table')
	LOOP
		IF tg_tag = 'ALTER TABLE' AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = touched AND tgfoid = recorder) THEN
			BEGIN
				PERFORM _loyalty.warn_of_left_parts(touched);
			EXCEPTION WHEN insufficient_privilege THEN
				NULL;
			END;
		END IF;
		-- most tables have nothing to do with any other
		CONTINUE WHEN NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = touched)
		          AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = touched);
		CONTINUE WHEN NOT EXISTS (
			WITH RECURSIVE above (relid) AS (
				SELECT touched
				UNION
				SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.relid),
			below (relid) AS (
				SELECT touched
				UNION
				SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.relid)
			SELECT FROM (SELECT relid FROM above UNION ALL SELECT relid FROM below) r
			  JOIN pg_trigger t ON t.tgrelid = r.relid AND t.tgfoid = recorder);
		-- whatever goes wrong, DDL of others goes on
		BEGIN
			FOR missing IN
				WITH RECURSIVE above (ancestor) AS (
					SELECT touched
					UNION
					SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.ancestor),
				tracked AS MATERIALIZED (
					SELECT DISTINCT _loyalty.trigger_arguments(t.tgargs) AS arguments
					  FROM above a JOIN pg_trigger t ON t.tgrelid = a.ancestor
					   AND t.tgfoid = '_loyalty.record'::regproc AND t.tgnargs = 2),
				wanted AS MATERIALIZED (
					SELECT arguments[1]::name AS program, arguments[2] AS tracked_table, event,
					       _loyalty.trigger_name(event, arguments[1], arguments[2]) AS trigger
					  FROM tracked CROSS JOIN unnest('{insert,update,delete,truncate}'::text[]) e (event))
				SELECT c.oid::regclass AS relation, c.relkind, c.relpersistence, w.event, w.program, w.tracked_table
				  FROM wanted w
				 CROSS JOIN _loyalty.descendants(touched) d
				  JOIN pg_class c ON c.oid = d
				 WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = d AND t.tgname = w.trigger)
				 ORDER BY 1, w.event
			LOOP
				IF missing.relkind = 'f' OR missing.relpersistence = 't' THEN
					IF missing.event = 'insert' THEN
						RAISE WARNING 'what is written to the % table "%" is not recorded',
							CASE missing.relkind WHEN 'f' THEN 'foreign' ELSE 'temporary' END, missing.relation;
					END IF;
					CONTINUE;
				END IF;
				BEGIN
					EXECUTE _loyalty.trigger_command(missing.event, missing.relation, missing.program, missing.tracked_table);
				EXCEPTION WHEN insufficient_privilege THEN
					RAISE WARNING 'what is written to table "%" itself is not recorded', missing.relation
						USING HINT = format('The owner of the table can call loyalty.reconcile(%L).', missing.program);
				END;
			END LOOP;
			-- a tracked table that became part of one that isn't
			FOR missing IN
				WITH unseen AS MATERIALIZED (
					SELECT i.inhrelid, i.inhparent, t.tgargs
					  FROM _loyalty.descendants(touched) d
					  JOIN pg_inherits i ON i.inhrelid = d
					  JOIN pg_trigger t ON t.tgrelid = d AND t.tgfoid = '_loyalty.record'::regproc AND t.tgnargs = 2
					 WHERE NOT EXISTS (SELECT FROM pg_trigger p WHERE p.tgrelid = i.inhparent AND p.tgname = t.tgname))
				SELECT DISTINCT u.inhrelid::regclass AS relation, u.inhparent::regclass AS parent,
				       k.arguments[1] AS program, k.arguments[2] AS tracked_table
				  FROM unseen u
				 CROSS JOIN LATERAL (SELECT _loyalty.trigger_arguments(u.tgargs) AS arguments) k
				 ORDER BY 1, 2
			LOOP
				RAISE WARNING 'statements on table "%" are not recorded by the loyalty program "%", which tracks "%" only',
					missing.parent, missing.program, missing.relation
					USING HINT = format('If it takes the place of the tracked table: UPDATE %I.tracked_table SET relation = %L WHERE tracked_table = %s, then call loyalty.reconcile(%L).',
					                    missing.program, missing.parent, missing.tracked_table, missing.program);
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			RAISE WARNING 'loyalty could not look after table "%", which has partitions or children, or is one: %', touched::regclass, sqlerrm
				USING HINT = 'If a program tracks it, loyalty.reconcile() makes the missing triggers.';
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.follow_ddl() IS
'event trigger: what becomes a partition or child of a tracked table gets its triggers; programs are not renamed';

CREATE EVENT TRIGGER loyalty_follow_ddl ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA', 'CREATE FOREIGN TABLE', 'ALTER SCHEMA')
	EXECUTE FUNCTION _loyalty.follow_ddl();
COMMENT ON EVENT TRIGGER loyalty_follow_ddl IS 'what becomes a partition or child of a tracked table gets its triggers';

-- Recording and posting write to the journal and the ledger with all that PostgreSQL
-- guarantees of a table, but for what would change, suppress or divert a row on its
-- way.  That is refused when it is made.
CREATE FUNCTION _loyalty.cannot_be_kept(relation oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN c.relname IN ('journal', 'ledger')
		     AND EXISTS (SELECT FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
		                  WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 3 = 3	-- BEFORE, FOR EACH ROW
		                    AND f.pronamespace IS DISTINCT FROM to_regnamespace('_loyalty')) THEN 'a trigger BEFORE ... FOR EACH ROW'
		-- they would be checked when nobody acts as the owner any more
		WHEN c.relname IN ('journal', 'ledger')
		     AND (EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgdeferrable)
		          OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND NOT i.indimmediate)) THEN 'a deferrable constraint or trigger'
		WHEN EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid) THEN 'a rule'
		WHEN EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) THEN 'parents or children'
		WHEN c.relforcerowsecurity THEN 'row security that is forced on its owner'
		END
	  FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION _loyalty.cannot_be_kept(oid) IS
'what a journal, ledger or account has that posting could not honour; null if nothing';

-- Every command of anybody waits for this, so what has other names than the tables of a program is left alone first, and a
-- command touches few relations: to hash all that there are would take longer than the command.
CREATE FUNCTION _loyalty.protect_tables()
RETURNS event_trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
	touched record;
BEGIN
	FOR touched IN
		SELECT c.oid, format('%s.%I', c.relnamespace::regnamespace, c.relname) AS name, c.relnamespace, c.relname, c.relkind
		  FROM pg_event_trigger_ddl_commands() d
		  JOIN pg_class c ON c.oid = CASE d.classid
		       WHEN 'pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = d.objid)
		       WHEN 'pg_rewrite'::regclass THEN (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = d.objid)
		       WHEN 'pg_class'::regclass THEN d.objid END
		 WHERE (c.relname IN ('journal', 'ledger', 'account') AND c.relkind = 'r')
		    OR (c.relkind = 'v' AND coalesce(current_setting('loyalty.tracking', true), '') <> 'on')
		UNION
		-- the parent of a new child, and what a new foreign key names
		SELECT c.oid, format('%s.%I', c.relnamespace::regnamespace, c.relname), c.relnamespace, c.relname, c.relkind
		  FROM pg_event_trigger_ddl_commands() d
		 CROSS JOIN LATERAL (SELECT inhparent AS relid FROM pg_inherits WHERE inhrelid = d.objid
		                     UNION ALL
		                     SELECT confrelid FROM pg_constraint WHERE conrelid = d.objid AND contype = 'f') other
		  JOIN pg_class c ON c.oid = other.relid AND c.relname IN ('journal', 'ledger', 'account')
		 WHERE d.classid = 'pg_class'::regclass
	LOOP
		CONTINUE WHEN NOT EXISTS (SELECT FROM pg_class p JOIN pg_trigger t ON t.tgrelid = p.oid JOIN pg_proc f ON f.oid = t.tgfoid
		                           WHERE p.relnamespace = touched.relnamespace AND p.relname = 'program'
		                             AND f.proname = 'configuration_changed' AND f.pronamespace = to_regnamespace('_loyalty'));
		-- whoever makes a view elsewhere may lack the right to use our schema
		CONTINUE WHEN touched.relkind = 'v' AND NOT _loyalty.is_definition(touched.relname);
		IF touched.relkind = 'v' THEN
			RAISE EXCEPTION 'view "%" says what a loyalty program means, and is made by the extension', touched.name
				USING ERRCODE = 'feature_not_supported',
				      HINT = 'Call loyalty.alter_orders(), loyalty.alter_refunds() or loyalty.pause(), or change rules and tiers. Views of your own can read it.';
		END IF;
		IF _loyalty.cannot_be_kept(touched.oid) IS NOT NULL THEN
			RAISE EXCEPTION 'table "%" of a loyalty program must not have %', touched.name, _loyalty.cannot_be_kept(touched.oid)
				USING ERRCODE = 'feature_not_supported',
				      DETAIL = 'Recording and posting could not honour it.',
				      HINT = 'Indexes, constraints, AFTER triggers, defaults and generated columns are honoured.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.protect_tables() IS
'event trigger: refuses what posting could not honour on the tables of a program';

CREATE EVENT TRIGGER loyalty_protect_tables ON ddl_command_end
	WHEN TAG IN ('CREATE TRIGGER', 'CREATE RULE', 'CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA', 'CREATE FOREIGN TABLE',
	             'CREATE VIEW', 'ALTER VIEW')
	EXECUTE FUNCTION _loyalty.protect_tables();
COMMENT ON EVENT TRIGGER loyalty_protect_tables IS 'refuses what posting could not honour on the tables of a program';

CREATE FUNCTION _loyalty.protect_views()
RETURNS event_trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_protect_views';
COMMENT ON FUNCTION _loyalty.protect_views() IS
'event trigger: refuses to alter views that say what a program means';

CREATE EVENT TRIGGER loyalty_protect_views ON ddl_command_start
	WHEN TAG IN ('ALTER VIEW', 'ALTER TABLE')
	EXECUTE FUNCTION _loyalty.protect_views();
COMMENT ON EVENT TRIGGER loyalty_protect_views IS 'refuses to alter views that say what a program means';
