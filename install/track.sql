-- Tracked tables --------------------------------------------------------------

-- A statement that names a partition, or a child, fires that table's triggers
-- only, so all of them have triggers.  Those that are there are left.
CREATE FUNCTION _loyalty.create_triggers(program name, tracked_table int, relation regclass)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	made int := 0;
BEGIN
	FOR t IN
		SELECT d AS relation, e AS event
		  FROM _loyalty.descendants(relation) d CROSS JOIN unnest('{insert,update,delete,truncate}'::text[]) e
		 WHERE NOT EXISTS (SELECT FROM pg_trigger g
		                    WHERE g.tgrelid = d AND g.tgname = _loyalty.trigger_name(e, program, tracked_table::text)
		                      AND g.tgfoid = '_loyalty.record'::regproc)
	LOOP
		EXECUTE _loyalty.trigger_command(t.event, t.relation, program, tracked_table::text);
		made := made + 1;
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION _loyalty.create_triggers(name, int, regclass) IS
'create the triggers that record a tracked table, where they are missing on it, its partitions and children; returns their number';

CREATE FUNCTION _loyalty.record_table(program name, tracked_table int, gone boolean)
RETURNS bigint
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_record_table';
COMMENT ON FUNCTION _loyalty.record_table(name, int, boolean) IS
'record how all orders of a tracked table stand, or take back those without a row; used by loyalty.backfill and loyalty.reconcile';

-- Without an event, a table of orders is meant, or, if it has none, one of events of only one kind.
CREATE FUNCTION _loyalty.require_tracked_table(program name, "table" regclass, event text DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	events int;
	known text;
	part text;
	orders regclass;
BEGIN
	PERFORM _loyalty.require_program(program);
	SELECT CASE WHEN event IS NULL THEN coalesce(r[1], CASE WHEN r[2] = '1' THEN r[3] END) ELSE r[3] END::int, r[2]::int, r[4] INTO src, events, known
	  FROM _loyalty.as_owner(program, format('SELECT min(s.tracked_table) FILTER (WHERE s.kind = ''orders''), count(*) FILTER (WHERE s.kind = ''events''),
	                                                 min(s.tracked_table) FILTER (WHERE s.kind = ''events'' AND ($2 IS NULL OR s.event = $2)), string_agg(format(''"%%s"'', s.event), '', '' ORDER BY s.tracked_table) FILTER (WHERE s.event IS NOT NULL)
	                                            FROM %I.tracked_table s WHERE s.relation = $1::oid AND s.active', program), "table"::oid::text, event) r;
	IF src IS NULL AND (event IS NOT NULL OR events > 1) THEN
		RAISE EXCEPTION '%', CASE WHEN event IS NULL THEN format('table "%s" has events of several kinds', "table")
		                     ELSE format('events of the kind "%s" in table "%s" are not tracked by the loyalty program "%s"', event, coalesce("table"::text, 'null'), program) END
			USING ERRCODE = CASE WHEN event IS NULL THEN 'ambiguous_parameter' ELSE 'undefined_object' END, DETAIL = format('Those that it has are: %s.', coalesce(known, 'none')),
			      HINT = CASE WHEN event IS NULL THEN 'Name one with kind => ''...''.' ELSE 'Name the kind as it is known, or call loyalty.track_events() first.' END;
	END IF;
	IF src IS NULL THEN
		SELECT r[1], r[2]::oid::regclass INTO part, orders
		  FROM _loyalty.as_owner(program, format('SELECT p.kind, (SELECT o.relation::oid FROM %1$I.tracked_table o WHERE o.tracked_table = p.of_tracked_table)
		                                           FROM %1$I.tracked_table p WHERE p.relation = $1::oid AND p.active AND p.kind IN (''lines'', ''refunds'')', program), "table"::oid::text) r;
		IF part IS NOT NULL THEN
			RAISE EXCEPTION 'table "%" has the % of orders of table "%"', "table", part, orders
				USING ERRCODE = 'wrong_object_type', HINT = 'Name the table of the orders.';
		END IF;
		RAISE EXCEPTION 'table "%" is not tracked by the loyalty program "%"', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object', HINT = 'Call loyalty.track_orders() first.';
	END IF;
	RETURN src;
END
$$;
COMMENT ON FUNCTION _loyalty.require_tracked_table(name, regclass, text) IS 'returns the tracked table of a table of orders, or of events of a kind, else an error';

-- An error unless the owner of a program, as whom its expressions run, may read a
-- table by himself: whoever else calls must not open it to him unawares.
CREATE FUNCTION _loyalty.require_readable(program name, relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner oid := (SELECT nspowner FROM pg_namespace WHERE nspname = program);
BEGIN
	IF NOT has_table_privilege(owner, relation, 'SELECT') THEN
		RAISE EXCEPTION 'the owner of loyalty program "%" may not read table "%"', program, relation
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let the owner of the table do it: GRANT SELECT ON %s TO %I;', relation, pg_get_userbyid(owner));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_readable(name, regclass) IS
'an error unless the owner of a program may read a table';

-- The same for making triggers that nobody asked for by the name of the table.
CREATE FUNCTION _loyalty.require_triggers(program name, relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner oid := (SELECT nspowner FROM pg_namespace WHERE nspname = program);
BEGIN
	PERFORM _loyalty.require_readable(program, relation);
	IF NOT has_table_privilege(owner, relation, 'TRIGGER')
	   AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgfoid = '_loyalty.record'::regproc
	                      AND (_loyalty.trigger_arguments(t.tgargs))[1] = program) THEN
		RAISE EXCEPTION 'the owner of loyalty program "%" may not make triggers on table "%"', program, relation
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let the owner of the table do it: GRANT TRIGGER ON %s TO %I;', relation, pg_get_userbyid(owner));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_triggers(name, regclass) IS
'an error unless the owner of a program may make triggers on a table, or its triggers are there';

-- Record the orders that nothing is recorded of: those from before the table was
-- tracked.  They earn by the present rules.
CREATE FUNCTION loyalty.backfill(program name, "table" regclass, kind text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int := _loyalty.require_tracked_table(program, "table", kind);
	what text;
	named text;		-- a table may have events of several kinds
	recorded bigint;
	ruled boolean;
BEGIN
	PERFORM _loyalty.refuse_nested('backfill');
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.require_recording($1::name, $2::int)', program::text, src::text);
	PERFORM _loyalty.lock_tracked_tables(program, ARRAY[src]);
	SELECT r[1], r[1] || coalesce(' of the kind "' || r[2] || '"', '') INTO what, named
	  FROM _loyalty.as_owner(program, format('SELECT s.kind, s.event FROM %I.tracked_table s WHERE s.tracked_table = $1::int', program), src::text) r;
	RAISE NOTICE 'recording the % of "%"', named, "table";
	recorded := _loyalty.record_table(program, src, false);
	RAISE NOTICE 'recorded % % of "%"', recorded, named, "table";
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.earning_rule r WHERE _loyalty.is_for_table($1, $2, r.event))', program) INTO ruled USING program, src;
	IF recorded > 0 AND NOT ruled THEN
		RAISE NOTICE 'loyalty program "%" has no earning rule%, so these % made no points', program, CASE what WHEN 'events' THEN ' for such events' ELSE '' END, what
			USING HINT = format('Write the rules, then call loyalty.rerate(%L, dry_run => false).', program);
	END IF;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION loyalty.backfill(name, regclass, text) IS
'record the orders, or events of a kind, of a tracked table that are not recorded yet, by the present rules; returns their number';

CREATE FUNCTION _loyalty.require_trackable("table" regclass, program name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	outside record;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class WHERE oid = "table" AND relkind IN ('r', 'p')) THEN
		RAISE EXCEPTION '"%" is not a table', coalesce("table"::text, 'null')
			USING ERRCODE = 'wrong_object_type', HINT = 'Track the table that a view or foreign table shows.';
	END IF;
	IF (SELECT relpersistence FROM pg_class WHERE oid = "table") = 't' THEN
		RAISE EXCEPTION 'temporary table "%" cannot be tracked', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Points would outlive their orders.';
	END IF;
	IF EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
	            WHERE t.tgrelid = "table" AND t.tgname IN ('append_only', 'changed', 'keep_row', 'check_values')
	              AND p.pronamespace = '_loyalty'::regnamespace)
	   OR "table" = to_regclass(format('%I.account', program)) OR "table" = to_regclass(format('%I.exchange_rate', program)) THEN
		RAISE EXCEPTION 'table "%" belongs to a loyalty program', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Track the table that the orders are written to.';
	END IF;
	IF EXISTS (SELECT FROM _loyalty.descendants("table") d JOIN pg_class c ON c.oid = d AND c.relkind = 'f') THEN
		RAISE EXCEPTION 'table "%" has a partition or child that is a foreign table', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Its orders are written on another server: track them there.';
	END IF;
	SELECT * INTO outside FROM _loyalty.outside_parents("table") LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'table "%" is a partition or child of "%"', outside.child, outside.parent
			USING ERRCODE = 'wrong_object_type', DETAIL = 'Statements that name the parent do not fire the triggers of its children.',
			      HINT = 'Track the parent.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_trackable(regclass, name) IS 'an error unless the relation is a table that a program can track';

-- Orders are known by their key, so no two rows may have the same.  A unique index
-- over columns that the key is made of says so.  One over a partitioned table must
-- have the columns that it is partitioned by, too, and says as much as PostgreSQL
-- can say there; children of a table have indexes of their own.
CREATE FUNCTION _loyalty.require_unique_key("table" regclass, view regclass, key text, what text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	used int[] := _loyalty.key_columns(view);
	lacking record;
BEGIN
	WITH uncertain AS (
		SELECT d AS relation, r.relkind,
		       ARRAY(SELECT y.attnum::int FROM pg_attribute x
		               JOIN pg_attribute y ON y.attrelid = d AND y.attname = x.attname
		              WHERE x.attrelid = "table" AND x.attnum = ANY (used)) AS used,
		       ARRAY(SELECT a::int FROM pg_partitioned_table p CROSS JOIN LATERAL unnest(p.partattrs) a WHERE p.partrelid = d) AS parted_by
		  FROM _loyalty.descendants("table") d JOIN pg_class r ON r.oid = d
		 WHERE d = "table" OR NOT r.relispartition)
	SELECT u.relation,
	       -- an index of a partitioned table has the columns that it is partitioned by
	       CASE WHEN u.relkind = 'p' AND 0 <> ALL (u.parted_by) THEN
	            (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY array_position(u.used || u.parted_by, a.attnum::int))
	               FROM pg_attribute a WHERE a.attrelid = u.relation AND a.attnum::int = ANY (u.used || u.parted_by)) END AS columns
	  INTO lacking
	  FROM uncertain u
	 WHERE NOT EXISTS (
		SELECT FROM pg_index i
		 CROSS JOIN LATERAL (
			SELECT array_agg(c.attnum) AS attnums
			  FROM (SELECT k.attnum::int FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n)
			         WHERE k.attnum <> 0 AND k.n <= i.indnkeyatts
			        UNION
			        SELECT e.refobjsubid FROM pg_depend e
			         WHERE i.indexprs IS NOT NULL AND e.classid = 'pg_class'::regclass AND e.objid = i.indexrelid
			           AND e.refclassid = 'pg_class'::regclass AND e.refobjid = i.indrelid AND e.refobjsubid > 0) c) x
		 WHERE i.indrelid = u.relation AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
		   AND x.attnums && u.used AND x.attnums <@ (u.used || u.parted_by))
	 ORDER BY u.relation::text
	 LIMIT 1;
	IF NOT FOUND AND NOT _loyalty.key_tells(view) THEN
		RAISE EXCEPTION '% of table "%" is not known to be unique', what, "table"
			USING ERRCODE = 'invalid_table_definition',
			      DETAIL = format('Different rows may give the same value of %s, and would be taken for one order.', key),
			      HINT = 'Name a column, or whole numbers with something between them, or create a unique index on the expression. If you know that no two rows have the same key, say so with key_is_unique => true.';
	ELSIF FOUND THEN
		RAISE EXCEPTION '% of table "%" is not known to be unique', what, lacking.relation
			USING ERRCODE = 'invalid_table_definition',
			      DETAIL = format('No unique index is over the columns of %s only. Rows with the same key would be taken for one order.', key),
			      HINT = format('Create one%s, or name a key that is unique with %s => ''...''. If you know that no two rows have the same key, say so with key_is_unique => true.',
			                    CASE WHEN lacking.columns IS NOT NULL THEN format(' that has the columns by which the table is partitioned, too: ALTER TABLE %s ADD UNIQUE (%s)', lacking.relation, lacking.columns) END,
			                    what);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_unique_key(regclass, regclass, text, text) IS
'an error unless a unique index of the table, and of each of its children, is over columns of the key';

-- Note a table of lines or refunds, and make its view.  Runs as the owner.
CREATE FUNCTION _loyalty.note_part(program name, tracked_table int, kind text, relation regclass, d jsonb, without_order text, search_path text)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	orders record;
	number int;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table s WHERE s.tracked_table = $1', program) INTO orders USING tracked_table;
	IF relation = orders.relation THEN
		RAISE EXCEPTION 'table "%" has the orders, so it cannot have their % as well', relation, kind
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = CASE kind WHEN 'lines' THEN 'Orders that are one row each need no lines: leave lines out.'
			             ELSE 'What is refunded of an order in its own row belongs into its amount: amount => ''total - refunded''.' END;
	END IF;
	d := _loyalty.parse_orders(program, kind, relation, d, search_path);
	EXECUTE format('SELECT s.tracked_table FROM %I.tracked_table s WHERE s.kind = $1 AND s.relation = $2', program) INTO number USING kind, relation;
	EXECUTE format('INSERT INTO %1$I.tracked_table (tracked_table, kind, relation, of_tracked_table, without_order, terms)
	                SELECT coalesce($1, (SELECT coalesce(max(tracked_table), 0) + 1 FROM %1$I.tracked_table)), $2, $3, $4, $5, terms FROM %1$I.program
	                ON CONFLICT (tracked_table) DO UPDATE SET of_tracked_table = excluded.of_tracked_table, without_order = excluded.without_order,
	                    active = true, definition = NULL RETURNING tracked_table', program)
		INTO number USING number, kind, relation, tracked_table, without_order;
	PERFORM _loyalty.make_part_view(program, number, d);
	RETURN number;
END
$$;
COMMENT ON FUNCTION _loyalty.note_part(name, int, text, regclass, jsonb, text, text) IS
'note a table of lines or refunds of orders, and make its view; returns its number';

CREATE FUNCTION _loyalty.add_part(program name, tracked_table int, kind text, relation regclass, d jsonb, without_order text, search_path text)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	SELECT r[1]::int INTO number
	  FROM _loyalty.as_owner(program, 'SELECT _loyalty.note_part($1::name, $2::int, $3, $4::oid, $5::jsonb, $6, $7)',
	                        program::text, tracked_table::text, kind, relation::oid::text, d::text, without_order, search_path) r;
	PERFORM _loyalty.create_triggers(program, number, relation);
	RETURN number;
END
$$;
COMMENT ON FUNCTION _loyalty.add_part(name, int, text, regclass, jsonb, text, text) IS
'note a table of lines or refunds of orders, make its view and its triggers; returns its number';

-- Note a table of orders, or of refunds that are nobody's but their customer's.  Runs as
-- the owner.
CREATE FUNCTION _loyalty.note_tracked_table(program name, relation regclass, kind text, event text)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	other text;
	src record;
BEGIN
	EXECUTE format('SELECT s.* FROM %I.tracked_table s WHERE s.relation = $1 AND s.kind = $2 AND s.event IS NOT DISTINCT FROM $3', program) INTO src USING relation, kind, event;
	IF src.active THEN
		PERFORM _loyalty.require_not_paused(program, src.tracked_table);
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%"%', relation, program, CASE WHEN event IS NULL THEN '' ELSE format(', for events of the kind "%s"', event) END
			USING ERRCODE = 'duplicate_object',
			      HINT = CASE WHEN event IS NULL THEN format('To change what is known of its orders, call loyalty.alter_orders(%L, %L, ...).', program, relation)
			             ELSE format('To change what is known of them, call loyalty.alter_events(%L, %L, %L, ...).', program, event, relation) END;
	END IF;
	-- refunds that are nobody's but their customer's are tracked as both, and events may be in any table
	EXECUTE format('SELECT s.kind FROM %I.tracked_table s
	                 WHERE s.relation = $1 AND s.active AND ''events'' NOT IN (s.kind, $2) AND s.kind <> CASE $2 WHEN ''credits'' THEN ''refunds'' ELSE $2 END LIMIT 1', program)
	   INTO other USING relation, kind;
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%", as %', relation, program, other
			USING ERRCODE = 'duplicate_object', HINT = 'A table has orders, or lines or refunds of orders.';
	END IF;
	IF src.tracked_table IS NULL THEN
		EXECUTE format('INSERT INTO %1$I.tracked_table (tracked_table, kind, relation, terms, event)
		                SELECT (SELECT coalesce(max(tracked_table), 0) + 1 FROM %1$I.tracked_table), $1, $2, terms, $3 FROM %1$I.program RETURNING tracked_table', program)
			INTO src.tracked_table USING kind, relation, event;
	ELSE
		EXECUTE format('UPDATE %I.tracked_table SET active = true WHERE tracked_table = $1', program) USING src.tracked_table;
	END IF;
	RETURN src.tracked_table;
END
$$;
COMMENT ON FUNCTION _loyalty.note_tracked_table(name, regclass, text, text) IS
'note a table of orders, of refunds without orders, or of events of a kind; returns its number';

-- What is recorded of a table is known by customer and key: the table must have some of
-- these orders still, if any is recorded.
CREATE FUNCTION _loyalty.require_same_orders(program name, tracked_table int, view regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	recorded bigint;
	same bigint;
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE v.customer %2$s r.customer)
	                  FROM %1$I.recorded_orders r LEFT JOIN %3$s v ON v.order_key = r.order_key WHERE r.tracked_table = $1 AND r.counts',
	               program, _loyalty.customer_equality(program), view) INTO recorded, same USING tracked_table;
	IF recorded > 0 AND same = 0 THEN
		RAISE EXCEPTION 'the orders that are recorded of the table have another order_key or customer'
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = format('Of %s recorded orders, none is found by its key with its customer.', recorded),
			      HINT = 'Track the table with the order_key and the customer that it had.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_same_orders(name, int, regclass) IS
'an error if no order that is recorded of a table is found in it by its key and customer';

-- Orders that were copied from a table which is not tracked any more would count twice.  Runs
-- as the owner.
CREATE FUNCTION _loyalty.warn_of_known_orders(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	ended int;
	same bigint;
BEGIN
	EXECUTE format('SELECT relation FROM %I.tracked_table s WHERE s.tracked_table = $1', program) INTO relation USING tracked_table;
	FOR ended IN EXECUTE format('SELECT s.tracked_table FROM %I.tracked_table s WHERE s.tracked_table <> $1 AND s.kind = ''orders'' AND NOT s.active ORDER BY 1', program)
		USING tracked_table
	LOOP
		EXECUTE format('SELECT count(*) FROM %1$I.recorded_orders r JOIN %3$s v ON v.order_key = r.order_key AND v.customer %2$s r.customer WHERE r.tracked_table = $1 AND r.counts',
		               program, _loyalty.customer_equality(program), _loyalty.view_of(program, 'orders', tracked_table)) INTO same USING ended;
		IF same > 0 THEN
			RAISE WARNING '% orders of table "%" have the key and the customer of orders that are recorded of tracked table %, which ended', same, relation, ended
				USING DETAIL = 'If they are the same orders, they count twice.',
				      HINT = format('If the table takes the place of that one, roll back, and before it is tracked: UPDATE %I.tracked_table SET relation = %L WHERE tracked_table = %s.',
				                    program, relation, ended);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.warn_of_known_orders(name, int) IS
'a warning if orders of a table are recorded of one that is not tracked any more';

-- PostgreSQL gives the rows that are inserted by the name of a partitioned table without
-- the columns that it computes: they cannot say which orders these are.
CREATE FUNCTION _loyalty.require_given_columns(relation regclass, view regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	generated name;
BEGIN
	SELECT a.attname INTO generated
	  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attgenerated = 's'
	 WHERE c.oid = relation AND c.relkind = 'p'
	   AND 'tracked.' || a.attname IN (SELECT unnest(e.columns)
	                                     FROM (VALUES (NULL, 'key'), ('said', 'customer')) x (inside, name)
	                                    CROSS JOIN LATERAL _loyalty.view_expression(view, x.inside, x.name, false) e)
	 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" of table "%" is computed, so it cannot tell which order a row is, or whose', generated, relation
			USING ERRCODE = 'feature_not_supported',
			      DETAIL = 'Rows that are inserted by the name of a partitioned table come without the columns that are computed.',
			      HINT = 'Write what the column is computed from.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_given_columns(regclass, regclass) IS
'an error if orders of a partitioned table would be known by a column that is computed';

CREATE FUNCTION _loyalty.recorded_terms(program name, tracked_table int)
RETURNS SETOF int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT DISTINCT r.terms FROM %I.recorded_orders r WHERE r.tracked_table = $1 ORDER BY 1', program) USING tracked_table;
END
$$;
COMMENT ON FUNCTION _loyalty.recorded_terms(name, int) IS 'versions of the terms that recorded orders of a table have';

-- The views of a table of orders that is tracked, or tracked again: then of older versions
-- of the terms, too, as they were let go of.  Runs as the owner.
CREATE FUNCTION _loyalty.define_tracked_table(program name, tracked_table int, given jsonb, search_path text, key_is_unique boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	d jsonb;
	view regclass;
BEGIN
	EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE tracked_table = $1', program) INTO s USING tracked_table;
	PERFORM _loyalty.refresh_texts(program);		-- the rules are read for this table
	d := _loyalty.parse_orders(program, s.kind, s.relation, given, search_path);
	IF s.definition IS NOT NULL THEN
		PERFORM _loyalty.make_views(program, tracked_table, d);
		-- views that somebody dropped
		PERFORM _loyalty.define_orders(program, tracked_table, d, t)
		   FROM _loyalty.recorded_terms(program, tracked_table) t WHERE _loyalty.view_of(program, 'orders', tracked_table, t) IS NULL;
	END IF;
	PERFORM _loyalty.define_orders(program, tracked_table, d);
	view := _loyalty.view_of(program, s.kind, tracked_table, s.newest);
	PERFORM _loyalty.require_given_columns(s.relation, view);
	IF NOT coalesce(key_is_unique, false) THEN
		PERFORM _loyalty.require_unique_key(s.relation, view, given ->> 'key', _loyalty.argument_name(s.kind, 'key'));
	END IF;
	IF s.definition IS NOT NULL THEN
		PERFORM _loyalty.require_same_orders(program, tracked_table, view);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.define_tracked_table(name, int, jsonb, text, boolean) IS
'make the views of a table of orders from what was written about it';

-- The table is locked: nobody writes to it, so the next snapshot sees all orders that its
-- triggers will not.
CREATE FUNCTION _loyalty.add_tracked_table(program name, relation regclass, kind text, event text DEFAULT NULL)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
BEGIN
	SELECT r[1]::int INTO src
	  FROM _loyalty.as_owner(program, 'SELECT _loyalty.note_tracked_table($1::name, $2::oid, $3, $4)', program::text, relation::oid::text, kind, event) r;
	PERFORM _loyalty.create_triggers(program, src, relation);
	RETURN src;
END
$$;
COMMENT ON FUNCTION _loyalty.add_tracked_table(name, regclass, text, text) IS
'note a table of orders, of refunds without orders, or of events of a kind, and make its triggers; returns its number';

-- The column that identifies the rows of a table, if nothing else was said.
CREATE FUNCTION _loyalty.default_key(relation regclass, what text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_columns int;
	key text;
BEGIN
	SELECT cardinality(conkey), (SELECT format('%I', attname) FROM pg_attribute WHERE attrelid = relation AND attnum = conkey[1])
	  INTO key_columns, key
	  FROM pg_constraint WHERE conrelid = relation AND contype = 'p';
	IF key_columns IS DISTINCT FROM 1 THEN
		RAISE EXCEPTION 'table "%" has no primary key of one column', relation
			USING ERRCODE = 'undefined_object', HINT = format('Name what identifies a row with %s => ''...''.', what);
	END IF;
	RETURN key;
END
$$;
COMMENT ON FUNCTION _loyalty.default_key(regclass, text) IS 'the only column of the primary key of a table, or an error';

-- Note that refunds which were let go of with their orders are tracked again.  Runs as the
-- owner.
CREATE FUNCTION _loyalty.note_refunds_again(program name, tracked_table int)
RETURNS TABLE (number int, relation regclass, lost text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	d jsonb;
BEGIN
	FOR number, relation IN EXECUTE format('SELECT s.tracked_table, s.relation FROM %I.tracked_table s JOIN pg_class c ON c.oid = s.relation
	                                         WHERE s.of_tracked_table = $1 AND s.kind = ''refunds'' AND NOT s.active
	                                           AND s.definition ->> ''with'' = ''orders'' ORDER BY 1', program) USING tracked_table
	LOOP
		lost := NULL;
		BEGIN
			d := _loyalty.definition_of(program, number, NULL);
			IF d ? 'key' THEN
				EXECUTE format('UPDATE %I.tracked_table SET active = true, definition = NULL WHERE tracked_table = $1', program) USING number;
				PERFORM _loyalty.make_part_view(program, number, d);
			ELSE
				lost := 'Its view was dropped, with something that it used.';
			END IF;
		EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
			IF SQLSTATE = '42501' THEN
				RAISE;
			END IF;
			lost := _loyalty.as_sentence(SQLERRM);
		END;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.note_refunds_again(name, int) IS
'note that refunds which were let go of with their orders are tracked again; lost: why some can''t be, whose columns are gone or have other names';

-- Returns whether all of them are tracked again.
CREATE FUNCTION _loyalty.track_refunds_again(program name, tracked_table int)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part record;
	complete boolean := true;
BEGIN
	FOR part IN SELECT r[1]::int AS number, r[2]::oid::regclass AS relation, r[3] AS lost
	              FROM _loyalty.as_owner(program, 'SELECT number, relation::oid, lost FROM _loyalty.note_refunds_again($1::name, $2::int)',
	                                    program::text, tracked_table::text) r
	LOOP
		IF part.lost IS NOT NULL THEN
			complete := false;
			RAISE WARNING 'the refunds in table "%" are not tracked again', part.relation
				USING DETAIL = part.lost,
				      HINT = format('Call loyalty.track_refunds(%L, %L, ...), which records the orders with them; or loyalty.backfill(), which does without.',
				                    program, part.relation);
			CONTINUE;
		END IF;
		RAISE NOTICE 'the refunds in table "%" are tracked again, too', part.relation;
		PERFORM _loyalty.create_triggers(program, part.number, part.relation);
	END LOOP;
	RETURN complete;
END
$$;
COMMENT ON FUNCTION _loyalty.track_refunds_again(name, int) IS
'track the refunds again that were let go of with their orders; returns whether all could be';

-- A table of orders is tracked with its lines, and with refunds that were let go of with it:
-- they are locked together.
CREATE FUNCTION _loyalty.lock_to_track(program name, "table" regclass, lines regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_readable(program, "table");
	IF lines IS NOT NULL THEN
		PERFORM _loyalty.require_trackable(lines, program);
		PERFORM _loyalty.require_readable(program, lines);
	END IF;
	PERFORM _loyalty.lock_tracked_tables(program, '{}', ARRAY["table", lines] || ARRAY(
		SELECT r[1]::oid::regclass
		  FROM _loyalty.as_owner(program, format($sql$
			SELECT p.relation::oid FROM %1$I.tracked_table o JOIN %1$I.tracked_table p ON p.of_tracked_table = o.tracked_table
			  JOIN pg_class c ON c.oid = p.relation
			 WHERE o.relation = $1::oid AND o.kind = 'orders' AND p.kind = 'refunds' AND NOT p.active AND p.definition ->> 'with' = 'orders'
			 ORDER BY p.tracked_table $sql$, program), "table"::oid::text) r));
END
$$;
COMMENT ON FUNCTION _loyalty.lock_to_track(name, regclass, regclass) IS
'lock a table of orders that is tracked from now on, with its lines and with refunds that are tracked again';

CREATE FUNCTION loyalty.track_orders(
	program name,
	"table" regclass,
	customer text,
	at text,
	amount text DEFAULT NULL,
	counts_when text DEFAULT 'true',
	order_key text DEFAULT NULL,
	backfill boolean DEFAULT true,
	lines regclass DEFAULT NULL,
	line_order text DEFAULT NULL,
	line_amount text DEFAULT NULL,
	currency text DEFAULT NULL,
	available_at text DEFAULT NULL,
	order_discount text DEFAULT NULL,
	discount_allocation text DEFAULT NULL,
	key_is_unique boolean DEFAULT false,
	search_path text DEFAULT current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	discount jsonb;
BEGIN
	PERFORM _loyalty.begin_command('track_orders', program, '{table,customer,at,"amount, or line_amount,",counts_when}',
		ARRAY["table" IS NULL, customer IS NULL, at IS NULL, amount IS NULL AND line_amount IS NULL, counts_when IS NULL]);
	IF (lines IS NULL) <> (line_order IS NULL) OR (lines IS NULL AND line_amount IS NOT NULL) THEN
		RAISE EXCEPTION 'lines, line_order and line_amount belong together'
			USING ERRCODE = 'invalid_parameter_value',
			      DETAIL = format('Missing: %s.', concat_ws(', ', CASE WHEN lines IS NULL THEN 'lines' END, CASE WHEN line_order IS NULL THEN 'line_order' END)),
			      HINT = 'Name the table of the lines, and what tells the order of a line: lines => ''...'', line_order => ''...''. With line_amount, an order is worth the sum of its lines.';
	END IF;
	PERFORM _loyalty.require_trackable("table", program);
	discount := _loyalty.discount_given(program, order_discount, discount_allocation);
	PERFORM _loyalty.require_lines_to_share("table", lines, discount);
	discount := (SELECT coalesce(jsonb_object_agg(g.key, g.value), '{}') FROM jsonb_each_text(discount) g WHERE g.value <> '');
	order_key := coalesce(order_key, _loyalty.default_key("table", 'order_key'));
	PERFORM _loyalty.lock_to_track(program, "table", lines);
	src := _loyalty.add_tracked_table(program, "table", 'orders');
	IF lines IS NOT NULL THEN
		PERFORM _loyalty.add_part(program, src, 'lines', lines, jsonb_build_object('key', line_order, 'amount', line_amount, 'counts', 'true'),
		                         'skip', search_path);
	END IF;
	-- without refunds that they had, the orders would be worth more than they are
	backfill := _loyalty.track_refunds_again(program, src) AND backfill;
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.define_tracked_table($1::name, $2::int, $3::jsonb, $4, $5::boolean)', program::text, src::text,
		(jsonb_build_object('customer', customer, 'at', at, 'amount', amount, 'counts', counts_when, 'key', order_key, 'currency', currency,
		                    'available_at', available_at) || discount)::text,
		search_path, key_is_unique::text);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.warn_of_known_orders($1::name, $2::int)', program::text, src::text);

	IF NOT backfill THEN
		RETURN 0;
	END IF;
	RETURN loyalty.backfill(program, "table");
END
$$;
COMMENT ON FUNCTION loyalty.track_orders(name, regclass, text, text, text, text, text, boolean, regclass, text, text, text, text, text, text, boolean, text) IS
'track a table of orders, with their lines if they have any: from now on, and with backfill for the past, its orders earn; returns the number of orders backfilled';

-- Events are recorded as orders are, with an amount that is no money.  They count as none, and nothing was spent for them.
CREATE FUNCTION loyalty.track_events(
	program name,
	kind text,
	"table" regclass,
	customer text,
	at text,
	amount text DEFAULT NULL,
	counts_when text DEFAULT 'true',
	event_key text DEFAULT NULL,
	backfill boolean DEFAULT true,
	available_at text DEFAULT NULL,
	key_is_unique boolean DEFAULT false,
	search_path text DEFAULT current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
BEGIN
	PERFORM _loyalty.begin_command('track_events', program, '{kind,table,customer,at,counts_when}', ARRAY[kind IS NULL, "table" IS NULL, customer IS NULL, at IS NULL, counts_when IS NULL]);
	IF btrim(kind) = '' THEN
		RAISE EXCEPTION 'kind must not be empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Say what the events are, as in kind => ''review'': earning rules name them by it, in their column "event".';
	END IF;
	PERFORM _loyalty.require_trackable("table", program);
	event_key := coalesce(event_key, _loyalty.default_key("table", 'event_key'));
	PERFORM _loyalty.require_readable(program, "table");
	PERFORM _loyalty.lock_tracked_tables(program, '{}', ARRAY["table"]);
	src := _loyalty.add_tracked_table(program, "table", 'events', kind);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.define_tracked_table($1::name, $2::int, $3::jsonb, $4, $5::boolean)', program::text, src::text,
		jsonb_build_object('customer', customer, 'at', at, 'amount', coalesce(amount, '0'), 'counts', counts_when, 'key', event_key, 'available_at', available_at)::text,
		search_path, key_is_unique::text);
	IF NOT backfill THEN
		RETURN 0;
	END IF;
	RETURN loyalty.backfill(program, "table", kind);
END
$$;
COMMENT ON FUNCTION loyalty.track_events(name, text, regclass, text, text, text, text, text, boolean, text, boolean, text) IS
'track a table of events of a kind, such as reviews or referrals: from now on, and with backfill for the past, they earn by the rules for events of this kind, and count as no orders; an amount, by default 0, is known to these rules and to histories, and is no money; returns the number of events backfilled';

-- Some tables have refunds as numbers below zero, with which orders would be worth more.  That may be meant, of a charge,
-- so it is told when the table is tracked; a refund that cannot be computed is told of elsewhere.
-- How many refunds of a table fulfil a condition over its view, and what becomes of those without an order; null where that cannot be
-- computed, which is told of elsewhere.
CREATE FUNCTION _loyalty.count_refunds(program name, "table" regclass, condition text, OUT number bigint, OUT without_order text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view text;
BEGIN
	SELECT _loyalty.view_name('refunds', r[1]::int), r[2] INTO view, without_order
	  FROM _loyalty.as_owner(program, format('SELECT s.tracked_table, s.without_order FROM %I.tracked_table s WHERE s.relation = $1::oid AND s.kind = ''refunds'' AND s.active', program), "table"::oid::text) r;
	SELECT r[1]::bigint INTO number FROM _loyalty.as_owner(program, format('SELECT count(*) FROM %I.%I v WHERE %s', program, view, condition)) r;
EXCEPTION WHEN OTHERS THEN
	number := NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.count_refunds(name, regclass, text) IS 'how many refunds of a table fulfil a condition over its view';

CREATE FUNCTION _loyalty.tell_of_negative_refunds(program name, "table" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	negative CONSTANT bigint := (SELECT c.number FROM _loyalty.count_refunds(program, "table", 'v.amount < 0') c);
BEGIN
	IF negative > 0 THEN
		RAISE NOTICE '% refunds of table "%" are less than nothing, and raise what their orders are worth', negative, "table"
			USING HINT = format('If the table has refunds as numbers below zero, call loyalty.alter_refunds(%L, %L, amount => ''-(...)'').', program, "table"::text);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.tell_of_negative_refunds(name, regclass) IS 'a notice if refunds of a table are less than nothing';

-- Refunds that belong to no order are an error, but not those that are there before: they would keep the table from being tracked
-- for ever, so they are told.
CREATE FUNCTION _loyalty.warn_of_refunds_without_order(program name, "table" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unnamed CONSTANT bigint := (SELECT c.number FROM _loyalty.count_refunds(program, "table", 'v.counts AND v.order_key IS NULL') c WHERE c.without_order = 'error');
BEGIN
	IF unnamed > 0 THEN
		RAISE WARNING 'table "%" has % without an order', "table", CASE unnamed WHEN 1 THEN 'one refund' ELSE unnamed || ' refunds' END
			USING ERRCODE = 'null_value_not_allowed', DETAIL = 'A refund whose order key is null takes nothing, and from now on it is an error to write one.',
			      HINT = format('Name the orders. If such refunds are to be let be, call loyalty.alter_refunds(%L, %L, without_order => ''skip'').', program, "table"::text);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.warn_of_refunds_without_order(name, regclass) IS 'a warning if refunds of a table name no order, which is an error from now on';

CREATE FUNCTION loyalty.track_refunds(
	program name,
	"table" regclass,
	order_key text,
	amount text,
	orders regclass DEFAULT NULL,
	counts_when text DEFAULT 'true',
	without_order text DEFAULT 'error',
	backfill boolean DEFAULT true,
	customer text DEFAULT NULL,
	at text DEFAULT NULL,
	refund_key text DEFAULT NULL,
	currency text DEFAULT NULL,
	available_at text DEFAULT NULL,
	key_is_unique boolean DEFAULT false,
	search_path text DEFAULT current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	own int;
	tracked_tables int;
	known text;
	recorded bigint := 0;
BEGIN
	PERFORM _loyalty.begin_command('track_refunds', program, '{table,order_key,amount,counts_when,without_order}',
		ARRAY["table" IS NULL, order_key IS NULL, amount IS NULL, counts_when IS NULL, without_order IS NULL]);
	PERFORM _loyalty.require_choice('without_order', without_order, 'error', 'skip');
	IF (customer IS NULL) <> (at IS NULL) THEN
		RAISE EXCEPTION 'customer and at belong together'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'They tell whose a refund without an order is, and when it was made.';
	END IF;
	IF currency IS NOT NULL AND customer IS NULL THEN
		RAISE EXCEPTION 'currency is of refunds without an order, whose customer must be named'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A refund of an order is in the currency of the order.';
	END IF;
	IF available_at IS NOT NULL AND customer IS NULL THEN
		RAISE EXCEPTION 'available_at is of refunds without an order, whose customer must be named'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A refund of an order takes the points that the order gave, whenever they are available.';
	END IF;
	IF orders IS NULL THEN
		SELECT r[1]::int, r[2]::int INTO src, tracked_tables
		  FROM _loyalty.as_owner(program, format('SELECT min(tracked_table), count(*) FROM %I.tracked_table s JOIN pg_class c ON c.oid = s.relation
		                                          WHERE active AND kind = ''orders''', program)) r;
		IF tracked_tables <> 1 THEN
			RAISE EXCEPTION 'the loyalty program "%" tracks % order tables', program, CASE tracked_tables WHEN 0 THEN 'no' ELSE tracked_tables::text END
				USING ERRCODE = 'invalid_parameter_value',
				      HINT = CASE tracked_tables WHEN 0 THEN format('Call loyalty.track_orders(%L, ...) with the table of the orders first.', program)
				             ELSE 'Name the one that the refunds belong to with orders => ''...''.' END;
		END IF;
	ELSE
		src := _loyalty.require_tracked_table(program, orders);
		PERFORM _loyalty.require_kind(program, src, 'orders', 'Name the table of the orders that the refunds belong to.');
	END IF;
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.require_not_paused($1::name, $2::int)', program::text, src::text);
	SELECT r[1] INTO known
	  FROM _loyalty.as_owner(program, format('SELECT kind FROM %I.tracked_table WHERE relation = $1::oid AND active AND kind <> ''events'' ORDER BY kind LIMIT 1', program), "table"::oid::text) r;
	IF known = 'orders' THEN
		RAISE EXCEPTION 'table "%" has the orders, so it cannot have their refunds as well', "table"
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'What is refunded of an order in its own row belongs into its amount: amount => ''total - refunded''.';
	ELSIF known IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%", as %', "table", program,
		                CASE known WHEN 'lines' THEN 'lines' ELSE 'refunds' END
			USING ERRCODE = 'duplicate_object',
			      HINT = CASE known
			             WHEN 'lines' THEN 'A table has orders, or lines or refunds of orders.'
			             WHEN 'credits' THEN 'Some of its refunds are orders of their own: to change what is known of them, call loyalty.untrack(), and then loyalty.track_refunds().'
			             ELSE format('To change what is known of its refunds, call loyalty.alter_refunds(%L, %L, ...).', program, "table") END;
	END IF;
	PERFORM _loyalty.require_trackable("table", program);
	PERFORM _loyalty.require_readable(program, "table");
	PERFORM _loyalty.lock_tracked_tables(program, ARRAY[src], ARRAY["table"]);
	PERFORM _loyalty.add_part(program, src, 'refunds', "table", jsonb_build_object('key', order_key, 'amount', amount, 'counts', counts_when),
	                         CASE WHEN customer IS NULL THEN without_order ELSE 'customer' END, search_path);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.require_recording($1::name, $2::int), _loyalty.make_views($1::name, $2::int)', program::text, src::text);
	IF backfill THEN
		recorded := _loyalty.record_table(program, src, false);
	END IF;
	PERFORM _loyalty.tell_of_negative_refunds(program, "table");
	PERFORM _loyalty.warn_of_refunds_without_order(program, "table");
	-- refunds without an order are orders of their own, of less than nothing
	IF customer IS NOT NULL THEN
		own := _loyalty.add_tracked_table(program, "table", 'credits');
		PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.define_tracked_table($1::name, $2::int, $3::jsonb, $4, $5::boolean)', program::text, own::text,
			jsonb_build_object('customer', customer, 'at', at, 'amount', format('-(%s)', amount),
			                   'counts', format('(%s) AND (%s) IS NULL', counts_when, order_key),
			                   'key', coalesce(refund_key, _loyalty.default_key("table", 'refund_key')), 'currency', currency, 'available_at', available_at)::text,
			search_path, key_is_unique::text);
		IF backfill THEN
			recorded := recorded + _loyalty.record_table(program, own, false);
		END IF;
	END IF;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION loyalty.track_refunds(name, regclass, text, text, regclass, text, text, boolean, text, text, text, text, text, boolean, text) IS
'track a table of refunds, which lower the amounts of the orders that they name; returns the number of orders that changed by it';

-- Note that a table is not tracked any more, and let go of it.  Runs as the owner.
CREATE FUNCTION _loyalty.note_untracked(program name, relation oid, event text DEFAULT NULL)
RETURNS SETOF int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	is_there boolean := EXISTS (SELECT FROM pg_class WHERE oid = relation);
	s record;
	part record;
	orders record;
BEGIN
	FOR s IN EXECUTE format('SELECT * FROM %I.tracked_table WHERE relation = $1 AND active AND ($2 IS NULL OR event = $2) ORDER BY kind, tracked_table', program) USING relation, event
	LOOP
		IF s.kind = 'lines' AND is_there THEN
			RAISE EXCEPTION 'table "%" has the lines of orders that are tracked', relation::regclass
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Untrack the table of the orders.';
		END IF;
		EXECUTE format('UPDATE %I.tracked_table SET active = false WHERE tracked_table = $1', program) USING s.tracked_table;
		-- orders go without these refunds from now on, or when they are resumed
		IF s.kind = 'refunds' AND is_there THEN
			EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO orders USING s.of_tracked_table;
			IF orders.definition IS NULL THEN
				PERFORM _loyalty.make_views(program, s.of_tracked_table);
			ELSE
				RAISE NOTICE 'table "%" stays paused', orders.relation
					USING HINT = format('Its orders are recorded without these refunds when loyalty.resume(%L, %L) is called.', program, orders.relation);
			END IF;
		END IF;
		PERFORM _loyalty.let_go(program, s.tracked_table);
		RETURN NEXT s.tracked_table;
		FOR part IN EXECUTE format('SELECT * FROM %I.tracked_table WHERE of_tracked_table = $1 AND active', program) USING s.tracked_table
		LOOP
			PERFORM _loyalty.let_go(program, part.tracked_table);
			EXECUTE format('UPDATE %I.tracked_table SET active = false, definition = definition || ''{"with": "orders"}'' WHERE tracked_table = $1', program)
				USING part.tracked_table;
			RETURN NEXT part.tracked_table;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.note_untracked(name, oid, text) IS
'note that a table, or one of events of a kind alone, is not tracked any more, and let go of it; returns its numbers, and those of its lines and refunds';

CREATE FUNCTION loyalty.untrack(program name, "table" regclass, kind text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	numbers int[];
	orders int;
	let_go regclass[];
	t record;
BEGIN
	PERFORM _loyalty.begin_command('untrack', program);
	PERFORM _loyalty.require_tracked_table(program, "table", kind) WHERE kind IS NOT NULL;
	-- orders that go without their refunds from now on are recorded so at the end
	SELECT r[1]::int INTO orders
	  FROM _loyalty.as_owner(program, format('SELECT o.tracked_table FROM %1$I.tracked_table s JOIN %1$I.tracked_table o ON o.tracked_table = s.of_tracked_table AND o.relation <> s.relation
	                                          CROSS JOIN %1$I.program p
	                                          WHERE s.relation = $1::oid AND s.kind = ''refunds'' AND $3 IS NULL AND s.active AND o.active AND o.definition IS NULL
	                                            AND _loyalty.view_of($2::name, o.kind, o.tracked_table, p.terms) IS NOT NULL
	                                            AND EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation)', program), "table"::oid::text, program::text, kind) r;
	SELECT array_agg(r[1]::int) INTO numbers
	  FROM _loyalty.as_owner(program, format('SELECT p.tracked_table FROM %1$I.tracked_table p LEFT JOIN %1$I.tracked_table o ON o.tracked_table = p.of_tracked_table AND o.active
	                                          WHERE p.active AND CASE WHEN $2 IS NULL THEN $1::oid IN (p.relation, o.relation) ELSE p.relation = $1::oid AND p.event = $2 END', program), "table"::oid::text, kind) r;
	-- before anything goes that whoever has read the tables needs to write to them
	let_go := _loyalty.tables_to_let_go(program, coalesce(numbers, '{}'));
	PERFORM _loyalty.lock_tracked_tables(program, CASE WHEN orders IS NULL THEN '{}' ELSE ARRAY[orders] END, from_readers => let_go);
	SELECT array_agg(r[1]::int) INTO numbers
	  FROM _loyalty.as_owner(program, 'SELECT _loyalty.note_untracked($1::name, $2::oid, $3)', program::text, "table"::oid::text, kind) r;
	IF numbers IS NULL THEN
		RAISE EXCEPTION 'table "%" is not tracked by the loyalty program "%"', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object',
			      HINT = format('The table %I.tracked_table lists what is tracked.', program);
	END IF;
	FOR t IN SELECT s.* FROM unnest(numbers) n CROSS JOIN LATERAL _loyalty.tracked_table_triggers(program, n) s ORDER BY 1, 2
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', t.trigger, t.relation);
	END LOOP;
	IF orders IS NOT NULL THEN
		PERFORM _loyalty.record_table(program, orders, false);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.untrack(name, regclass, text) IS
'stop tracking a table of orders, with its lines and refunds, or a table of refunds or events alone, or of several kinds of events one; what is recorded stays';

-- What can't be reconciled, or rerated, because a view of the table, its lines or refunds is
-- lost, or let go of.
CREATE FUNCTION _loyalty.warn_of_tables_left_out(program name, done text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT r[1]::oid::regclass AS relation, r[2]::boolean AS paused, r[3] AS again, r[4] AS event, CASE WHEN r[4] IS NULL THEN 'orders' ELSE 'events' END AS what
	           FROM _loyalty.as_owner(program, format($sql$
		SELECT s.relation::oid, s.definition IS NOT NULL, _loyalty.track_again($1::name, s.tracked_table), s.event
		  FROM %1$I.tracked_table s CROSS JOIN %1$I.program p
		 WHERE s.active AND s.kind IN ('orders', 'credits', 'events') AND EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation)
		   AND _loyalty.lacks_view($1::name, s.tracked_table, p.terms) ORDER BY s.tracked_table $sql$, program), program::text) r
	LOOP
		IF t.paused THEN
			RAISE WARNING '% of table "%" are not %: it is paused', t.what, t.relation, done
				USING HINT = format('Call loyalty.resume(%L, %s).', program, _loyalty.table_arguments(t.relation::text, t.event));
		ELSE
			RAISE WARNING '% of table "%" are not %: a view of it is lost', t.what, t.relation, done
				USING DETAIL = 'It was dropped, with something that it used.', HINT = _loyalty.as_sentence(t.again);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.warn_of_tables_left_out(name, text) IS 'a warning for each table of orders that can''t be reconciled or rerated';

-- What is left of tables that were dropped, without their names.
CREATE FUNCTION _loyalty.untrack_dropped_tables(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	FOR s IN SELECT r[1]::oid::regclass AS relation, r[2] AS kind, r[3] AS tracked_table, r[4] AS parts
	           FROM _loyalty.as_owner(program, format($sql$
		SELECT DISTINCT ON (s.relation::oid) s.relation::oid, s.kind, s.tracked_table,
		       (SELECT string_agg(format('the %%s in table "%%s"', p.kind, p.relation), ' and ' ORDER BY p.tracked_table)
		          FROM %1$I.tracked_table p JOIN pg_class c ON c.oid = p.relation WHERE p.of_tracked_table = s.tracked_table AND p.active)
		  FROM %1$I.tracked_table s
		 WHERE s.active AND s.kind <> 'lines' AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.relation)
		 ORDER BY s.relation::oid, s.kind DESC $sql$, program)) r
	LOOP
		RAISE WARNING 'the % of tracked table % are not tracked any more: their table was dropped', s.kind, s.tracked_table
			USING DETAIL = concat_ws(' ', CASE s.kind WHEN 'refunds' THEN 'Their orders go without them when they are recorded next.' ELSE 'What is recorded of them stays.' END, CASE WHEN s.parts IS NOT NULL THEN format('With them went %s.', s.parts) END),
			      HINT = CASE WHEN s.kind IN ('orders', 'events') THEN format('If another table takes its place: UPDATE %I.tracked_table SET relation = ''...'' WHERE tracked_table = %s, before loyalty.track_%s() tracks it.',
			                                                   program, s.tracked_table, s.kind)
			             ELSE 'If another table takes its place, call loyalty.track_refunds() with it.' END;
		PERFORM loyalty.untrack(program, s.relation);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.untrack_dropped_tables(name) IS 'end tracking tables that were dropped, with a warning for each';

-- Catch up with what no trigger saw: partitions that came or went, loads with
-- triggers disabled, a restore in another order.
CREATE FUNCTION loyalty.reconcile(program name, missing text DEFAULT NULL)
RETURNS TABLE (relation regclass, triggers_made bigint, recorded bigint, archived bigint, reversed bigint, kind text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	p record;
	t record;
	keep boolean;
BEGIN
	PERFORM _loyalty.begin_command('reconcile', program);
	IF missing IS NOT NULL THEN
		PERFORM _loyalty.require_choice('missing', missing, 'archive', 'reverse');
	END IF;
	PERFORM _loyalty.lock_to_reconcile(program);
	PERFORM _loyalty.untrack_dropped_tables(program);
	FOR s IN SELECT r[1]::int AS tracked_table, c.oid::regclass AS relation, c.relkind, c.relhassubclass, r[3] AS event
	           FROM _loyalty.as_owner(program, format('SELECT s.tracked_table, s.relation::oid, s.event FROM %1$I.tracked_table s CROSS JOIN %1$I.program p
	                                                   WHERE s.active AND s.kind IN (''orders'', ''credits'', ''events'')
	                                                     AND NOT _loyalty.lacks_view($1::name, s.tracked_table, p.terms)', program), program::text) r
	           JOIN pg_class c ON c.oid = r[2]::oid
	          ORDER BY 1
	LOOP
		relation := s.relation;
		kind := s.event;
		IF missing = 'reverse' THEN
			PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.forget_kept($1::name, $2::int)', program::text, s.tracked_table::text);
		ELSE
			PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.keep($1::name, $2::int, $3::boolean)', program::text, s.tracked_table::text,
			                         (missing IS NOT NULL)::text);
		END IF;
		-- a partition that was detached is no part of the table any more
		FOR t IN SELECT * FROM _loyalty.detached_triggers(program, s.tracked_table, s.relation)
		LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', t.trigger, t.relation);
		END LOOP;
		triggers_made := _loyalty.create_triggers(program, s.tracked_table, s.relation);
		FOR p IN SELECT r[1]::int AS number, r[2]::oid::regclass AS relation
		           FROM _loyalty.as_owner(program, format('SELECT p.tracked_table, p.relation::oid FROM %I.tracked_table p
		                                                   WHERE p.of_tracked_table = $1::int AND p.active AND p.kind <> ''credits''', program), s.tracked_table::text) r
		LOOP
			FOR t IN SELECT * FROM _loyalty.detached_triggers(program, p.number, p.relation)
			LOOP
				EXECUTE format('DROP TRIGGER %I ON %s', t.trigger, t.relation);
			END LOOP;
			triggers_made := triggers_made + _loyalty.create_triggers(program, p.number, p.relation);
		END LOOP;
		recorded := _loyalty.record_table(program, s.tracked_table, false);
		-- Orders that left a table with their partition, or child, were
		-- archived; those that are missing in an ordinary one were deleted.
		keep := coalesce(missing = 'archive', s.relkind = 'p' OR s.relhassubclass);
		SELECT r[1]::bigint INTO archived
		  FROM _loyalty.as_owner(program, 'SELECT _loyalty.archive($1::name, $2::int, $3::boolean)', program::text, s.tracked_table::text, keep::text) r;
		reversed := _loyalty.record_table(program, s.tracked_table, true);
		RETURN NEXT;
	END LOOP;
	PERFORM _loyalty.warn_of_tables_left_out(program, 'reconciled');
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.count_budgets($1::name)', program::text);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.remove_unused_terms($1::name)', program::text);
END
$$;
COMMENT ON FUNCTION loyalty.reconcile(name, text) IS
'record what no trigger saw: makes missing triggers, records all orders as they stand, and archives (keeps the points of) or takes back orders without a row; missing is archive or reverse, by default archive for partitioned tables; kind is that of events, and null for orders';
