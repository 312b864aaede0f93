-- Tracked tables --------------------------------------------------------------

-- A statement that names a partition, or a child, fires that table's triggers
-- only, so all of them have triggers.  Those that are there are left.
CREATE FUNCTION loyalty.create_triggers(program name, source int, relation regclass, part text DEFAULT '')
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
		  FROM loyalty.descendants(relation) d CROSS JOIN unnest('{insert,update,delete,truncate}'::text[]) e
		 WHERE NOT EXISTS (SELECT FROM pg_trigger g
		                    WHERE g.tgrelid = d AND g.tgname = loyalty.trigger_name(e, program, source::text, part)
		                      AND g.tgfoid = 'loyalty.record'::regproc)
	LOOP
		EXECUTE loyalty.trigger_command(t.event, t.relation, program, source::text, part);
		made := made + 1;
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION loyalty.create_triggers(name, int, regclass, text) IS
'create the triggers that record a tracked table, where they are missing on it, its partitions and children; returns their number';

-- Points of an order before multiplier and rounding, as SQL, by one version of
-- the terms: what rules per order say over new and purchase, or what rules per
-- line say over line, too.
CREATE FUNCTION loyalty.base_expression(program name, terms int, per text DEFAULT 'order', purchase_only boolean DEFAULT false)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format('coalesce(CASE WHEN %%s THEN %%s END, 0)', applies_when, points), ' + ' ORDER BY name)
		  FROM %I.terms_rule WHERE terms = $1 AND per = $2 AND NOT ($3 AND (points ~ '\mnew\.' OR applies_when ~ '\mnew\.'))
		$sql$, program) INTO result USING terms, per, purchase_only;
	RETURN coalesce(result, '0');
END
$$;
COMMENT ON FUNCTION loyalty.base_expression(name, int, text, boolean) IS
'SQL expression of the points of an order before the multiplier, under one version of the terms';

CREATE FUNCTION loyalty.record_table(program name, source int, gone boolean)
RETURNS bigint
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_record_table';
COMMENT ON FUNCTION loyalty.record_table(name, int, boolean) IS
'record how all orders of a tracked table stand, or take back those without a row; used by loyalty.backfill and loyalty.reconcile';

CREATE FUNCTION loyalty.require_source(program name, "table" regclass)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
BEGIN
	PERFORM loyalty.require_program(program);
	SELECT r[1]::int INTO src
	  FROM loyalty.as_owner(program, format('SELECT source FROM %I.source WHERE relation = $1::oid AND active', program), "table"::oid::text) r;
	IF src IS NULL THEN
		RAISE EXCEPTION 'table "%" is not tracked by the loyalty program "%"', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object', HINT = 'Call loyalty.track_orders() first.';
	END IF;
	RETURN src;
END
$$;
COMMENT ON FUNCTION loyalty.require_source(name, regclass) IS 'returns the source of a tracked order table, else an error';

-- The tables that a program says it tracks, with their lines and refunds: those of
-- one source, or all.
CREATE FUNCTION loyalty.tracked_relations(program name, source int, active boolean)
RETURNS TABLE (relation regclass)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r[1]::oid::regclass
	  FROM loyalty.as_owner(program, format('SELECT s.relation::oid FROM %1$I.source s WHERE $1 IS NULL OR s.source = $1::int
	                                         UNION
	                                         SELECT p.relation::oid FROM %1$I.part p
	                                          WHERE ($1 IS NULL OR p.source = $1::int) AND (p.active OR NOT $2::boolean)', program),
	                        source::text, active::text) r
$$;
COMMENT ON FUNCTION loyalty.tracked_relations(name, int, boolean) IS
'tables of orders, lines and refunds of a source, or of all sources of a program; with active, only the parts in use';

-- An error unless the owner of a program, as whom its expressions run, may read a
-- table by himself: whoever else calls must not open it to him unawares.
CREATE FUNCTION loyalty.require_readable(program name, relation regclass)
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
			      HINT = format('Grant SELECT on the table to the role "%s".', pg_get_userbyid(owner));
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_readable(name, regclass) IS
'an error unless the owner of a program may read a table';

-- The same for making triggers that nobody asked for by the name of the table.
CREATE FUNCTION loyalty.require_triggers(program name, source int, relation regclass)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner oid := (SELECT nspowner FROM pg_namespace WHERE nspname = program);
BEGIN
	PERFORM loyalty.require_readable(program, relation);
	IF NOT has_table_privilege(owner, relation, 'TRIGGER')
	   AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgfoid = 'loyalty.record'::regproc
	                      AND (loyalty.trigger_arguments(t.tgargs))[1:2] = ARRAY[program::text, source::text]) THEN
		RAISE EXCEPTION 'the owner of loyalty program "%" may not make triggers on table "%"', program, relation
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Grant TRIGGER on the table to the role "%s".', pg_get_userbyid(owner));
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_triggers(name, int, regclass) IS
'an error unless the owner of a program may make triggers on a table, or its triggers are there';

-- From here to the end of the transaction nobody writes orders, their lines or
-- their refunds, and all are read with a snapshot that is taken afterwards.
CREATE FUNCTION loyalty.lock_source(program name, source int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel regclass;
BEGIN
	FOR rel IN SELECT relation FROM loyalty.tracked_relations(program, source, true) ORDER BY 1
	LOOP
		PERFORM loyalty.require_triggers(program, source, rel);
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', rel);
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.lock_source(name, int) IS 'lock the tables of a source against writers';

-- Record the orders that nothing is recorded of: those from before the table was
-- tracked.  They earn by the present rules.
CREATE FUNCTION loyalty.backfill(program name, "table" regclass)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int := loyalty.require_source(program, "table");
	recorded bigint;
BEGIN
	PERFORM loyalty.lock_source(program, src);
	RAISE NOTICE 'recording the orders of "%"', "table";
	recorded := loyalty.record_table(program, src, false);
	RAISE NOTICE 'recorded % orders of "%"', recorded, "table";
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION loyalty.backfill(name, regclass) IS
'record the orders of a tracked table that are not recorded yet, by the present rules; returns their number';

CREATE FUNCTION loyalty.require_trackable("table" regclass, program name)
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
	              AND p.pronamespace = 'loyalty'::regnamespace)
	   OR "table" = to_regclass(format('%I.account', program)) OR "table" = to_regclass(format('%I.rate', program)) THEN
		RAISE EXCEPTION 'table "%" belongs to a loyalty program', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Track the table that the orders are written to.';
	END IF;
	IF EXISTS (SELECT FROM loyalty.descendants("table") d JOIN pg_class c ON c.oid = d AND c.relkind = 'f') THEN
		RAISE EXCEPTION 'table "%" has a partition or child that is a foreign table', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Its orders are written on another server: track them there.';
	END IF;
	SELECT * INTO outside FROM loyalty.outside_parents("table") LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'table "%" is a partition or child of "%"', outside.child, outside.parent
			USING ERRCODE = 'wrong_object_type', DETAIL = 'Statements that name the parent do not fire the triggers of its children.',
			      HINT = 'Track the parent.';
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_trackable(regclass, name) IS 'an error unless the relation is a table that a program can track';

-- Orders are known by their key, so no two rows may have the same.  A unique index
-- over columns that the key is made of says so.  One over a partitioned table must
-- have the columns that it is partitioned by, too, and says as much as PostgreSQL
-- can say there; children of a table have indexes of their own.
CREATE FUNCTION loyalty.require_unique_key("table" regclass, key text, program name, what text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	used int[] := loyalty.expression_columns(key, "table", NULL, 'new', NULL, program, 'text');
	lacking record;
BEGIN
	WITH uncertain AS (
		SELECT d AS relation, r.relkind,
		       ARRAY(SELECT y.attnum::int FROM pg_attribute x
		               JOIN pg_attribute y ON y.attrelid = d AND y.attname = x.attname
		              WHERE x.attrelid = "table" AND x.attnum = ANY (used)) AS used,
		       ARRAY(SELECT a::int FROM pg_partitioned_table p CROSS JOIN LATERAL unnest(p.partattrs) a WHERE p.partrelid = d) AS parted_by
		  FROM loyalty.descendants("table") d JOIN pg_class r ON r.oid = d
		 WHERE d = "table" OR NOT r.relispartition)
	SELECT u.relation INTO lacking
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
	IF NOT FOUND AND NOT loyalty.expression_tells(key, "table", program) THEN
		RAISE EXCEPTION '% of table "%" is not known to be unique', what, "table"
			USING ERRCODE = 'invalid_table_definition',
			      DETAIL = format('Different rows may give the same value of %s, and would be taken for one order.', key),
			      HINT = 'Name a column, or whole numbers with something between them, or create a unique index on the expression. If you know that no two rows have the same key, say so with key_is_unique => true.';
	ELSIF FOUND THEN
		RAISE EXCEPTION '% of table "%" is not known to be unique', what, lacking.relation
			USING ERRCODE = 'invalid_table_definition',
			      DETAIL = format('No unique index is over the columns of %s only. Rows with the same key would be taken for one order.', key),
			      HINT = format('Create one, or name a key that is unique with %s => ''...''. If you know that no two rows have the same key, say so with key_is_unique => true.', what);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_unique_key(regclass, text, name, text) IS
'an error unless a unique index of the table, and of each of its children, is over columns of the key';

-- What names an order in a row of lines or refunds is compared with the key of the
-- order, and both are known by their text.
CREATE FUNCTION loyalty.require_same_type(what text, expression text, from_row text, order_key text, from_order text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	types regtype[];
	kinds text[];
BEGIN
	EXECUTE format('SELECT ARRAY[pg_typeof((SELECT (%s) FROM %s WHERE false)), pg_typeof((SELECT (%s) FROM %s WHERE false))]',
	               expression, from_row, order_key, from_order) INTO types;
	-- all integers have the same text, and so do all strings
	WITH RECURSIVE base (n, oid) AS (
		SELECT n, t::oid FROM unnest(types) WITH ORDINALITY x (t, n)
		UNION
		SELECT b.n, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
	SELECT array_agg(CASE WHEN t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
	                      WHEN t.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'string'
	                      ELSE t.oid::text END ORDER BY b.n) INTO kinds
	  FROM base b JOIN pg_type t USING (oid) WHERE t.typtype <> 'd';
	IF kinds[1] <> kinds[2] THEN
		RAISE EXCEPTION '% must be of the type of the order_key that it names, which is %, not %', what, types[2], types[1]
			USING ERRCODE = 'datatype_mismatch',
			      HINT = format('Convert it, as in %s => ''(%s)::%s''.', what,
			                    regexp_replace(expression, '^(line|refund)\.', ''), types[2]);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.require_same_type(text, text, text, text, text) IS
'an error unless what names an order in another table has the type of the key of the order';

-- Keys are compared under a search_path that has no operators of extensions.  A
-- type that has an equality of its own elsewhere is compared as text, and a domain
-- over an enum, which has none, as the enum.
CREATE FUNCTION loyalty.comparable_key(key text, from_row text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type oid;
BEGIN
	LOOP
		BEGIN
			EXECUTE format('SELECT pg_typeof((SELECT (%s) FROM %s WHERE false)), (SELECT (%1$s) = (%1$s) FROM %2$s WHERE false)', key, from_row)
			   INTO type;
			RETURN key;
		EXCEPTION WHEN undefined_function THEN
			EXECUTE format('SELECT pg_typeof((SELECT (%s) FROM %s WHERE false))', key, from_row) INTO type;
			IF (SELECT typtype FROM pg_type WHERE oid = type) <> 'd' THEN
				RETURN format('(%s)::text', key);
			END IF;
			SELECT format('(%s)::%s', key, format_type(typbasetype, typtypmod)) INTO key FROM pg_type WHERE oid = type;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.comparable_key(text, text) IS 'a key as an expression that can be compared under every search_path';

-- Runs as the owner.
CREATE FUNCTION loyalty.note_part(program name, source int, kind text, relation regclass, order_key text,
                                  amount text, counts_when text, without_order text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see loyalty.is_written_by_hand()
AS $$
DECLARE
	row_name text := CASE kind WHEN 'lines' THEN 'line' ELSE 'refund' END;
	key_name text := CASE kind WHEN 'lines' THEN 'line_order' ELSE 'order_key' END;
	orders record;
	number int;
BEGIN
	EXECUTE format('SELECT s.relation, s.order_key FROM %I.source s WHERE s.source = $1', program) INTO orders USING source;
	IF relation = orders.relation THEN
		RAISE EXCEPTION 'table "%" has the orders, so it cannot have their % as well', relation, kind
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = CASE kind WHEN 'lines' THEN 'Orders that are one row each need no lines: leave lines out.'
			             ELSE 'What is refunded of an order in its own row belongs into its amount: amount => ''total - refunded''.' END;
	END IF;
	order_key := loyalty.canonical_expression(order_key, relation, NULL, 'text', key_name, NULL, row_name);
	order_key := loyalty.comparable_key(order_key, format('%s AS %s', relation, row_name));
	PERFORM loyalty.require_same_type(key_name, order_key, format('%s AS %s', relation, row_name),
		orders.order_key, loyalty.tracked_table(orders.relation, program, 'new'));
	amount := loyalty.canonical_expression(amount, relation, NULL, 'numeric',
		CASE kind WHEN 'lines' THEN 'line_amount' ELSE 'amount' END, NULL, row_name);
	counts_when := loyalty.canonical_expression(counts_when, relation, NULL, 'boolean', 'counts_when', NULL, row_name);
	EXECUTE format('SELECT part FROM %I.part p WHERE p.source = $1 AND p.kind = $2 AND p.relation = $3', program)
	   INTO number USING source, kind, relation;
	EXECUTE format('INSERT INTO %1$I.part (part, source, kind, relation, order_key, amount, counts_when, without_order)
	                VALUES (coalesce($1, (SELECT coalesce(max(part), 0) + 1 FROM %1$I.part)), $2, $3, $4, $5, $6, $7, $8)
	                ON CONFLICT (part) DO UPDATE SET order_key = excluded.order_key, amount = excluded.amount,
	                    counts_when = excluded.counts_when, without_order = excluded.without_order, active = true', program)
		USING number, source, kind, relation, order_key, amount, counts_when, without_order;
END
$$;
COMMENT ON FUNCTION loyalty.note_part(name, int, text, regclass, text, text, text, text) IS
'note a table of lines or refunds of a source';

CREATE FUNCTION loyalty.add_part(program name, source int, kind text, relation regclass, order_key text,
                                 amount text, counts_when text, without_order text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM loyalty.require_trackable(relation, program);
	PERFORM loyalty.require_readable(program, relation);
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
	PERFORM loyalty.as_owner(program, 'SELECT loyalty.note_part($1::name, $2::int, $3, $4::oid, $5, $6, $7, $8)',
	                         program::text, source::text, kind, relation::oid::text, order_key, amount, counts_when, without_order);
	PERFORM loyalty.create_triggers(program, source, relation, kind);
END
$$;
COMMENT ON FUNCTION loyalty.add_part(name, int, text, regclass, text, text, text, text) IS
'note a table of lines or refunds of a source, and make its triggers';

-- Runs as the owner.
CREATE FUNCTION loyalty.note_source(program name, relation regclass, customer text, at text, amount text,
                                   counts_when text, order_key text, refunds boolean, currency text, key_is_unique boolean)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see loyalty.is_written_by_hand()
AS $$
DECLARE
	key_name text := CASE WHEN refunds THEN 'refund_key' ELSE 'order_key' END;
	key_type regtype;
	part_kind text;
	zone text;
	src record;
BEGIN
	EXECUTE format('SELECT time_zone FROM %I.program', program) INTO zone;
	SELECT a.atttypid INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	customer := loyalty.canonical_expression(customer, relation, NULL, key_type, 'customer', zone);
	customer := loyalty.in_customer_collation(program, relation, customer);
	at := loyalty.canonical_expression(at, relation, NULL, 'timestamptz', 'at', zone);
	amount := loyalty.canonical_expression(amount, relation, NULL, 'numeric', 'amount', zone);
	counts_when := loyalty.canonical_expression(counts_when, relation, NULL, 'boolean', 'counts_when', zone);
	order_key := loyalty.canonical_expression(order_key, relation, NULL, 'text', key_name, zone);
	currency := loyalty.canonical_expression(currency, relation, NULL, 'text', 'currency', zone);

	EXECUTE format('SELECT s.* FROM %I.source s WHERE s.relation = $1', program) INTO src USING relation;
	IF src.active THEN
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%"', relation, program
			USING ERRCODE = 'duplicate_object', HINT = 'Call loyalty.untrack() first.';
	END IF;
	-- refunds that are nobody's but their customer's are tracked as both
	EXECUTE format('SELECT p.kind FROM %I.part p WHERE p.relation = $1 AND p.active AND NOT $2 LIMIT 1', program)
	   INTO part_kind USING relation, refunds;
	IF part_kind IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%", as %', relation, program, part_kind
			USING ERRCODE = 'duplicate_object', HINT = 'A table has orders, or lines or refunds of orders.';
	END IF;
	order_key := loyalty.comparable_key(order_key, format('%s AS new', relation));
	IF NOT coalesce(key_is_unique, false) THEN
		PERFORM loyalty.require_unique_key(relation, order_key, program, key_name);
	END IF;
	-- what is recorded of the table is known by these
	IF src.source IS NOT NULL AND (src.order_key, src.customer) IS DISTINCT FROM (order_key, customer) THEN
		RAISE EXCEPTION 'the orders of table "%" are recorded with another order_key or customer', relation
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = format('They are order_key => %L, customer => %L.', src.order_key, src.customer),
			      HINT = 'Track the table with these again.';
	END IF;
	IF src.source IS NULL THEN
		EXECUTE format('SELECT coalesce(max(source), 0) + 1 AS source FROM %I.source', program) INTO src;
	END IF;
	EXECUTE format('INSERT INTO %1$I.source (source, relation, customer, at, amount, counts_when, order_key, refunds, currency, terms)
	                SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, terms FROM %1$I.program
	                ON CONFLICT (source) DO UPDATE SET at = excluded.at, amount = excluded.amount,
	                    counts_when = excluded.counts_when, refunds = excluded.refunds, currency = excluded.currency, active = true', program)
		USING src.source, relation, customer, at, amount, counts_when, order_key, refunds, currency;
	RETURN src.source;
END
$$;
COMMENT ON FUNCTION loyalty.note_source(name, regclass, text, text, text, text, text, boolean, text, boolean) IS
'note a table of orders, or of refunds without orders; returns the number of the source';

-- Note a table of orders, or of refunds that are nobody's but their customer's.
-- From here to the end of the transaction nobody writes to it, so the next
-- snapshot sees all orders that its triggers will not.
CREATE FUNCTION loyalty.add_source(program name, relation regclass, customer text, at text, amount text,
                                   counts_when text, order_key text, refunds boolean, currency text, key_is_unique boolean)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_columns int;
	src int;
BEGIN
	PERFORM loyalty.require_trackable(relation, program);
	PERFORM loyalty.require_readable(program, relation);
	IF order_key IS NULL THEN
		SELECT cardinality(conkey),
		       (SELECT format('%I', attname) FROM pg_attribute WHERE attrelid = relation AND attnum = conkey[1])
		  INTO key_columns, order_key
		  FROM pg_constraint WHERE conrelid = relation AND contype = 'p';
		IF key_columns IS DISTINCT FROM 1 THEN
			RAISE EXCEPTION 'table "%" has no primary key of one column', relation
				USING ERRCODE = 'undefined_object',
				      HINT = format('Name what identifies a row with %s => ''...''.',
				                    CASE WHEN refunds THEN 'refund_key' ELSE 'order_key' END);
		END IF;
	END IF;
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', relation);
	SELECT r[1]::int INTO src
	  FROM loyalty.as_owner(program, 'SELECT loyalty.note_source($1::name, $2::oid, $3, $4, $5, $6, $7, $8::boolean, $9, $10::boolean)',
	                        program::text, relation::oid::text, customer, at, amount, counts_when, order_key, refunds::text, currency,
	                        key_is_unique::text) r;
	PERFORM loyalty.create_triggers(program, src, relation);
	RETURN src;
END
$$;
COMMENT ON FUNCTION loyalty.add_source(name, regclass, text, text, text, text, text, boolean, text, boolean) IS
'note a table of orders, or of refunds without orders, and make its triggers; returns the number of the source';

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
	key_is_unique boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
BEGIN
	PERFORM loyalty.require_program(program);
	IF "table" IS NULL OR customer IS NULL OR at IS NULL OR counts_when IS NULL OR (amount IS NULL AND line_amount IS NULL) THEN
		RAISE EXCEPTION 'table, customer, at, amount and counts_when must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'With line_amount, amount may be left out.';
	END IF;
	IF (lines IS NULL) <> (line_order IS NULL) OR (lines IS NULL AND line_amount IS NOT NULL) THEN
		RAISE EXCEPTION 'lines, line_order and line_amount belong together'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	src := loyalty.add_source(program, "table", customer, at, amount, counts_when, order_key, false, currency, key_is_unique);
	IF lines IS NOT NULL THEN
		PERFORM loyalty.add_part(program, src, 'lines', lines, line_order, line_amount, 'true', 'skip');
	END IF;
	-- the rules must fit this table, too
	PERFORM loyalty.as_owner(program, format('UPDATE %I.earning_rule SET points = points', program));
	PERFORM loyalty.hold_columns(program, src);

	IF NOT backfill THEN
		RETURN 0;
	END IF;
	RETURN loyalty.backfill(program, "table");
END
$$;
COMMENT ON FUNCTION loyalty.track_orders(name, regclass, text, text, text, text, text, boolean, regclass, text, text, text, boolean) IS
'track a table of orders, with their lines if they have any: from now on, and with backfill for the past, its orders earn; returns the number of orders backfilled';

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
	key_is_unique boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	own int;
	sources int;
	has_orders boolean;
	recorded bigint := 0;
BEGIN
	PERFORM loyalty.require_program(program);
	IF "table" IS NULL OR order_key IS NULL OR amount IS NULL OR counts_when IS NULL OR without_order IS NULL THEN
		RAISE EXCEPTION 'table, order_key, amount, counts_when and without_order must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM loyalty.require_choice('without_order', without_order, 'error', 'skip');
	IF (customer IS NULL) <> (at IS NULL) THEN
		RAISE EXCEPTION 'customer and at belong together'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'They tell whose a refund without an order is, and when it was made.';
	END IF;
	IF currency IS NOT NULL AND customer IS NULL THEN
		RAISE EXCEPTION 'currency is of refunds without an order, whose customer must be named'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A refund of an order is in the currency of the order.';
	END IF;
	IF orders IS NULL THEN
		SELECT r[1]::int, r[2]::int INTO src, sources
		  FROM loyalty.as_owner(program, format('SELECT min(source), count(*) FROM %I.source s JOIN pg_class c ON c.oid = s.relation
		                                          WHERE active AND NOT refunds', program)) r;
		IF sources <> 1 THEN
			RAISE EXCEPTION 'the loyalty program "%" tracks % order tables', program, sources
				USING ERRCODE = 'invalid_parameter_value',
				      HINT = 'Name the one that the refunds belong to with orders => ''...''.';
		END IF;
	ELSE
		src := loyalty.require_source(program, orders);
	END IF;
	IF EXISTS (SELECT FROM loyalty.source_triggers(program, src) t
	            JOIN pg_trigger g ON g.tgrelid = t.relation AND g.tgname = t.trigger
	           WHERE t.relation = "table" AND g.tgnargs = 3) THEN
		RAISE EXCEPTION 'table "%" is already tracked by the loyalty program "%"', "table", program
			USING ERRCODE = 'duplicate_object', HINT = 'Call loyalty.untrack() first.';
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.source WHERE relation = $1 AND active AND NOT refunds)', program) INTO has_orders USING "table";
	IF has_orders THEN
		RAISE EXCEPTION 'table "%" has the orders, so it cannot have their refunds as well', "table"
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = 'What is refunded of an order in its own row belongs into its amount: amount => ''total - refunded''.';
	END IF;
	PERFORM loyalty.lock_source(program, src);
	PERFORM loyalty.add_part(program, src, 'refunds', "table", order_key, amount, counts_when,
	                         CASE WHEN customer IS NULL THEN without_order ELSE 'customer' END);
	PERFORM loyalty.hold_columns(program, src);
	IF backfill THEN
		recorded := loyalty.record_table(program, src, false);
	END IF;
	-- refunds without an order are orders of their own, of less than nothing
	IF customer IS NOT NULL THEN
		own := loyalty.add_source(program, "table", customer, at, format('-(%s)', amount),
		                          format('(%s) AND (%s) IS NULL', counts_when, order_key), refund_key, true, currency, key_is_unique);
		PERFORM loyalty.hold_columns(program, own);
		IF backfill THEN
			recorded := recorded + loyalty.record_table(program, own, false);
		END IF;
	END IF;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION loyalty.track_refunds(name, regclass, text, text, regclass, text, text, boolean, text, text, text, text, boolean) IS
'track a table of refunds, which lower the amounts of the orders that they name; returns the number of orders that changed by it';

CREATE FUNCTION loyalty.untrack(program name, "table" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see loyalty.is_written_by_hand()
AS $$
DECLARE
	src int;
	parts int;
	t record;
BEGIN
	PERFORM loyalty.require_program(program);
	SELECT r[1]::int INTO src
	  FROM loyalty.as_owner(program, format('UPDATE %I.source SET active = false WHERE relation = $1::oid AND active RETURNING source', program),
	                        "table"::oid::text) r;
	SELECT count(*) INTO parts
	  FROM loyalty.as_owner(program, format('UPDATE %I.part SET active = false WHERE (source = $1::int OR relation = $2::oid) AND active
	                                         RETURNING part', program), src::text, "table"::oid::text);
	IF src IS NULL AND parts = 0 THEN
		RAISE EXCEPTION 'table "%" is not tracked by the loyalty program "%"', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object',
			      HINT = format('The tables %1$I.source and %1$I.part list what is tracked.', program);
	END IF;
	FOR t IN SELECT s.* FROM loyalty.source_triggers(program, src) s WHERE src IS NOT NULL
	         UNION
	         SELECT s.* FROM loyalty.source_triggers(program, NULL) s
	          WHERE s.relation IN (SELECT loyalty.descendants("table"))
	          ORDER BY 1, 2
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', t.trigger, t.relation);
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.untrack(name, regclass) IS
'stop tracking a table of orders, with its lines and refunds, or a table of refunds alone; what is recorded stays';

-- Runs as the owner.
CREATE FUNCTION loyalty.archive(program name, source int, keep boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	archived bigint := 0;
BEGIN
	EXECUTE format('SELECT s.order_key, loyalty.tracked_table(s.relation, $2, ''new'') AS tracked
	                  FROM %I.source s WHERE s.source = $1', program) INTO s USING source, program;
	IF keep THEN
		EXECUTE format('INSERT INTO %1$I.archived (source, order_key)
		                SELECT DISTINCT r.source, r.order_key FROM %1$I.recorded_orders r
		                 WHERE r.source = $1 AND r.counted
		                   AND NOT EXISTS (SELECT FROM %2$s WHERE (%3$s)::text = r.order_key)
		                ON CONFLICT DO NOTHING', program, s.tracked, s.order_key) USING source;
		GET DIAGNOSTICS archived = ROW_COUNT;
	END IF;
	EXECUTE format('DELETE FROM %1$I.archived a USING %2$s
	                 WHERE a.source = $1 AND (%3$s)::text = a.order_key', program, s.tracked, s.order_key) USING source;
	RETURN archived;
END
$$;
COMMENT ON FUNCTION loyalty.archive(name, int, boolean) IS
'note the recorded orders of a source that have no row as archived, with keep, and forget those that have one again; returns how many were noted';

-- Catch up with what no trigger saw: partitions that came or went, loads with
-- triggers disabled, a restore in another order.
CREATE FUNCTION loyalty.reconcile(program name, missing text DEFAULT NULL)
RETURNS TABLE (relation regclass, triggers_made bigint, recorded bigint, archived bigint, taken_back bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	p record;
	t record;
	keep boolean;
BEGIN
	PERFORM loyalty.require_program(program);
	IF missing IS NOT NULL THEN
		PERFORM loyalty.require_choice('missing', missing, 'archive', 'take_back');
	END IF;
	-- what is left of tables that were dropped
	FOR s IN SELECT r[1]::oid::regclass AS relation
	           FROM loyalty.as_owner(program, format('SELECT relation::oid FROM %I.source
	                                                   WHERE active AND NOT EXISTS (SELECT FROM pg_class WHERE oid = relation)', program)) r
	LOOP
		PERFORM loyalty.untrack(program, s.relation);
	END LOOP;
	FOR s IN SELECT r[1]::int AS source, c.oid::regclass AS relation, c.relkind, c.relhassubclass
	           FROM loyalty.as_owner(program, format('SELECT s.source, s.relation::oid FROM %1$I.source s
	                                                   WHERE s.active
	                                                     AND NOT EXISTS (SELECT FROM %1$I.part p WHERE p.source = s.source AND p.active
	                                                                      AND NOT EXISTS (SELECT FROM pg_class x WHERE x.oid = p.relation))', program)) r
	           JOIN pg_class c ON c.oid = r[2]::oid
	          ORDER BY 1
	LOOP
		PERFORM loyalty.lock_source(program, s.source);
		relation := s.relation;
		-- a partition that was detached is no part of the table any more
		FOR t IN SELECT x.* FROM loyalty.source_triggers(program, s.source) x
		           JOIN pg_trigger g ON g.tgrelid = x.relation AND g.tgname = x.trigger AND g.tgnargs = 2
		          WHERE x.relation NOT IN (SELECT loyalty.descendants(s.relation))
		LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', t.trigger, t.relation);
		END LOOP;
		triggers_made := loyalty.create_triggers(program, s.source, s.relation);
		PERFORM loyalty.hold_columns(program, s.source);
		FOR p IN SELECT r[1]::oid::regclass AS relation, r[2] AS kind
		           FROM loyalty.as_owner(program, format('SELECT p.relation::oid, p.kind FROM %I.part p
		                                                   WHERE p.source = $1::int AND p.active', program), s.source::text) r
		LOOP
			triggers_made := triggers_made + loyalty.create_triggers(program, s.source, p.relation, p.kind);
		END LOOP;
		recorded := loyalty.record_table(program, s.source, false);
		-- Orders that left a table with their partition, or child, were
		-- archived; those that are missing in an ordinary one were deleted.
		keep := coalesce(missing = 'archive', s.relkind = 'p' OR s.relhassubclass);
		SELECT r[1]::bigint INTO archived
		  FROM loyalty.as_owner(program, 'SELECT loyalty.archive($1::name, $2::int, $3::boolean)', program::text, s.source::text, keep::text) r;
		taken_back := loyalty.record_table(program, s.source, true);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.reconcile(name, text) IS
'record what no trigger saw: makes missing triggers, records all orders as they stand, and archives (keeps the points of) or takes back orders without a row; missing is archive or take_back, by default archive for partitioned tables';
