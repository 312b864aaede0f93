-- Corrections ------------------------------------------------------------------------

-- How the functions that users call name what is said of a tracked table.
CREATE FUNCTION _loyalty.argument_name(kind text, said text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE said WHEN 'counts' THEN 'counts_when' WHEN 'discount' THEN 'order_discount' WHEN 'discount_scale' THEN 'discount_allocation'
	                 WHEN 'key' THEN CASE kind WHEN 'credits' THEN 'refund_key' WHEN 'events' THEN 'event_key' WHEN 'lines' THEN 'line_order' ELSE 'order_key' END
	                 WHEN 'amount' THEN CASE kind WHEN 'lines' THEN 'line_amount' ELSE 'amount' END
	                 ELSE said END
$$;
COMMENT ON FUNCTION _loyalty.argument_name(text, text) IS 'the argument by which something is said of a tracked table';

-- What is known of a tracked table, with what was written now in place of what it says: an
-- empty text takes something away.  Runs as the owner.
CREATE FUNCTION _loyalty.changed_definition(program name, tracked_table int, given jsonb, search_path text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	nothing text[];
	parsed jsonb;
	known int;
	needed text;
BEGIN
	EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE tracked_table = $1', program) INTO s USING tracked_table;
	-- an event without an amount has 0
	IF s.kind = 'events' AND given ->> 'amount' = '' THEN
		given := given || '{"amount": "0"}';
	END IF;
	nothing := ARRAY(SELECT key FROM jsonb_each_text(given) WHERE value = '');
	-- a refund is nothing but its amount
	SELECT n INTO needed FROM unnest(nothing) n WHERE n NOT IN ('amount', 'currency', 'available_at', 'discount', 'discount_scale') OR s.kind = 'refunds' ORDER BY n LIMIT 1;
	IF needed IS NOT NULL THEN
		RAISE EXCEPTION '% must not be empty', _loyalty.argument_name(s.kind, needed)
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = CASE WHEN needed = 'counts' THEN 'What always counts is counts_when => ''true''.'
			                  WHEN s.kind = 'refunds' THEN format('What is left out stays. For the orders to go without these refunds, call loyalty.untrack(%L, %L).', program, s.relation)
			                  WHEN s.kind = 'events' THEN 'What is left out stays. Only an amount or available_at can be taken away with an empty text.'
			                  WHEN s.kind = 'lines' THEN 'What is left out stays. Only line_amount can be taken away with an empty text.'
			                  ELSE 'What is left out stays. Only an amount, a currency, available_at or an order_discount can be taken away with an empty text.' END;
	END IF;
	parsed := _loyalty.parse_orders(program, s.kind, s.relation, given - nothing, search_path);
	PERFORM _loyalty.require_views(program, tracked_table, NULL);
	known := s.newest;
	IF s.definition IS NULL AND s.kind IN ('orders', 'credits', 'events') THEN
		known := _loyalty.terms_with_view(program, tracked_table, s.newest);
		PERFORM _loyalty.require_views(program, tracked_table, s.newest) WHERE known IS NULL;
	END IF;
	RETURN (_loyalty.definition_of(program, tracked_table, known, nothing || ARRAY(SELECT jsonb_object_keys(given))) - nothing) || parsed;
END
$$;
COMMENT ON FUNCTION _loyalty.changed_definition(name, int, jsonb, text) IS
'what is known of a tracked table, with what was written now in place of what it says';

-- The view of lines or refunds of which something else is said.  A view that others read
-- cannot change the type of a column: those of the orders go first, to be made again.
CREATE FUNCTION _loyalty.replace_part_view(program name, part int, d jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING part;
	PERFORM _loyalty.let_go(program, s.of_tracked_table)
	   FROM _loyalty.view_expression(_loyalty.view_of(program, s.kind, part), NULL, 'key', false) was
	  CROSS JOIN _loyalty.plain_key(s.relation, CASE s.kind WHEN 'lines' THEN 'line' ELSE 'refund' END, d ->> 'key') k
	  WHERE (k.type, k."collation") IS DISTINCT FROM (was.type, was.collation);
	PERFORM _loyalty.make_part_view(program, part, d);
END
$$;
COMMENT ON FUNCTION _loyalty.replace_part_view(name, int, jsonb) IS
'make the view of a table of lines or refunds anew; if its key has another type, the orders are let go of';

-- The views of a table of orders, with changed expressions.  Runs as the owner.
CREATE FUNCTION _loyalty.redefine_tracked_table(program name, tracked_table int, given jsonb, line jsonb, search_path text, key_is_unique boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	lines int;
	d jsonb;
BEGIN
	EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE tracked_table = $1', program) INTO s USING tracked_table;
	EXECUTE format('SELECT tracked_table FROM %I.tracked_table WHERE of_tracked_table = $1 AND kind = ''lines'' AND active', program) INTO lines USING tracked_table;
	IF s.kind = 'events' AND given ? 'currency' THEN
		RAISE EXCEPTION 'table "%" has events, which have no currency', s.relation
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Their kind is "%s".', s.event), HINT = 'Leave it out: the amount of an event is no money.';
	END IF;
	d := _loyalty.changed_definition(program, tracked_table, given, search_path);
	IF d ->> 'amount' IS NULL AND lines IS NULL THEN
		RAISE EXCEPTION 'the orders of table "%" have no lines, so they need an amount', s.relation
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Say what an order is worth, as in amount => ''...''.';
	END IF;
	IF line <> '{}' THEN
		IF lines IS NULL THEN
			RAISE EXCEPTION 'the orders of table "%" have no lines', s.relation
				USING ERRCODE = 'invalid_parameter_value',
				      HINT = format('Leave line_order and line_amount out; or to track lines, call loyalty.untrack(%1$L, %2$L), and then loyalty.track_orders(%1$L, %2$L, ...) with them.',
				                    program, s.relation);
		END IF;
		PERFORM _loyalty.replace_part_view(program, lines, _loyalty.changed_definition(program, lines, line, search_path));
	END IF;
	IF d ->> 'amount' IS NULL AND NOT _loyalty.definition_of(program, lines, NULL) ? 'amount' THEN
		RAISE EXCEPTION 'the orders of table "%" need an amount, or their lines a line_amount', s.relation
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Take one of them away only if the other is there, or is given in the same call.';
	END IF;
	EXECUTE format($sql$
		SELECT count(_loyalty.require_same_type($1, p.tracked_table, k.expression, k.type, o.type, true))
		  FROM %I.tracked_table p CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, p.kind, p.tracked_table), NULL, 'key', false) k
		 CROSS JOIN _loyalty.plain_key($3, 'tracked', $4) o
		 WHERE p.of_tracked_table = $2 AND p.kind = 'refunds' AND p.active
		$sql$, program) USING program, tracked_table, s.relation, d ->> 'key';
	PERFORM _loyalty.make_views(program, tracked_table, d);
	IF _loyalty.view_of(program, 'orders', tracked_table, s.newest) IS NULL THEN
		PERFORM _loyalty.define_orders(program, tracked_table, d);		-- rules that changed while it was paused
	END IF;
	IF given ? 'key' AND NOT coalesce(key_is_unique, false) THEN
		PERFORM _loyalty.require_unique_key(s.relation, _loyalty.view_of(program, 'orders', tracked_table), given ->> 'key',
		                                   _loyalty.argument_name(s.kind, 'key'));
	END IF;
	IF given ?| '{key,customer}' THEN
		PERFORM _loyalty.require_given_columns(s.relation, _loyalty.view_of(program, 'orders', tracked_table, s.newest));
		IF to_regclass(format('%I.%I', program, 'before_' || tracked_table)) IS NULL THEN
			PERFORM _loyalty.require_same_orders(program, tracked_table, _loyalty.view_of(program, 'orders', tracked_table));
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.redefine_tracked_table(name, int, jsonb, jsonb, text, boolean) IS
'make the views of a table of orders anew, with changed expressions';

CREATE FUNCTION _loyalty.record_moved(program name, tracked_table int, by_row boolean)
RETURNS bigint
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_record_moved';
COMMENT ON FUNCTION _loyalty.record_moved(name, int, boolean) IS
'record the orders of a tracked table that are another customer''s by what it means now, or have another key, with all that they had';

-- Keep the view that says which orders there are until they are recorded by what is said
-- now, or drop it then.  Runs as the owner.
CREATE FUNCTION _loyalty.keep_identity(program name, tracked_table int, keep boolean)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	view regclass := _loyalty.view_of(program, 'orders', tracked_table);
BEGIN
	IF keep AND view IS NOT NULL THEN
		EXECUTE format('CREATE VIEW %I.%I AS %s', program, 'before_' || tracked_table, pg_get_viewdef(view));
	ELSIF NOT keep THEN
		EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, 'before_' || tracked_table);
	END IF;
	RETURN keep AND view IS NOT NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.keep_identity(name, int, boolean) IS
'keep the view that says which orders a table has while it is made anew, or drop what was kept; returns whether it is kept';

-- Runs as the owner.
CREATE FUNCTION _loyalty.require_not_paused(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	EXECUTE format('SELECT relation, definition, event FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	IF s.definition IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" is paused', s.relation
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = format('Call loyalty.resume(%L, %s), with what shall be said of it from then on.', program, _loyalty.table_arguments(s.relation::text, s.event));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_not_paused(name, int) IS 'an error if a tracked table is paused';

-- Runs as the owner.
CREATE FUNCTION _loyalty.require_recording(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
BEGIN
	PERFORM _loyalty.require_not_paused(program, tracked_table);
	EXECUTE format('SELECT terms FROM %I.program', program) INTO newest;
	PERFORM _loyalty.require_views(program, tracked_table, newest);
END
$$;
COMMENT ON FUNCTION _loyalty.require_recording(name, int) IS 'an error if nothing is recorded of a tracked table, because it is paused or lacks a view';

-- What is said of orders does not fit events, nor the other way round.
CREATE FUNCTION _loyalty.require_kind(program name, tracked_table int, kind text, hint text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	SELECT r[1] AS kind, r[2]::oid::regclass AS relation INTO s
	  FROM _loyalty.as_owner(program, format('SELECT s.kind, s.relation::oid FROM %I.tracked_table s WHERE s.tracked_table = $1::int', program), tracked_table::text) r;
	IF s.kind <> kind THEN
		RAISE EXCEPTION 'table "%" has %, not %', s.relation, s.kind, kind
			USING ERRCODE = 'wrong_object_type', HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_kind(name, int, text, text) IS 'an error, with a hint, unless a tracked table has orders, or events, as it is said';

CREATE FUNCTION _loyalty.alter_table(program name, tracked_table int, given jsonb, line jsonb, search_path text, key_is_unique boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	identifies CONSTANT boolean := given ?| '{customer,key}';
	recorded bigint := 0;
	by_row boolean;
BEGIN
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.require_not_paused($1::name, $2::int)', program::text, tracked_table::text);
	PERFORM _loyalty.lock_tracked_tables(program, ARRAY[tracked_table]);
	IF identifies THEN
		SELECT r[1]::boolean INTO by_row
		  FROM _loyalty.as_owner(program, 'SELECT _loyalty.keep_identity($1::name, $2::int, true)', program::text, tracked_table::text) r;
	END IF;
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.redefine_tracked_table($1::name, $2::int, $3::jsonb, $4::jsonb, $5, $6::boolean)',
		program::text, tracked_table::text, given::text, line::text, search_path, key_is_unique::text);
	IF identifies THEN
		recorded := _loyalty.record_moved(program, tracked_table, by_row);
		PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.keep_identity($1::name, $2::int, false)', program::text, tracked_table::text);
	END IF;
	recorded := recorded + _loyalty.record_table(program, tracked_table, false);
	IF identifies THEN
		recorded := recorded + _loyalty.record_table(program, tracked_table, true);
	END IF;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION _loyalty.alter_table(name, int, jsonb, jsonb, text, boolean) IS
'change what is known of a tracked table of orders or events, and of lines, and record how its rows stand by that; returns the number of entries';

CREATE FUNCTION loyalty.alter_orders(
	program name,
	"table" regclass,
	customer text DEFAULT NULL,
	at text DEFAULT NULL,
	amount text DEFAULT NULL,
	counts_when text DEFAULT NULL,
	order_key text DEFAULT NULL,
	currency text DEFAULT NULL,
	available_at text DEFAULT NULL,
	line_order text DEFAULT NULL,
	line_amount text DEFAULT NULL,
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
BEGIN
	PERFORM _loyalty.begin_command('alter_orders', program);
	src := _loyalty.require_tracked_table(program, "table");
	PERFORM _loyalty.require_kind(program, src, 'orders', 'Call loyalty.alter_events().');
	RETURN _loyalty.alter_table(program, src,
		jsonb_strip_nulls(jsonb_build_object('customer', customer, 'at', at, 'amount', amount, 'counts', counts_when,
		                                     'key', order_key, 'currency', currency, 'available_at', available_at)) || _loyalty.discount_given(program, order_discount, discount_allocation),
		jsonb_strip_nulls(jsonb_build_object('key', line_order, 'amount', line_amount)), search_path, key_is_unique);
END
$$;
COMMENT ON FUNCTION loyalty.alter_orders(name, regclass, text, text, text, text, text, text, text, text, text, text, text, boolean, text) IS
'change what is known of a tracked table of orders, keeping its lines, refunds and rules, and record how its orders stand by that; what is null stays, an empty amount is the sum of the lines, an empty currency that of the program, and without available_at the wallet says when points are available; returns the number of entries';

CREATE FUNCTION loyalty.alter_events(
	program name,
	kind text,
	"table" regclass,
	customer text DEFAULT NULL,
	at text DEFAULT NULL,
	amount text DEFAULT NULL,
	counts_when text DEFAULT NULL,
	event_key text DEFAULT NULL,
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
	PERFORM _loyalty.begin_command('alter_events', program, '{kind,table}', ARRAY[kind IS NULL, "table" IS NULL]);
	src := _loyalty.require_tracked_table(program, "table", kind);
	RETURN _loyalty.alter_table(program, src,
		jsonb_strip_nulls(jsonb_build_object('customer', customer, 'at', at, 'amount', amount, 'counts', counts_when, 'key', event_key, 'available_at', available_at)),
		'{}', search_path, key_is_unique);
END
$$;
COMMENT ON FUNCTION loyalty.alter_events(name, text, regclass, text, text, text, text, text, text, boolean, text) IS
'change what is known of the events of a kind in a tracked table, and record how they stand by that; what is null stays, an empty amount is 0, and without available_at, which an empty text takes away, the wallet says when points are available; returns the number of entries';

-- Whoever names the table of the orders, or of their lines, is told which one has the refunds.
CREATE FUNCTION _loyalty.require_no_orders(program name, "table" regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	has text;
	refunds text;
BEGIN
	SELECT r[1], r[2] INTO has, refunds
	  FROM _loyalty.as_owner(program, format('SELECT s.kind, (SELECT string_agg(quote_literal(p.relation), '', '' ORDER BY p.tracked_table) FROM %1$I.tracked_table p
	                                                          WHERE p.of_tracked_table = CASE s.kind WHEN ''lines'' THEN s.of_tracked_table ELSE s.tracked_table END
	                                                            AND p.kind = ''refunds'' AND p.active)
	                                           FROM %1$I.tracked_table s WHERE s.relation = $1::oid AND s.kind IN (''orders'', ''lines'') AND s.active', program), "table"::oid::text) r;
	IF has IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" has %, not refunds of orders', "table", CASE has WHEN 'lines' THEN 'lines of orders' ELSE 'orders' END
			USING ERRCODE = 'wrong_object_type',
			      HINT = CASE WHEN refunds IS NULL THEN 'No refunds of these orders are tracked: call loyalty.track_refunds() with the table of the refunds first.'
			                  ELSE format('Name the table of the refunds: %s.', refunds) END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_no_orders(name, regclass) IS 'an error that names the tables of the refunds if a table has orders, or lines';

-- The view of a table of refunds, with changed expressions, and those of its orders.  Runs as
-- the owner.
CREATE FUNCTION _loyalty.redefine_refunds(program name, part int, given jsonb, without_order text, search_path text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	orders int;
	newest int;
	d jsonb := _loyalty.changed_definition(program, part, given, search_path);
	said_of_orders jsonb;
BEGIN
	EXECUTE format('SELECT s.of_tracked_table, p.terms FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE s.tracked_table = $1', program)
	   INTO orders, newest USING part;
	said_of_orders := _loyalty.definition_of(program, orders, newest);
	PERFORM _loyalty.replace_part_view(program, part, d);
	PERFORM _loyalty.make_views(program, orders, said_of_orders);
	EXECUTE format('UPDATE %I.tracked_table s SET without_order = $2 WHERE s.tracked_table = $1 AND s.without_order <> $2', program) USING part, without_order;
END
$$;
COMMENT ON FUNCTION _loyalty.redefine_refunds(name, int, jsonb, text, text) IS
'make the view of a table of refunds anew, with changed expressions, and those of its orders';

CREATE FUNCTION loyalty.alter_refunds(
	program name,
	"table" regclass,
	order_key text DEFAULT NULL,
	amount text DEFAULT NULL,
	counts_when text DEFAULT NULL,
	without_order text DEFAULT NULL,
	search_path text DEFAULT current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part int;
	orders int;
	credits int;
BEGIN
	PERFORM _loyalty.begin_command('alter_refunds', program);
	IF without_order IS NOT NULL THEN
		PERFORM _loyalty.require_choice('without_order', without_order, 'error', 'skip');
	END IF;
	SELECT r[1]::int, r[2]::int, r[3]::int INTO part, orders, credits
	  FROM _loyalty.as_owner(program, format('SELECT s.tracked_table, s.of_tracked_table, (SELECT c.tracked_table FROM %1$I.tracked_table c WHERE c.relation = s.relation AND c.kind = ''credits'' AND c.active)
	                                           FROM %1$I.tracked_table s WHERE s.relation = $1::oid AND s.kind = ''refunds'' AND s.active', program), "table"::oid::text) r;
	IF part IS NULL THEN
		PERFORM _loyalty.require_no_orders(program, "table");
		RAISE EXCEPTION 'table "%" has no refunds that the loyalty program "%" tracks', coalesce("table"::text, 'null'), program
			USING ERRCODE = 'undefined_object', HINT = 'Call loyalty.track_refunds() first.';
	END IF;
	IF credits IS NOT NULL THEN
		RAISE EXCEPTION 'refunds of table "%" that name no order are orders of their own', "table"
			USING ERRCODE = 'feature_not_supported', HINT = 'Call loyalty.untrack(), and then loyalty.track_refunds() with what shall hold from then on.';
	END IF;
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.require_recording($1::name, $2::int)', program::text, orders::text);
	PERFORM _loyalty.lock_tracked_tables(program, ARRAY[orders]);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.redefine_refunds($1::name, $2::int, $3::jsonb, $4, $5)', program::text, part::text,
		jsonb_strip_nulls(jsonb_build_object('key', order_key, 'amount', amount, 'counts', counts_when))::text, without_order, search_path);
	IF amount IS NOT NULL THEN
		PERFORM _loyalty.tell_of_negative_refunds(program, "table");
	END IF;
	IF without_order IS NOT NULL OR order_key IS NOT NULL OR counts_when IS NOT NULL THEN
		PERFORM _loyalty.warn_of_refunds_without_order(program, "table");
	END IF;
	RETURN _loyalty.record_table(program, orders, false);
END
$$;
COMMENT ON FUNCTION loyalty.alter_refunds(name, regclass, text, text, text, text, text) IS
'change what is known of a tracked table of refunds, and record how the orders stand by that; what is null stays; returns the number of entries';

-- Let go of a tracked table: its views go, and what they said is kept as text until it is
-- tracked again.
CREATE FUNCTION _loyalty.let_go(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	v record;
	newest int;
	kept jsonb;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	IF s.definition IS NOT NULL THEN
		RETURN;
	END IF;
	EXECUTE format('SELECT terms FROM %I.program', program) INTO newest;
	IF s.kind IN ('lines', 'refunds') THEN
		kept := jsonb_build_object('table', _loyalty.definition_of(program, tracked_table, NULL));
		EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name(s.kind, tracked_table));
	ELSE
		kept := jsonb_build_object('table', _loyalty.definition_of(program, tracked_table, _loyalty.terms_with_view(program, tracked_table, newest)), 'awards', '{}'::jsonb, 'member', '{}'::jsonb);
		FOR v IN EXECUTE format('SELECT t.version FROM %I.terms t WHERE t.version >= $1 ORDER BY 1', program) USING s.terms
		LOOP
			CONTINUE WHEN _loyalty.view_of(program, 'orders', tracked_table, v.version) IS NULL;
			kept := jsonb_set(kept, ARRAY['member', v.version::text], to_jsonb(_loyalty.member_keys_of(program, tracked_table, v.version)));
			kept := jsonb_set(kept, ARRAY['awards', v.version::text],
				(SELECT coalesce(jsonb_object_agg(a.award, a.expression), '{}') FROM _loyalty.awards_of(program, tracked_table, v.version) a));
		END LOOP;
		FOR v IN EXECUTE format('SELECT t.version FROM %I.terms t WHERE t.version >= $1', program) USING s.terms
		LOOP
			EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('orders', tracked_table, v.version));
		END LOOP;
		EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('archived', tracked_table));
		EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('orders', tracked_table));
	END IF;
	EXECUTE format('UPDATE %I.tracked_table SET definition = $2 WHERE tracked_table = $1', program) USING tracked_table, kept;
END
$$;
COMMENT ON FUNCTION _loyalty.let_go(name, int) IS
'drop the views of a tracked table, which holds on to nothing any more, and keep what they said';

-- Let go of the columns of a table, with its lines and refunds, for a migration.  Runs as
-- the owner.
CREATE FUNCTION _loyalty.note_paused(program name, tracked_table int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
	part int;
BEGIN
	EXECUTE format('SELECT terms FROM %I.program', program) INTO newest;
	PERFORM _loyalty.require_views(program, tracked_table, newest);
	PERFORM _loyalty.let_go(program, tracked_table);
	FOR part IN EXECUTE format('SELECT tracked_table FROM %I.tracked_table WHERE of_tracked_table = $1 AND active', program) USING tracked_table
	LOOP
		PERFORM _loyalty.let_go(program, part);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.note_paused(name, int) IS 'let go of a table of orders, its lines and its refunds';

CREATE FUNCTION loyalty.pause(program name, "table" regclass, kind text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int := _loyalty.require_tracked_table(program, "table", kind);
	is_paused boolean;
BEGIN
	PERFORM _loyalty.refuse_nested('pause');
	-- the lock that the migration will take: to make a weaker one stronger later would be
	-- a deadlock with whoever has read the table and writes to it then
	PERFORM _loyalty.lock_tracked_tables(program, ARRAY[src],
		from_readers => ARRAY(SELECT t.relation FROM _loyalty.tables_in_order(program, ARRAY[src]) t));
	-- a migration that is begun again goes on
	SELECT r[1]::boolean INTO is_paused
	  FROM _loyalty.as_owner(program, format('SELECT definition IS NOT NULL FROM %I.tracked_table WHERE tracked_table = $1::int', program), src::text) r;
	IF is_paused THEN
		RAISE NOTICE 'table "%" is already paused', "table";
	END IF;
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.note_paused($1::name, $2::int)', program::text, src::text);
END
$$;
COMMENT ON FUNCTION loyalty.pause(name, regclass, text) IS
'let go of the columns of a tracked table of orders, its lines and its refunds, or of events of a kind, for a migration; until loyalty.resume(), what is written to them is not recorded';

-- Runs as the owner.
CREATE FUNCTION _loyalty.note_resumed(program name, tracked_table int, given jsonb, line jsonb, search_path text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	s record;
	part record;
	d jsonb;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	IF s.definition IS NULL THEN
		RAISE EXCEPTION 'table "%" is not paused', s.relation
			USING ERRCODE = 'object_not_in_prerequisite_state',
			      HINT = CASE WHEN s.event IS NULL THEN format('It is recorded already. To change what is known of it, call loyalty.alter_orders(%L, %L, ...).', program, s.relation)
			             ELSE format('It is recorded already. To change what is known of it, call loyalty.alter_events(%L, %L, %L, ...).', program, s.event, s.relation) END;
	END IF;
	FOR part IN EXECUTE format('SELECT * FROM %I.tracked_table WHERE of_tracked_table = $1 AND active AND kind <> ''credits''', program) USING tracked_table
	LOOP
		d := _loyalty.changed_definition(program, part.tracked_table, CASE part.kind WHEN 'lines' THEN line ELSE '{}' END, search_path);
		EXECUTE format('UPDATE %I.tracked_table SET definition = NULL WHERE tracked_table = $1', program) USING part.tracked_table;
		PERFORM _loyalty.make_part_view(program, part.tracked_table, d);
	END LOOP;
	PERFORM _loyalty.redefine_tracked_table(program, tracked_table, given, '{}', search_path, true);
END
$$;
COMMENT ON FUNCTION _loyalty.note_resumed(name, int, jsonb, jsonb, text) IS 'make the views of a paused table of orders, its lines and its refunds';

CREATE FUNCTION loyalty.resume(
	program name,
	"table" regclass,
	customer text DEFAULT NULL,
	at text DEFAULT NULL,
	amount text DEFAULT NULL,
	counts_when text DEFAULT NULL,
	order_key text DEFAULT NULL,
	currency text DEFAULT NULL,
	available_at text DEFAULT NULL,
	line_order text DEFAULT NULL,
	line_amount text DEFAULT NULL,
	order_discount text DEFAULT NULL,
	discount_allocation text DEFAULT NULL,
	kind text DEFAULT NULL,
	event_key text DEFAULT NULL,
	search_path text DEFAULT current_setting('search_path'))
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int := _loyalty.require_tracked_table(program, "table", kind);
	moved bigint := 0;
BEGIN
	PERFORM _loyalty.refuse_nested('resume');
	PERFORM _loyalty.lock_to_reconcile(program, src);
	PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.note_resumed($1::name, $2::int, $3::jsonb, $4::jsonb, $5)',
		program::text, src::text,
		(jsonb_strip_nulls(jsonb_build_object('customer', customer, 'at', at, 'amount', amount, 'counts', counts_when,
		                                      'key', coalesce(order_key, event_key), 'currency', currency, 'available_at', available_at)) || _loyalty.discount_given(program, order_discount, discount_allocation))::text,
		jsonb_strip_nulls(jsonb_build_object('key', line_order, 'amount', line_amount))::text, search_path);
	IF customer IS NOT NULL THEN
		moved := _loyalty.record_moved(program, src, false);
	END IF;
	RETURN moved + (SELECT coalesce(sum(r.recorded + r.archived + r.reversed), 0) FROM loyalty.reconcile(program) r WHERE r.relation = "table");
END
$$;
COMMENT ON FUNCTION loyalty.resume(name, regclass, text, text, text, text, text, text, text, text, text, text, text, text, text, text) IS
'track a table of orders, or of events of a kind, again that was paused, by what it said or by what is given now, and reconcile the program; returns the number of entries';

-- Rerating ----------------------------------------------------------------------------

CREATE FUNCTION _loyalty.rerate_table(program name, tracked_table int, since timestamptz, moment timestamptz, again boolean)
RETURNS bigint
LANGUAGE c STRICT
AS 'MODULE_PATHNAME', 'loyalty_rerate_table';
COMMENT ON FUNCTION _loyalty.rerate_table(name, int, timestamptz, timestamptz, boolean) IS
'take the orders of a tracked table back that were recorded under other terms than the present, or, with again, record them under these; used by loyalty.rerate';

-- Runs as the owner.
CREATE FUNCTION _loyalty.moment_after_all(program name)
RETURNS timestamptz
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	moment timestamptz;
BEGIN
	EXECUTE format('SELECT greatest(clock_timestamp(), t.since,
	                                (SELECT max(j.recorded_at) FROM %1$I.journal j) + interval ''1 microsecond'',
	                                (SELECT max(a.last_recorded_at) FROM %1$I.account a) + interval ''1 microsecond'')
	                  FROM %1$I.program p JOIN %1$I.terms t ON t.version = p.terms', program) INTO moment;
	RETURN moment;
END
$$;
COMMENT ON FUNCTION _loyalty.moment_after_all(name) IS 'now, or the moment after the newest entry of a program, if that is later';

-- What was rerated at a moment: the entries that were recorded then take orders back.
-- Nothing was recorded later but those that begin anew.  Runs as the owner.
CREATE FUNCTION _loyalty.what_was_rerated(program name, moment timestamptz)
RETURNS TABLE (orders bigint, customers bigint, points_before numeric, points_after numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT coalesce(sum(c.orders), 0)::bigint, count(*),
		       coalesce(sum(coalesce(a.points, 0) + coalesce(u.before, 0)), 0),
		       coalesce(sum(coalesce(a.points, 0) + coalesce(u.after, 0)), 0)
		  FROM (SELECT coalesce(m.survivor, j.customer) AS customer, count(*) AS orders FROM %1$I.journal j LEFT JOIN %1$I.merged m ON m.customer %2$s j.customer
		         WHERE j.recorded_at = $1 GROUP BY 1) c
		  LEFT JOIN %1$I.account a ON a.customer %2$s c.customer
		  LEFT JOIN (SELECT x.account AS customer, sum(x.points_change) FILTER (WHERE x.recorded_at < $1) AS before, sum(x.points_change) AS after
		               FROM %1$I.unposted x GROUP BY x.account) u ON u.customer %2$s c.customer
		$sql$, program, _loyalty.customer_equality(program)) USING moment;
END
$$;
COMMENT ON FUNCTION _loyalty.what_was_rerated(name, timestamptz) IS
'how many orders of how many customers were rerated at a moment, and the points of these customers before and after';

CREATE FUNCTION loyalty.rerate(
	program name,
	since timestamptz DEFAULT '-infinity',
	dry_run boolean DEFAULT true)
RETURNS TABLE (orders bigint, customers bigint, points_before numeric, points_after numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD'		-- times go to the owner as text
SET timezone = 'UTC'
AS $$
DECLARE
	tracked_tables int[];
	moment timestamptz;
	is_done boolean := false;
BEGIN
	PERFORM _loyalty.begin_command('rerate', program, '{since,dry_run}', ARRAY[since IS NULL, dry_run IS NULL]);
	SELECT array_agg(r[1]::int ORDER BY r[1]::int) INTO tracked_tables
	  FROM _loyalty.as_owner(program, format('SELECT s.tracked_table FROM %1$I.tracked_table s CROSS JOIN %1$I.program p JOIN pg_class c ON c.oid = s.relation
	                                          WHERE s.active AND s.kind IN (''orders'', ''credits'', ''events'')
	                                            AND NOT _loyalty.lacks_view($1::name, s.tracked_table, p.terms)', program), program::text) r;
	PERFORM _loyalty.lock_tracked_tables(program, coalesce(tracked_tables, '{}'));
	PERFORM _loyalty.warn_of_tables_left_out(program, 'rerated');
	SELECT r[1]::timestamptz INTO moment FROM _loyalty.as_owner(program, 'SELECT _loyalty.moment_after_all($1::name)', program::text) r;
	BEGIN
		-- all of them go before the first comes back, so that tiers begin from there
		PERFORM _loyalty.rerate_table(program, s, since, moment, false) FROM unnest(tracked_tables) s;
		PERFORM _loyalty.rerate_table(program, s, since, moment, true) FROM unnest(tracked_tables) s;
		SELECT r[1]::bigint, r[2]::bigint, r[3]::numeric, r[4]::numeric
		  INTO orders, customers, points_before, points_after
		  FROM _loyalty.as_owner(program, 'SELECT * FROM _loyalty.what_was_rerated($1::name, $2::timestamptz)', program::text, moment::text) r;
		IF dry_run THEN
			is_done := true;
			RAISE EXCEPTION 'loyalty.rerate() changes nothing' USING ERRCODE = 'triggered_action_exception';
		END IF;
	EXCEPTION WHEN triggered_action_exception THEN
		-- what was found out stays
		IF NOT is_done THEN
			RAISE;
		END IF;
	END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION loyalty.rerate(name, timestamptz, boolean) IS
'record the orders again that were made since a moment and are recorded under other terms than the present, as if they had been recorded under these; tells how many orders of how many customers these are, and the points of these customers before and after; with dry_run nothing changes';
