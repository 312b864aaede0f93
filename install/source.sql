-- Tracked tables --------------------------------------------------------------

-- Statement triggers with transition tables see each row once.  A statement
-- that names a partition fires that partition's triggers only, so every
-- relation of a partition tree has them.
CREATE FUNCTION loyalty.create_triggers(program name, source int, relation regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rel regclass;
BEGIN
	FOR rel IN SELECT r FROM (SELECT relid AS r FROM pg_partition_tree(relation) UNION SELECT relation) x
	LOOP
		EXECUTE format($sql$
			CREATE TRIGGER %2$I AFTER INSERT ON %1$s REFERENCING NEW TABLE AS new_rows
				FOR EACH STATEMENT EXECUTE FUNCTION loyalty.record(%6$L, %7$L);
			CREATE TRIGGER %3$I AFTER UPDATE ON %1$s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
				FOR EACH STATEMENT EXECUTE FUNCTION loyalty.record(%6$L, %7$L);
			CREATE TRIGGER %4$I AFTER DELETE ON %1$s REFERENCING OLD TABLE AS old_rows
				FOR EACH STATEMENT EXECUTE FUNCTION loyalty.record(%6$L, %7$L);
			CREATE TRIGGER %5$I AFTER TRUNCATE ON %1$s
				FOR EACH STATEMENT EXECUTE FUNCTION loyalty.record(%6$L, %7$L)
			$sql$, rel,
			'loyalty_insert_' || program, 'loyalty_update_' || program,
			'loyalty_delete_' || program, 'loyalty_truncate_' || program,
			program, source::text);
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.create_triggers(name, int, regclass) IS
'create the triggers that record a tracked table, on it and on its partitions';

-- Points of an order before multiplier and rounding, as SQL over new and
-- purchase, by one version of the terms.
CREATE FUNCTION loyalty.base_expression(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT string_agg(format('coalesce(CASE WHEN %%s THEN %%s END, 0)', applies_when, points), ' + ' ORDER BY name)
		  FROM %I.terms_rule WHERE terms = $1
		$sql$, program) INTO result USING terms;
	RETURN coalesce(result, '0');
END
$$;
COMMENT ON FUNCTION loyalty.base_expression(name, int) IS
'SQL expression of the points of an order before the multiplier, under one version of the terms';

CREATE FUNCTION loyalty.record_table(program name, source int)
RETURNS bigint
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_record_table';
COMMENT ON FUNCTION loyalty.record_table(name, int) IS
'record how all orders of a tracked table stand; used by loyalty.backfill, which locks the table first';

-- Record the orders that nothing is recorded of: those from before the table was
-- tracked.  They earn by the present rules.
CREATE FUNCTION loyalty.backfill(program name, "table" regclass)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	recorded bigint;
BEGIN
	PERFORM loyalty.require_program(program);
	EXECUTE format('SELECT source FROM %I.source WHERE relation = $1 AND active', program) INTO src USING "table";
	IF src IS NULL THEN
		RAISE EXCEPTION 'table % is not tracked by the program "%"', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object', HINT = 'Call loyalty.track_orders() first.';
	END IF;
	-- nobody writes orders from here to the end of the transaction, and the
	-- orders are read with a snapshot that is taken afterwards
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
	RAISE NOTICE 'recording the orders of %', "table";
	recorded := loyalty.record_table(program, src);
	RAISE NOTICE 'recorded % orders of %', recorded, "table";
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION loyalty.backfill(name, regclass) IS
'record the orders of a tracked table that are not recorded yet, by the present rules; returns their number';

CREATE FUNCTION loyalty.track_orders(
	program name,
	"table" regclass,
	customer text,
	at text,
	amount text,
	counts_when text DEFAULT 'true',
	order_key text DEFAULT NULL,
	backfill boolean DEFAULT true)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_type regtype;
	key_columns int;
	zone text;
	src record;
BEGIN
	PERFORM loyalty.require_program(program);
	IF "table" IS NULL OR customer IS NULL OR at IS NULL OR amount IS NULL OR counts_when IS NULL THEN
		RAISE EXCEPTION 'table, customer, at, amount and counts_when must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF (SELECT relpersistence FROM pg_class WHERE oid = "table") = 't' THEN
		RAISE EXCEPTION 'temporary table "%" can''t be tracked', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Points would outlive their orders.';
	END IF;
	IF EXISTS (SELECT FROM pg_partition_tree("table") t JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'f') THEN
		RAISE EXCEPTION 'table "%" has a partition that is a foreign table', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Its orders are written on another server: track them there.';
	END IF;
	IF (SELECT relkind NOT IN ('r', 'p') FROM pg_class WHERE oid = "table") THEN
		RAISE EXCEPTION '"%" is not a table', "table"
			USING ERRCODE = 'wrong_object_type', HINT = 'Track the table that a view or foreign table shows.';
	END IF;
	IF order_key IS NULL THEN
		SELECT cardinality(conkey),
		       (SELECT format('%I', attname) FROM pg_attribute WHERE attrelid = "table" AND attnum = conkey[1])
		  INTO key_columns, order_key
		  FROM pg_constraint WHERE conrelid = "table" AND contype = 'p';
		IF key_columns IS DISTINCT FROM 1 THEN
			RAISE EXCEPTION 'table % has no primary key of one column', "table"
				USING ERRCODE = 'undefined_object',
				      HINT = 'Name what identifies an order with order_key => ''...''.';
		END IF;
	END IF;

	EXECUTE format('SELECT time_zone FROM %I.program', program) INTO zone;
	SELECT a.atttypid INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';

	-- nobody writes orders from here to the end of the transaction, so the
	-- next snapshot sees all orders that the triggers will not
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");

	customer := loyalty.canonical_expression(customer, "table", NULL, key_type, 'customer', zone);
	at := loyalty.canonical_expression(at, "table", NULL, 'timestamptz', 'at', zone);
	amount := loyalty.canonical_expression(amount, "table", NULL, 'numeric', 'amount', zone);
	counts_when := loyalty.canonical_expression(counts_when, "table", NULL, 'boolean', 'counts_when', zone);
	order_key := loyalty.canonical_expression(order_key, "table", NULL, 'text', 'order_key', zone);

	EXECUTE format('SELECT s.* FROM %I.source s WHERE s.relation = $1', program) INTO src USING "table";
	IF src.active THEN
		RAISE EXCEPTION 'table % is already tracked by the program "%"', "table", program
			USING ERRCODE = 'duplicate_object', HINT = 'Call loyalty.untrack() first.';
	END IF;
	-- what is recorded of the table is known by these
	IF src.source IS NOT NULL AND (src.order_key, src.customer) IS DISTINCT FROM (order_key, customer) THEN
		RAISE EXCEPTION 'the orders of table % are recorded with another order_key or customer', "table"
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      DETAIL = format('They are order_key => %L, customer => %L.', src.order_key, src.customer),
			      HINT = 'Track the table with these again.';
	END IF;
	IF src.source IS NULL THEN
		EXECUTE format('SELECT coalesce(max(source), 0) + 1 AS source FROM %I.source', program) INTO src;
	END IF;
	EXECUTE format('INSERT INTO %I.source (source, relation, customer, at, amount, counts_when, order_key)
	                VALUES ($1, $2, $3, $4, $5, $6, $7)
	                ON CONFLICT (source) DO UPDATE SET at = excluded.at, amount = excluded.amount,
	                    counts_when = excluded.counts_when, active = true', program)
		USING src.source, "table", customer, at, amount, counts_when, order_key;
	-- the rules must fit this table, too
	EXECUTE format('UPDATE %I.earning_rule SET points = points', program);
	PERFORM loyalty.create_triggers(program, src.source, "table");

	IF NOT backfill THEN
		RETURN 0;
	END IF;
	RETURN loyalty.backfill(program, "table");
END
$$;
COMMENT ON FUNCTION loyalty.track_orders(name, regclass, text, text, text, text, text, boolean) IS
'track a table of orders: from now on, and with backfill for the past, its orders earn; returns the number of orders backfilled';

CREATE FUNCTION loyalty.untrack(program name, "table" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
	t record;
BEGIN
	PERFORM loyalty.require_program(program);
	EXECUTE format('UPDATE %I.source SET active = false WHERE relation = $1 AND active RETURNING source', program)
	   INTO src USING "table";
	IF src IS NULL THEN
		RAISE EXCEPTION 'table % is not tracked by the program "%"', "table", program
			USING ERRCODE = 'undefined_object', HINT = format('The table %I.source lists what is tracked.', program);
	END IF;
	FOR t IN SELECT * FROM loyalty.source_triggers(program, src)
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', t.trigger, t.relation);
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.untrack(name, regclass) IS
'stop tracking a table; what its orders earned stays';

