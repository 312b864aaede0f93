-- Tracked tables as views ---------------------------------------------------------
--
-- What each row of a tracked table means is a view of the program, made here from
-- expressions that _loyalty.parse_expression() has checked.  All of this runs as the
-- program's owner.
--
--   orders_<table>          customer, key (of its own type), order_key (text), row_table, row_id
--   orders_<table>_<terms>  customer, key (of its own type), order_key (text), at, counts, amount (less refunds, in the
--                           program's currency), currency, rate, available_at, gross, refunded, row_table, row_id, awards (the
--                           sum of awards), parts, member (what rules use of the customer's row), award_1 ... (one for each earning rule of that version of the terms)
--   lines_<table>           key, order_key, amount
--   refunds_<table>         key, order_key, counts, amount
--   archived_<table>        customer, key, order_key, at, counts, amount, currency, rate, available_at, awards, row_table, row_id, parts, member (null): of
--                           orders that left a table with refunds, and have no row; less what was refunded since
--   tiers_<terms>           tier_1 ... (from the highest rank down), over the type "facts"
--   for_members_<terms>     rule_1 ... (of earning rules that are for some members), over the type "rule_facts"
--   metrics_<terms>         metric_1 ... (in the order of their numbers), over the type "facts"
--
-- OFFSET 0 keeps a part of a view from being pulled up, so that what an expression says is
-- computed once for each order, whoever asks for it how often.

CREATE FUNCTION _loyalty.parse_expression(INOUT expression text, "row" regclass, line regclass, facts regclass, INOUT type regtype,
                                         what text, row_name text, alias text, time_zone text, search_path text, warn boolean, any_settings boolean DEFAULT false, built_in boolean DEFAULT false,
                                         member regclass DEFAULT NULL, line_facts regclass DEFAULT NULL, parts text[] DEFAULT NULL, OUT uses_row boolean, OUT uses_line boolean, OUT uses_facts boolean, OUT member_columns text[], OUT tiers text[])
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_parse_expression';
COMMENT ON FUNCTION _loyalty.parse_expression(text, regclass, regclass, regclass, regtype, text, text, text, text, text, boolean, boolean, boolean, regclass, regclass, text[]) IS
'check an SQL expression over a table row, a line, a composite type and the row of a customer, and return it with every name qualified and local times in the time zone';

CREATE FUNCTION _loyalty.view_expression(view regclass, inside text, "column" text, guarded boolean, flat boolean DEFAULT false,
                                        OUT expression text, OUT uses text[], OUT type regtype, OUT collation oid, OUT columns text[])
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_view_expression';
COMMENT ON FUNCTION _loyalty.view_expression(regclass, text, text, boolean, boolean) IS
'the expression of a column of a view, or of a part of its FROM clause, as SQL, with the names of what it uses; guarded: what it says for an order that counts; flat: over facts alone';

CREATE FUNCTION _loyalty.key_columns(view regclass)
RETURNS int[]
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_key_columns';
COMMENT ON FUNCTION _loyalty.key_columns(regclass) IS 'the columns of a tracked table, by number, that its key is made of';

CREATE FUNCTION _loyalty.key_tells(view regclass)
RETURNS boolean
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_key_tells';
COMMENT ON FUNCTION _loyalty.key_tells(regclass) IS
'whether rows that differ in the columns of the key differ in the key, or a unique index is over it';

CREATE FUNCTION _loyalty.require_own_view(view oid)
RETURNS void
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_require_own_view';
COMMENT ON FUNCTION _loyalty.require_own_view(oid) IS 'an error if a query on a view would run code of others as the current user';

CREATE FUNCTION _loyalty.pinned_rate(order_key text, currency text)
RETURNS numeric
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'loyalty_pinned_rate';
COMMENT ON FUNCTION _loyalty.pinned_rate(text, text) IS
'the rate that an order keeps in a currency, while it is read to be recorded; else null';

-- The name of the view of a tracked table.
CREATE FUNCTION _loyalty.view_name(kind text, tracked_table int, terms int DEFAULT NULL)
RETURNS name
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws('_', CASE WHEN kind IN ('credits', 'events') THEN 'orders' ELSE kind END, tracked_table, terms)::name
$$;
COMMENT ON FUNCTION _loyalty.view_name(text, int, int) IS 'the name of the view that says what the rows of a tracked table mean';

CREATE FUNCTION _loyalty.view_of(program name, kind text, tracked_table int, terms int DEFAULT NULL)
RETURNS regclass
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT to_regclass(format('%I.%I', program, _loyalty.view_name(kind, tracked_table, terms)))
$$;
COMMENT ON FUNCTION _loyalty.view_of(name, text, int, int) IS 'the view that says what the rows of a tracked table mean, or null if there is none';

-- A view that a snapshot shows has gone since, with its terms, which nothing is recorded
-- under: see _loyalty.remove_unused_terms().
CREATE FUNCTION _loyalty.view_is_lost(program name, kind text, terms int)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.view_of(program, kind, terms) IS NULL
	   AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = program AND c.relname = _loyalty.view_name(kind, terms));
$$;
COMMENT ON FUNCTION _loyalty.view_is_lost(name, text, int) IS 'is there no view of tiers, or of conditions for members, of these terms, as far as a snapshot shows';

-- Of which terms a table of orders has a view: of these, else of the newest that are left
-- after others were dropped.
CREATE FUNCTION _loyalty.terms_with_view(program name, tracked_table int, terms int)
RETURNS int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known int;
BEGIN
	EXECUTE format('SELECT version FROM %I.terms WHERE _loyalty.view_of($1, ''orders'', $2, version) IS NOT NULL ORDER BY version = $3 DESC, version DESC LIMIT 1', program)
	   INTO known USING program, tracked_table, terms;
	RETURN known;
END
$$;
COMMENT ON FUNCTION _loyalty.terms_with_view(name, int, int) IS
'these terms, if a table of orders has a view under them, else the newest under which it has one; null if none is left';

-- How functions that users call are told which tracked table is meant.
CREATE FUNCTION _loyalty.table_arguments(relation text, event text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(', ', quote_literal(relation), CASE WHEN event IS NOT NULL THEN format('kind => %L', event) END)
$$;
COMMENT ON FUNCTION _loyalty.table_arguments(text, text) IS 'the arguments by which a table of orders, or of events of a kind, is named, as SQL';

-- What helps if a view of a tracked table is lost: the table of its orders is tracked again.
CREATE FUNCTION _loyalty.track_again(program name, tracked_table int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	orders regclass;
	event text;
BEGIN
	EXECUTE format('SELECT coalesce(o.relation, s.relation), s.event FROM %1$I.tracked_table s LEFT JOIN %1$I.tracked_table o ON o.tracked_table = s.of_tracked_table
	                 WHERE s.tracked_table = $1', program) INTO orders, event USING tracked_table;
	RETURN format('call loyalty.untrack(%L, %s), and track the table again', program, _loyalty.table_arguments(orders::text, event));
END
$$;
COMMENT ON FUNCTION _loyalty.track_again(name, int) IS 'what to do if a view of a tracked table, or of its lines or refunds, is lost';

-- Is a view lost, or let go of, that tells what a table means: that which says which orders
-- there are, that of some terms, or one of lines or refunds?
CREATE FUNCTION _loyalty.lacks_view(program name, tracked_table int, terms int)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lacking boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.tracked_table s
	                                WHERE $2 IN (s.tracked_table, s.of_tracked_table) AND s.active
	                                  AND (_loyalty.view_of($1, s.kind, s.tracked_table) IS NULL
	                                       OR (s.tracked_table = $2 AND $3 IS NOT NULL AND _loyalty.view_of($1, s.kind, s.tracked_table, $3) IS NULL)))', program)
	   INTO lacking USING program, tracked_table, terms;
	RETURN lacking;
END
$$;
COMMENT ON FUNCTION _loyalty.lacks_view(name, int, int) IS
'is a view lost, or let go of, by which a tracked table, with its lines and refunds, is known?';

-- An error if one is lost.
CREATE FUNCTION _loyalty.require_views(program name, tracked_table int, terms int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	EXECUTE format('SELECT relation, definition FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	IF s.definition IS NULL AND _loyalty.lacks_view(program, tracked_table, terms) THEN
		RAISE EXCEPTION 'loyalty program "%" lacks a view of table "%"', program, s.relation
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It was dropped, with something that it used.',
			      HINT = _loyalty.as_sentence(_loyalty.track_again(program, tracked_table));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_views(name, int, int) IS
'an error if a view is lost by which a tracked table, with its lines and refunds, is known';

-- How two keys are compared: as their type does.  Integers, and strings, of different
-- types have operators between them.
CREATE FUNCTION _loyalty.key_equality(a regtype, b regtype)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN _loyalty.base_type(a) = _loyalty.base_type(b) THEN _loyalty.equality_operator(a) ELSE 'OPERATOR(pg_catalog.=)' END
$$;
COMMENT ON FUNCTION _loyalty.key_equality(regtype, regtype) IS 'equality of two keys, as SQL that means it under every search_path';

-- A key of lines or refunds against that of the order: as the type of the key compares
-- them, and in the collation of the order's.
CREATE FUNCTION _loyalty.same_key(key text, type regtype, "collation" oid, order_key text, order_type regtype, order_collation oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(%s)%s %s (%s)', key,
	              (SELECT format(' COLLATE %I.%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
	                WHERE c.oid = order_collation AND "collation" <> order_collation AND "collation" <> 0),
	              _loyalty.key_equality(type, order_type), order_key)
$$;
COMMENT ON FUNCTION _loyalty.same_key(text, regtype, oid, text, regtype, oid) IS
'the condition that a key of a line or refund is that of the order, as SQL';

-- The type by which the customers of a program are known.
CREATE FUNCTION _loyalty.customer_type(program name)
RETURNS regtype
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer'
$$;
COMMENT ON FUNCTION _loyalty.customer_type(name) IS 'the type of the customers of a program';

-- The table of the customers, if it is there.
CREATE FUNCTION _loyalty.customer_table(program name)
RETURNS regclass
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result regclass;
BEGIN
	EXECUTE format('SELECT c.oid FROM %I.program p JOIN pg_class c ON c.oid = p.customers', program) INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.customer_table(name) IS 'the table of the customers of a program, or null if it is gone';

-- What was written about a tracked table, as SQL with every name qualified: each as it
-- is in the view later.
CREATE FUNCTION _loyalty.parse_orders(program name, kind text, relation regclass, given jsonb, search_path text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
	result jsonb := '{}';
	e record;
	parsed text;
BEGIN
	EXECUTE format('SELECT time_zone FROM %I.program', program) INTO zone;
	FOR e IN
		SELECT x.name, given ->> x.name AS written, x.type,
		       _loyalty.argument_name(kind, x.name) AS what
		  FROM (VALUES (1, 'customer', CASE WHEN kind IN ('orders', 'credits', 'events') THEN _loyalty.customer_type(program) END), (2, 'at', 'timestamptz'),
		               (3, 'amount', 'numeric'), (4, 'counts', 'boolean'), (5, 'key', 'text'), (6, 'currency', 'text'),
		               (7, 'available_at', 'timestamptz'), (8, 'discount', 'numeric')) x (n, name, type)
		 WHERE given ->> x.name IS NOT NULL ORDER BY x.n
	LOOP
		SELECT p.expression INTO parsed
		  FROM _loyalty.parse_expression(e.written, relation, NULL, NULL, e.type, e.what,
		                                CASE kind WHEN 'lines' THEN 'line' WHEN 'refunds' THEN 'refund' ELSE 'new' END,
		                                CASE kind WHEN 'lines' THEN 'line' WHEN 'refunds' THEN 'refund' ELSE 'tracked' END,
		                                zone, search_path, true) p;
		IF e.name = 'customer' THEN
			parsed := _loyalty.in_customer_collation(program, relation, parsed);
		END IF;
		result := result || jsonb_build_object(e.name, parsed);
	END LOOP;
	RETURN result || jsonb_strip_nulls(jsonb_build_object('discount_scale', given ->> 'discount_scale'));
END
$$;
COMMENT ON FUNCTION _loyalty.parse_orders(name, text, regclass, jsonb, text) IS
'check what was written about a tracked table, and return it with every name qualified';

-- Expressions that a view had, or that were let go of, checked once more: somebody else may
-- have written them.
CREATE FUNCTION _loyalty.reparsed(program name, tracked_table int, d jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	alias text;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	alias := CASE s.kind WHEN 'lines' THEN 'line' WHEN 'refunds' THEN 'refund' ELSE 'tracked' END;
	RETURN (SELECT coalesce(jsonb_object_agg(e.key, p.expression), '{}')
	          FROM jsonb_each_text(d) e
	         CROSS JOIN LATERAL _loyalty.parse_expression(e.value, s.relation, NULL, NULL,
	                            CASE e.key WHEN 'customer' THEN _loyalty.customer_type(program) WHEN 'at' THEN 'timestamptz' WHEN 'available_at' THEN 'timestamptz' WHEN 'amount' THEN 'numeric' WHEN 'discount' THEN 'numeric' WHEN 'discount_scale' THEN 'integer'
	                                       WHEN 'counts' THEN 'boolean' ELSE 'text' END::regtype,
	                            format('%s of table "%s"', e.key, s.relation), alias, alias, NULL, 'pg_catalog, pg_temp', false) p);
END
$$;
COMMENT ON FUNCTION _loyalty.reparsed(name, int, jsonb) IS 'the expressions of a tracked table, checked once more';

-- A rule whose columns are called otherwise by now is taken from what was written, which
-- can be corrected.
CREATE FUNCTION _loyalty.reparsed_award(program name, tracked_table int, per text, expression text,
                                       terms int DEFAULT NULL, rule_name text DEFAULT NULL, points text DEFAULT NULL, applies_when text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	line regclass;
BEGIN
	EXECUTE format('SELECT s.relation, l.relation FROM %1$I.tracked_table s
	                  LEFT JOIN %1$I.tracked_table l ON l.of_tracked_table = s.tracked_table AND l.active AND l.kind = ''lines'' WHERE s.tracked_table = $1', program)
	   INTO relation, line USING tracked_table;
	RETURN (SELECT p.expression
	          FROM _loyalty.parse_expression(expression, relation, CASE per WHEN 'line' THEN line END, format('%I.purchase', program)::regclass, 'numeric',
	                                        format('points of an earning rule for table "%s"', relation), 'tracked', 'tracked', NULL, 'pg_catalog, pg_temp', false,
	                                        member => _loyalty.customer_table(program), line_facts => CASE per WHEN 'line' THEN '_loyalty.sold'::regclass END) p);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	IF points IS NULL OR SQLSTATE = '42501' THEN
		RAISE;
	END IF;
	RETURN _loyalty.award_of_terms(program, tracked_table, terms, rule_name, points, applies_when, per);
END
$$;
COMMENT ON FUNCTION _loyalty.reparsed_award(name, int, text, text, int, text, text, text) IS 'the SQL of an award for a tracked table, checked once more';

-- The same as the view of the table has it now, whatever was renamed since.  What was let
-- go of is in the row of the table.
CREATE FUNCTION _loyalty.definition_of(program name, tracked_table int, terms int, without text[] DEFAULT '{}')
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	view regclass;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	IF s.definition IS NOT NULL THEN
		RETURN _loyalty.reparsed(program, tracked_table, (s.definition -> 'table') - without);
	END IF;
	IF s.kind IN ('lines', 'refunds') THEN
		view := _loyalty.view_of(program, s.kind, tracked_table);
		RETURN (SELECT jsonb_strip_nulls(jsonb_build_object('key', k.expression, 'counts', c.expression, 'amount', nullif(a.expression, 'NULL::numeric')))
		          FROM _loyalty.view_expression(view, NULL, 'key', false) k
		         CROSS JOIN _loyalty.view_expression(view, 'said', 'counts', false) c
		         CROSS JOIN _loyalty.view_expression(view, NULL, 'amount', true) a);
	END IF;
	view := _loyalty.view_of(program, s.kind, tracked_table, terms);
	RETURN (SELECT jsonb_strip_nulls(jsonb_build_object('key', k.expression, 'customer', c.expression, 'counts', w.expression,
	                                                    'at', t.expression, 'amount', CASE WHEN 'lines' <> ALL (a.uses) THEN a.expression END,
	                                                    'currency', m.expression, 'available_at', v.expression, 'discount', o.expression, 'discount_scale', p.expression))
	          FROM _loyalty.view_expression(view, NULL, 'key', false) k
	         CROSS JOIN _loyalty.view_expression(view, 'said', 'customer', false) c
	         CROSS JOIN _loyalty.view_expression(view, 'said', 'counts', false) w
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'at', true) t
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'gross', true) a
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'paid_in', true) m
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'available_at', true) v
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'discount', true) o
	         CROSS JOIN _loyalty.view_expression(view, 'worth', 'discount_scale', false) p);
END
$$;
COMMENT ON FUNCTION _loyalty.definition_of(name, int, int, text[]) IS
'what the view of a tracked table says, as SQL by name: key, customer, at, counts, amount, currency, available_at, discount; of what was let go of, without some of them';

-- Rules are for orders, or for events of a kind, whichever tables these are in.
CREATE FUNCTION _loyalty.is_for_table(program name, tracked_table int, event text)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_for boolean;
BEGIN
	EXECUTE format('SELECT s.event IS NOT DISTINCT FROM $2 FROM %I.tracked_table s WHERE s.tracked_table = $1', program) INTO is_for USING tracked_table, event;
	RETURN is_for;
END
$$;
COMMENT ON FUNCTION _loyalty.is_for_table(name, int, text) IS 'is an earning rule, which is for events of a kind or with null for orders, for the rows of a tracked table?';

-- What earning rules say of a tracked table: the SQL of each award, or null if the rule is
-- not for this table.
CREATE FUNCTION _loyalty.awards_of(program name, tracked_table int, terms int)
RETURNS TABLE (award int, name text, per text, expression text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	let_go jsonb;
	view regclass := _loyalty.view_of(program, 'orders', tracked_table, terms);
BEGIN
	EXECUTE format('SELECT definition FROM %I.tracked_table WHERE tracked_table = $1', program) INTO let_go USING tracked_table;
	RETURN QUERY EXECUTE format($sql$
		SELECT r.award, r.name, r.per,
		       CASE WHEN $1 -> 'awards' -> r.version::text ? r.award::text THEN
		                 _loyalty.reparsed_award($4, $5, r.per, $1 -> 'awards' -> r.version::text ->> r.award::text, r.version, r.name, coalesce(r.points, r.multiplier), r.applies_when)
		            WHEN $1 IS NOT NULL THEN CASE WHEN _loyalty.is_for_table($4, $5, r.event) THEN _loyalty.award_of_terms($4, $5, r.version, r.name, coalesce(r.points, r.multiplier), r.applies_when, r.per) END
		            ELSE nullif(v.expression, 'NULL::numeric') END
		  FROM %I.terms_rule r
		 CROSS JOIN LATERAL _loyalty.view_expression($2, CASE r.per WHEN 'line' THEN 'line_awards' END, format('award_%%s', r.award), r.per = 'order') v
		 WHERE r.version = $3 ORDER BY r.award
		$sql$, program) USING let_go, view, terms, program, tracked_table;
END
$$;
COMMENT ON FUNCTION _loyalty.awards_of(name, int, int) IS
'what the earning rules of one version of the terms say of a tracked table, as SQL';

-- An earning rule over the rows of a tracked table, with every name qualified; nulls if the
-- rule is not for this table.  The row is called by the alias.
CREATE FUNCTION _loyalty.parse_rule(program name, tracked_table int, rule_name text, INOUT points text, INOUT applies_when text, per text,
                                   alias text, search_path text, warn_points boolean, warn_applies_when boolean, what text DEFAULT 'points')
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	facts regclass := format('%I.purchase', program)::regclass;
	customers CONSTANT regclass := _loyalty.customer_table(program);
	sold regclass;
	zone text;
	kind text;
	relation regclass;
	line regclass;
BEGIN
	EXECUTE format('SELECT time_zone FROM %I.program', program) INTO zone;
	EXECUTE format('SELECT s.kind, s.relation, l.relation FROM %1$I.tracked_table s
	                  LEFT JOIN (%1$I.tracked_table l JOIN pg_class c ON c.oid = l.relation)
	                    ON l.of_tracked_table = s.tracked_table AND l.kind = ''lines'' AND (l.active OR (NOT s.active AND l.definition ->> ''with'' = ''orders''))
	                 WHERE s.tracked_table = $1', program) INTO kind, relation, line USING tracked_table;
	IF per = 'line' AND tracked_table IS NOT NULL AND line IS NULL THEN
		points := NULL;
		applies_when := NULL;
		RETURN;
	END IF;
	-- what a line was sold for is known if the lines say their amounts
	IF per = 'line' THEN
		EXECUTE format($q$SELECT '_loyalty.sold'::regclass FROM %I.tracked_table l WHERE l.of_tracked_table = $2 AND l.kind = 'lines' AND _loyalty.definition_of($1, l.tracked_table, NULL) ? 'amount'$q$, program)
		   INTO sold USING program, tracked_table;
	END IF;
	-- refunds are no orders: only what rules say of the purchase fits
	IF kind = 'credits' THEN
		relation := NULL;
	END IF;
	points := (SELECT p.expression FROM _loyalty.parse_expression(points, relation, CASE per WHEN 'line' THEN line END, facts, 'numeric',
		format('%s of the %s', what, _loyalty.rule_label(rule_name)), 'new', alias, zone, search_path, warn_points, member => customers, line_facts => sold) p);
	applies_when := (SELECT p.expression FROM _loyalty.parse_expression(applies_when, relation, CASE per WHEN 'line' THEN line END, facts, 'boolean',
		format('applies_when of the %s', _loyalty.rule_label(rule_name)), 'new', alias, zone, search_path, warn_applies_when, member => customers, line_facts => sold) p);
EXCEPTION WHEN undefined_column OR undefined_table THEN
	IF kind IS DISTINCT FROM 'credits' THEN
		RAISE;
	END IF;
	points := NULL;
	applies_when := NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.parse_rule(name, int, text, text, text, text, text, text, boolean, boolean, text) IS
'check the expressions of an earning rule for a tracked table, and return them with every name qualified';

-- The award of an order by an earning rule that was checked already, as it stands in the
-- view of a tracked table; null if the rule is not for this table.  It always is a CASE, so
-- that its parts can be told again.
CREATE FUNCTION _loyalty.parse_award(program name, tracked_table int, rule_name text, points text, applies_when text, per text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CASE WHEN %s THEN %s ELSE NULL::numeric END', r.applies_when, r.points)
	  FROM _loyalty.parse_rule(program, tracked_table, rule_name, points, applies_when, per, 'tracked', 'pg_catalog, pg_temp', false, false) r
	 WHERE r.points IS NOT NULL
$$;
COMMENT ON FUNCTION _loyalty.parse_award(name, int, text, text, text, text) IS
'the points of an order by an earning rule, as SQL over the row of a tracked table, its line and its purchase';

-- The same for a version of the terms whose view is lost: what its rule names may be gone,
-- or be called otherwise, and the rule can be corrected.  So can all versions that say it.
CREATE FUNCTION _loyalty.award_of_terms(program name, tracked_table int, terms int, rule_name text, points text, applies_when text, per text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	versions text;
	is_new boolean;
BEGIN
	RETURN _loyalty.parse_award(program, tracked_table, rule_name, points, applies_when, per);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	IF SQLSTATE = '42501' THEN
		RAISE;
	END IF;
	EXECUTE format('SELECT relation FROM %I.tracked_table WHERE tracked_table = $1', program) INTO relation USING tracked_table;
	-- what nothing is recorded under is changed for orders to come
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.program p WHERE p.terms = $1) AND $1 NOT IN (SELECT _loyalty.recorded_terms($2, $3))', program)
	   INTO is_new USING terms, program, tracked_table;
	EXECUTE format('SELECT string_agg(version::text, '', '' ORDER BY version) FROM %I.terms_rule WHERE (name, coalesce(points, multiplier), applies_when, per) = ($1, $2, $3, $4)', program)
	   INTO versions USING rule_name, points, applies_when, per;
	RAISE EXCEPTION 'the % of terms % does not hold for table "%"', _loyalty.rule_label(rule_name), terms, relation
		USING ERRCODE = SQLSTATE,
		      DETAIL = format('%s It says %L when %L.', _loyalty.as_sentence(SQLERRM), points, applies_when),
		      HINT = CASE WHEN is_new AND _loyalty.stands_for_campaign(rule_name) THEN format('Change applies_when of the campaign in the table %I.campaign, and try again.', program)
		             WHEN is_new THEN format('Change it, and try again: UPDATE %I.earning_rule SET points = ''...'', applies_when = ''...'' WHERE name = %L.', program, rule_name)
		             ELSE format('Correct it, and try again: UPDATE %I.terms_rule SET %sapplies_when = ''...'' WHERE name = %L AND version IN (%s).',
		                         program, CASE WHEN NOT _loyalty.stands_for_campaign(rule_name) THEN 'points = ''...'', ' ELSE '' END, rule_name, versions) END;
END
$$;
COMMENT ON FUNCTION _loyalty.award_of_terms(name, int, int, text, text, text, text) IS
'the points of an order by an earning rule of some terms, as written; an error that says how to correct it';

CREATE FUNCTION _loyalty.award_parts(view regclass, inside text, "column" text, alias text, OUT points text, OUT applies_when text)
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_award_parts';
COMMENT ON FUNCTION _loyalty.award_parts(regclass, text, text, text) IS
'what an award of the view of a tracked table says, and when: as SQL that calls the row by the alias';

-- What an earning rule says of a tracked table now, whatever was renamed since it was
-- written; nulls if it is not for this table, or was let go of.
CREATE FUNCTION _loyalty.present_rule(program name, tracked_table int, terms int, rule text, alias text, OUT points text, OUT applies_when text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r record;
BEGIN
	EXECUTE format('SELECT award, per FROM %I.terms_rule WHERE version = $1 AND name = $2', program) INTO r USING terms, rule;
	SELECT p.points, p.applies_when INTO points, applies_when
	  FROM _loyalty.award_parts(_loyalty.view_of(program, 'orders', tracked_table, terms), CASE r.per WHEN 'line' THEN 'line_awards' END,
	                           format('award_%s', r.award), alias) p;
END
$$;
COMMENT ON FUNCTION _loyalty.present_rule(name, int, int, text, text) IS 'what an earning rule says of a tracked table now, as SQL that calls the row by the alias';

-- The condition of a tier as it is now.
CREATE FUNCTION _loyalty.present_tier(program name, terms int, tier text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.expression FROM _loyalty.tier_conditions(program, terms) c WHERE c.tier = present_tier.tier
$$;
COMMENT ON FUNCTION _loyalty.present_tier(name, int, text) IS 'the condition of a tier as it is now, as SQL';

-- What the earning rules of some terms say now, and the conditions of campaigns, which stand for rules, too: of several tables, as the first one
-- has it.  Moments are written in the time zone of the program, as in the texts that are stored, whoever calls.
CREATE FUNCTION _loyalty.present_rules(program name, terms int)
RETURNS TABLE (name text, points text, applies_when text, for_members text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'			-- restored at the end
AS $$
BEGIN
	PERFORM set_config('timezone', _loyalty.answer(format('SELECT p.time_zone FROM %I.program p WHERE $1 IS NOT NULL', program), program), true);
	RETURN QUERY EXECUTE format($sql$
		SELECT t.name, x.points, x.applies_when, c.expression
		  FROM %1$I.terms_rule t
		  LEFT JOIN (SELECT DISTINCT ON (r.name) r.name, p.points, p.applies_when
		               FROM %1$I.terms_rule r CROSS JOIN %1$I.tracked_table s
		              CROSS JOIN LATERAL _loyalty.present_rule($1, s.tracked_table, r.version, r.name, 'new') p
		              WHERE r.version = $2 AND s.active AND s.kind IN ('orders', 'events') AND p.points IS NOT NULL
		              ORDER BY r.name, s.tracked_table) x ON x.name = t.name
		  LEFT JOIN _loyalty.member_conditions($1, $2) c ON c.award = t.award
		 WHERE t.version = $2
		$sql$, program) USING program, terms;
END
$$;
COMMENT ON FUNCTION _loyalty.present_rules(name, int) IS 'what the earning rules of some terms say now, whatever was renamed since they were written; nulls where no view tells it';

-- Whoever adds to a text that is out of date writes names that are gone, or mean something else by now.
CREATE FUNCTION _loyalty.refuse_outdated(program name, what text, stored text, written text, present text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF stored <> present AND stored <> written AND strpos(written, stored) > 0 THEN
		RAISE EXCEPTION '% was made of a text that is out of date', what
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Something was renamed since it was stored. It says %s now, and not %s.', present, stored),
			      HINT = format('UPDATE %I.earning_rule SET name = name WHERE false brings all texts of the program up to date. Then repeat it.', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.refuse_outdated(name, text, text, text, text) IS 'an error if an expression was made of its stored text, which is not what it says now';

-- Rules and tiers are shown, and read for tables that are tracked later, as they are now.
CREATE FUNCTION _loyalty.refresh_texts(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
SET timezone = 'UTC'			-- restored at the end
AS $$
DECLARE
	newest int;
	zone text;
	r record;
BEGIN
	EXECUTE format('SELECT terms, time_zone FROM %I.program', program) INTO newest, zone;
	-- moments are written in the time zone of the program, whoever calls
	PERFORM set_config('timezone', zone, true);
	FOR r IN EXECUTE format('SELECT t.name, p.points, p.applies_when, CASE WHEN t.is_campaign THEN t.campaign END AS campaign
	                           FROM %1$I.terms_rule t JOIN _loyalty.present_rules($1, $2) p ON p.name = t.name
	                          WHERE t.version = $2 AND (coalesce(t.points, t.multiplier), t.applies_when) <> (p.points, p.applies_when)
	                          ORDER BY t.name', program) USING program, newest
	LOOP
		IF r.campaign IS NOT NULL THEN
			PERFORM _loyalty.refresh_campaign(program, newest, r.campaign, 'applies_when', r.applies_when);
			CONTINUE;
		END IF;
		EXECUTE format('UPDATE %I.terms_rule SET points = CASE WHEN points IS NOT NULL THEN $1 END, multiplier = CASE WHEN multiplier IS NOT NULL THEN $1 END, applies_when = $2
		                 WHERE version = $3 AND name = $4', program)
			USING r.points, r.applies_when, newest, r.name;
		EXECUTE format('UPDATE %I.earning_rule SET points = CASE WHEN points IS NOT NULL THEN $1 END, multiplier = CASE WHEN multiplier IS NOT NULL THEN $1 END, applies_when = $2
		                 WHERE name = $3', program) USING r.points, r.applies_when, r.name;
	END LOOP;
	FOR r IN EXECUTE format('SELECT t.name, c.expression FROM %I.terms_tier t JOIN _loyalty.tier_conditions($1, $2) c ON c.tier = t.name
	                          WHERE t.version = $2 AND c.expression IS NOT NULL AND t.qualifies <> c.expression', program) USING program, newest
	LOOP
		EXECUTE format('UPDATE %I.terms_tier SET qualifies = $1 WHERE version = $2 AND name = $3', program) USING r.expression, newest, r.name;
		EXECUTE format('UPDATE %I.tier SET qualifies = $1 WHERE name = $2', program) USING r.expression, r.name;
	END LOOP;
	PERFORM _loyalty.refresh_for_members(program, newest);
	PERFORM _loyalty.refresh_metrics(program, newest);
END
$$;
COMMENT ON FUNCTION _loyalty.refresh_texts(name) IS 'bring the texts of rules and tiers up to what the views say, after renames';

-- A view with its comment.
CREATE FUNCTION _loyalty.make_view(program name, view name, query text, comment text)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	command text;
BEGIN
	BEGIN
		EXECUTE format('CREATE OR REPLACE VIEW %I.%I AS %s', program, view, query);
	EXCEPTION WHEN invalid_table_definition THEN
		-- it has other columns now
		EXECUTE format('DROP VIEW %I.%I', program, view);
		EXECUTE format('CREATE VIEW %I.%I AS %s', program, view, query);
	END;
	EXECUTE format('COMMENT ON VIEW %I.%I IS %L', program, view, comment);
	FOR command IN
		SELECT format('COMMENT ON COLUMN %I.%I.%I IS %L', program, view, a.attname, s.text)
		  FROM pg_attribute a
		  JOIN (VALUES ('customer', CASE WHEN view = 'customer' THEN 'key of the customer' ELSE 'the customer whose order it is' END), ('key', 'key of the order, of its own type'), ('order_key', 'key of the order, as text'),
		               ('at', 'when the order was made'), ('counts', 'does it count?'),
		               ('amount', CASE WHEN view ~ '^(orders|archived)' THEN 'amount in the currency of the program, less what was refunded' ELSE 'amount of the row' END),
		               ('currency', 'currency of the order; empty for that of the program'), ('rate', 'by which amounts are multiplied'),
		               ('available_at', 'when its points are available, as it says itself; infinity: not known yet; null: as the wallet says'),
		               ('gross', 'amount before refunds, in the currency of the order'), ('refunded', 'sum of the refunds that count'),
		               ('row_table', 'table, or partition, that has the row'), ('row_id', 'place of the row in it'),
		               ('awards', 'points by all rules, before the multiplier of a tier'),
		               ('award', 'points by the rule of this number in terms_rule, or its factor'),
		               ('value', 'the same, of a rule in force, counted in steps, limited and rounded as the rule says; points of lines multiplied by what multiplies these'),
		               ('tier', 'condition of the tier of this number, from the highest rank down'),
		               ('rule', 'for whom the rule of this number in terms_rule is'), ('metric', 'the metric of this number in terms_metric'),
		               ('customer_row', 'the columns of the customer''s row that metrics use'),
		               ('member', 'the columns of the customer''s row that rules use, as they were when the order was first recorded'),
		               ('parts', 'what each rule gives, by its number in terms_rule, where rules stack when entries are folded; null elsewhere')) s (name, text)
		    ON s.name = regexp_replace(a.attname, '_[0-9]+$', '')
		 WHERE a.attrelid = format('%I.%I', program, view)::regclass AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) IS NULL
	LOOP
		EXECUTE command;
	END LOOP;
	RETURN format('%I.%I', program, view)::regclass;
END
$$;
COMMENT ON FUNCTION _loyalty.make_view(name, name, text, text) IS 'make a view of a program, in place of one of the same name';

CREATE FUNCTION _loyalty.make_part_view(program name, tracked_table int, d jsonb)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	alias text;
	key text;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	alias := CASE s.kind WHEN 'lines' THEN 'line' ELSE 'refund' END;
	key := (SELECT k.expression FROM _loyalty.plain_key(s.relation, alias, d ->> 'key') k);
	RETURN _loyalty.make_view(program, _loyalty.view_name(s.kind, tracked_table),
		CASE s.kind WHEN 'lines' THEN
			format('SELECT (%1$s) AS key, (%1$s)::text COLLATE "C" AS order_key, (%2$s)::numeric AS amount FROM %3$s AS line',
			       key, coalesce(d ->> 'amount', 'NULL::numeric'), s.relation)
		ELSE
			format('SELECT (%1$s) AS key, (%1$s)::text COLLATE "C" AS order_key, said.counts, CASE WHEN said.counts THEN (%2$s)::numeric END AS amount
			          FROM %3$s AS refund CROSS JOIN LATERAL (SELECT (%4$s) AS counts OFFSET 0) AS said',
			       key, d ->> 'amount', s.relation, d ->> 'counts')
		END,
		format('what the rows of table %s mean: %s of orders', s.relation, s.kind));
END
$$;
COMMENT ON FUNCTION _loyalty.make_part_view(name, int, jsonb) IS
'make the view that says what the rows of a table of lines or refunds mean';

-- The rate of an order in another currency: that which it keeps, else the one that was
-- valid when it was made.
CREATE FUNCTION _loyalty.exchange_sql(program name, tracked_table int, key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		CROSS JOIN LATERAL (SELECT CASE WHEN money.currency = '' THEN 1::numeric ELSE coalesce(
			_loyalty.pinned_rate((%3$s)::text, money.currency),
			(SELECT CASE WHEN e.currency = money.currency THEN e.rate END
			   FROM (SELECT l.revision, l.currency, l.rate FROM %1$I.ledger l
			          WHERE l.customer %2$s said.customer AND l.tracked_table = %4$s AND l.order_key = ((%3$s)::text COLLATE "C")
			         UNION ALL
			         SELECT j.revision, j.currency, j.rate FROM %1$I.journal j
			          WHERE j.customer %2$s said.customer AND j.tracked_table = %4$s AND j.order_key = ((%3$s)::text COLLATE "C")) e
			  ORDER BY e.revision DESC LIMIT 1),
			(SELECT r.rate::numeric FROM %1$I.exchange_rate r WHERE r.currency = money.currency AND r.valid_from <= worth.at
			  ORDER BY r.valid_from DESC LIMIT 1)) END AS rate OFFSET 0) AS exchange $sql$,
		program, _loyalty.customer_equality(program), key, tracked_table)
$$;
COMMENT ON FUNCTION _loyalty.exchange_sql(name, int, text) IS 'how the view of a tracked table finds the rate of an order, as SQL for FROM';

-- A key as it is compared: a domain over a type whose operators are polymorphic cannot be
-- compared as what it is, so that is the type below.
CREATE FUNCTION _loyalty.plain_key(relation regclass, alias text, key text, OUT expression text, OUT type regtype, OUT "collation" oid)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	query text := 'SELECT %s FROM (SELECT 1) one LEFT JOIN (SELECT (%s) AS key FROM %s AS %I WHERE false) k ON true';
	base record;
BEGIN
	expression := key;
	"collation" := 0;
	EXECUTE format(query, 'pg_typeof(k.key)', key, relation, alias) INTO type;
	SELECT t.oid, t.typtype, t.typcategory INTO base FROM pg_type t WHERE t.oid = _loyalty.base_type(type);
	IF base.oid <> type::oid AND (base.typtype IN ('e', 'r', 'm') OR base.typcategory = 'A') THEN
		type := base.oid;
		expression := format('(%s)::%s', key, type);
	END IF;
	IF (SELECT t.typcollation <> 0 FROM pg_type t WHERE t.oid = type) THEN
		EXECUTE format(query, 'pg_collation_for(k.key)::regcollation', expression, relation, alias) INTO "collation";
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.plain_key(regclass, text, text) IS 'a key as an expression that can be compared, with its type and collation';

-- What names an order in a row of lines or refunds is compared with the key of the order,
-- and both are known by their text.
CREATE FUNCTION _loyalty.require_same_type(program name, part int, key text, type regtype, order_type regtype, orders_change boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kinds text[];
	s record;
	converted text;
BEGIN
	-- all integers have the same text, and so do all strings
	SELECT array_agg(CASE WHEN b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'integer'
	                      WHEN b.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'string'
	                      ELSE b.oid::text END ORDER BY b.n) INTO kinds
	  FROM unnest(ARRAY[_loyalty.base_type(type), _loyalty.base_type(order_type)]) WITH ORDINALITY b (oid, n);
	IF kinds[1] <> kinds[2] THEN
		EXECUTE format('SELECT kind, relation FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING part;
		converted := format('%s => %L', _loyalty.argument_name(s.kind, 'key'),
			format('(%s)::%s', CASE WHEN key ~ '^(line|refund)\.[^ :()]+$' THEN substr(key, strpos(key, '.') + 1) ELSE key END, order_type));
		RAISE EXCEPTION '% of table "%" must be of the type of the order_key that it names, which is %, not %',
			_loyalty.argument_name(s.kind, 'key'), s.relation, order_type, type
			USING ERRCODE = 'datatype_mismatch',
			      HINT = CASE WHEN orders_change AND s.kind = 'refunds' THEN
			                       format('Call loyalty.untrack(%1$L, %2$L) first, and when the orders have their new key, loyalty.track_refunds(%1$L, %2$L, %3$s, ...).',
			                              program, s.relation, converted)
			             ELSE format('Convert it, as in %s.', converted) END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_same_type(name, int, text, regtype, regtype, boolean) IS
'an error unless what names an order in another table has the type of the key of the order';

-- What a table of lines or refunds adds up to for each order, as SQL behind the FROM that
-- has the key of the order: the sum is the column "amount" of the alias.
CREATE FUNCTION _loyalty.part_join(program name, kind text, part int, alias name, key text, key_type regtype, key_collation oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(' LEFT JOIN (SELECT p.key, sum(p.amount) AS amount FROM %I.%I AS p %s GROUP BY p.key) AS %I ON %s',
	              program, _loyalty.view_name(kind, part), CASE kind WHEN 'refunds' THEN 'WHERE p.counts' END, alias,
	              _loyalty.same_key(format('%I.key', alias), k.type, k.collation, key, key_type, key_collation))
	  FROM _loyalty.view_expression(_loyalty.view_of(program, kind, part), NULL, 'key', false) k
$$;
COMMENT ON FUNCTION _loyalty.part_join(name, text, int, name, text, regtype, oid) IS
'how the sum of the lines or refunds of each order is found, as SQL for FROM';

-- All refunds of an order: how they are found, and their sum; null if there are no tables
-- of refunds.
CREATE FUNCTION _loyalty.refunds_join(program name, tracked_table int, key text, key_type regtype, key_collation oid, OUT joins text, OUT refunded text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		SELECT count(_loyalty.require_same_type($1, s.tracked_table, k.expression, k.type, $3))
		  FROM %I.tracked_table s CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, s.kind, s.tracked_table), NULL, 'key', false) k
		 WHERE s.of_tracked_table = $2 AND s.kind = 'refunds' AND s.active
		$sql$, program) USING program, tracked_table, key_type;
	EXECUTE format($sql$
		SELECT string_agg(_loyalty.part_join($1, 'refunds', s.tracked_table, _loyalty.view_name('refunds', s.tracked_table), $3, $4, $5), '' ORDER BY s.tracked_table),
		       string_agg(format('coalesce(%%I.amount, 0)', _loyalty.view_name('refunds', s.tracked_table)), ' + ' ORDER BY s.tracked_table)
		  FROM %I.tracked_table s WHERE s.of_tracked_table = $2 AND s.kind = 'refunds' AND s.active
		$sql$, program) INTO joins, refunded USING program, tracked_table, key, key_type, key_collation;
END
$$;
COMMENT ON FUNCTION _loyalty.refunds_join(name, int, text, regtype, oid) IS
'how the refunds of an order are found and added up, as SQL; null without tables of refunds';

-- The key of an archived order, of which the text was kept, as a value of its own type.
CREATE FUNCTION _loyalty.key_of_text(order_key text, key_type regtype, key_collation oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('((%s)::%s%s)', order_key, format_type(key_type, -1), _loyalty.collation_clause(key_collation))
$$;
COMMENT ON FUNCTION _loyalty.key_of_text(text, regtype, oid) IS 'the key of an order from its text, as SQL';

-- Archived orders that have no row, as they stand with what was refunded since they were
-- archived.  Points are left in proportion to the amount, multiplied before divided.  Only
-- refunds can change such an order, so a table without refunds has no such view.
CREATE FUNCTION _loyalty.make_archived_view(program name, tracked_table int, key text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	relation regclass;
	k record;
	r record;
	archived_key text;
BEGIN
	EXECUTE format('SELECT relation FROM %I.tracked_table WHERE tracked_table = $1', program) INTO relation USING tracked_table;
	SELECT * INTO k FROM _loyalty.plain_key(relation, 'tracked', key);
	archived_key := _loyalty.key_of_text('tracked.order_key', k.type, k.collation);
	SELECT * INTO r FROM _loyalty.refunds_join(program, tracked_table, archived_key, k.type, k.collation);
	IF r.joins IS NULL THEN
		EXECUTE format('DROP VIEW IF EXISTS %I.%I', program, _loyalty.view_name('archived', tracked_table));
		RETURN;
	END IF;
	PERFORM _loyalty.make_view(program, _loyalty.view_name('archived', tracked_table), format($sql$
		SELECT tracked.customer, %1$s AS key, tracked.order_key, tracked.at,
		       (worth.refunded <= 0 OR worth.amount > 0 OR worth.refunded - worth.refunded <> 0) AS counts, worth.amount, tracked.currency, tracked.rate, tracked.available_at,
		       CASE WHEN worth.refunded = tracked.refunded OR tracked.amount = 0 THEN tracked.awards
		            ELSE tracked.awards * worth.amount / tracked.amount END AS awards,
		       tracked.tableoid AS row_table, tracked.ctid AS row_id,
		       CASE WHEN tracked.parts IS NULL OR worth.refunded = tracked.refunded OR tracked.amount = 0 THEN tracked.parts
		            ELSE ARRAY(SELECT CASE WHEN r.multiplier IS NULL THEN p.part * worth.amount / tracked.amount ELSE p.part END
		                         FROM unnest(tracked.parts) WITH ORDINALITY AS p (part, award)
		                         LEFT JOIN %2$I.terms_rule AS r ON r.version = tracked.terms AND r.award = p.award ORDER BY p.award) END AS parts, NULL::jsonb AS member
		  FROM %2$I.archived AS tracked %3$s
		 CROSS JOIN LATERAL (SELECT %4$s AS refunded, tracked.amount - (%4$s - tracked.refunded) * tracked.rate AS amount) AS worth
		 WHERE tracked.tracked_table = %5$s
		   AND NOT EXISTS (SELECT FROM (SELECT (%6$s) AS key FROM %7$s AS tracked) AS present WHERE %8$s)
		$sql$, archived_key, program, r.joins, r.refunded, tracked_table, k.expression, relation,
		_loyalty.same_key('present.key', k.type, k.collation, archived_key, k.type, k.collation)),
		format('archived orders of table %s that have no row, less what was refunded since', relation));
END
$$;
COMMENT ON FUNCTION _loyalty.make_archived_view(name, int, text) IS
'make the view that says how archived orders of a table with refunds stand';

-- Which orders there are, and whose they are, whatever they are worth.
CREATE FUNCTION _loyalty.make_identity_view(program name, tracked_table int, d jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	key text;
BEGIN
	EXECUTE format('SELECT relation FROM %I.tracked_table WHERE tracked_table = $1', program) INTO relation USING tracked_table;
	key := (SELECT k.expression FROM _loyalty.plain_key(relation, 'tracked', d ->> 'key') k);
	PERFORM _loyalty.make_view(program, _loyalty.view_name('orders', tracked_table),
		format('SELECT (%1$s) AS customer, (%2$s) AS key, (%2$s)::text COLLATE "C" AS order_key, tracked.tableoid AS row_table, tracked.ctid AS row_id
		          FROM %3$s AS tracked', d ->> 'customer', key, relation),
		format('which order each row of table %s is: its customer and its key', relation));
	PERFORM _loyalty.make_archived_view(program, tracked_table, d ->> 'key');
END
$$;
COMMENT ON FUNCTION _loyalty.make_identity_view(name, int, jsonb) IS 'make the view that says which orders the rows of a table are';

-- The query of the view of orders, from its expressions and those of the awards: an array of texts, null
-- where a rule is not for this table, in the order of the rules.
-- Refunds that are not finite, less themselves, are not 0: the order counts, for the amount to be refused.
CREATE FUNCTION _loyalty.orders_sql(program name, tracked_table int, terms int, d jsonb, awards jsonb, row_source text DEFAULT NULL, line_source text DEFAULT NULL, member_keys text[] DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
	part record;
	k record;
	rule record;
	key text;
	key_type regtype;
	key_collation oid;
	joins text := '';
	refunded text := '0::numeric';
	has_refunds boolean := false;
	has_parts boolean := false;
	gross text := d ->> 'amount';
	line_relation regclass;
	line_is_same text;
	line_columns text;
	order_sum text := '';
	line_sum text := '';
	columns text := '';
	line_join text := '';
	in_currency boolean := d ->> 'currency' IS NOT NULL;
	is_simulated CONSTANT boolean := row_source IS NOT NULL;
	is_plain CONSTANT boolean := _loyalty.rules_are_plain(program, terms);
	line_factors text;
	has_factors boolean := false;
	line_amount text;
	remaining text;
	stacked record;
	parts text := 'NULL::numeric[]';
	member record;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	SELECT * INTO key, key_type, key_collation FROM _loyalty.plain_key(s.relation, 'tracked', d ->> 'key');

	FOR part IN EXECUTE format('SELECT * FROM %I.tracked_table WHERE of_tracked_table = $1 AND active AND kind <> ''credits'' ORDER BY tracked_table', program) USING tracked_table
	LOOP
		SELECT * INTO k FROM _loyalty.view_expression(_loyalty.view_of(program, part.kind, part.tracked_table), NULL, 'key', false);
		PERFORM _loyalty.require_same_type(program, part.tracked_table, k.expression, k.type, key_type);
		has_parts := true;
		IF part.kind = 'lines' THEN
			line_relation := part.relation;
			line_is_same := CASE WHEN is_simulated THEN 'true' ELSE _loyalty.same_key(k.expression, k.type, k.collation, key, key_type, key_collation) END;
			CONTINUE WHEN gross IS NOT NULL;
		END IF;
		-- an order that is not there has the lines that are given, and no refunds
		CONTINUE WHEN is_simulated AND part.kind = 'refunds';
		joins := joins || CASE WHEN is_simulated THEN
			format(' CROSS JOIN (SELECT sum(%s) AS amount FROM %s AS line) AS lines', a.expression, line_source)
			ELSE _loyalty.part_join(program, part.kind, part.tracked_table,
			CASE part.kind WHEN 'lines' THEN 'lines' ELSE _loyalty.view_name(part.kind, part.tracked_table) END, key, key_type, key_collation) END
			FROM _loyalty.view_expression(_loyalty.view_of(program, part.kind, part.tracked_table), NULL, 'amount', false) a;
		IF part.kind = 'lines' THEN
			gross := 'CASE WHEN kept.amount IS NULL THEN lines.amount ELSE coalesce(lines.amount, 0) + kept.amount END';
			IF d ? 'discount' THEN
				gross := format('(%s) - coalesce((%s)::numeric, 0)', gross, d ->> 'discount');
			END IF;
		ELSE
			has_refunds := true;
			refunded := refunded || format(' + coalesce(%I.amount, 0)', _loyalty.view_name(part.kind, part.tracked_table));
		END IF;
	END LOOP;

	-- what lines and refunds gave that have left their tables
	IF has_parts THEN
		joins := joins || CASE WHEN is_simulated THEN ' CROSS JOIN (SELECT NULL::numeric AS amount, NULL::numeric AS awards, NULL::numeric[] AS parts) AS kept'
			ELSE format(' LEFT JOIN %I.kept AS kept ON kept.tracked_table = %s AND kept.order_key = ((%s)::text COLLATE "C")', program, tracked_table, key) END;
		IF has_refunds THEN
			refunded := refunded || ' + coalesce(kept.refunded, 0)';
		END IF;
	END IF;

	IF has_refunds THEN
		remaining := 'CASE WHEN worth.refunded = 0 OR worth.gross = 0 THEN %1$s ELSE (%1$s) * (worth.gross - worth.refunded) / worth.gross END';
	END IF;
	IF NOT is_plain AND line_relation IS NOT NULL THEN
		line_factors := _loyalty.line_factors_sql(program, terms, awards);
	END IF;
	IF line_relation IS NOT NULL THEN
		has_factors := line_factors IS NOT NULL;
		PERFORM _loyalty.require_lines_to_share(s.relation, line_relation, d);
		EXECUTE format($q$SELECT _loyalty.definition_of($1, l.tracked_table, NULL) ->> 'amount' FROM %I.tracked_table l WHERE l.of_tracked_table = $2 AND l.active AND l.kind = 'lines'$q$, program)
		   INTO line_amount USING program, tracked_table;
		line_factors := nullif(concat(_loyalty.sold_join(d, awards, line_relation, coalesce(line_source, line_relation::text), line_amount, line_is_same), line_factors), '');
	ELSIF d ? 'discount' THEN
		PERFORM _loyalty.require_lines_to_share(s.relation, NULL, d);
	END IF;
	FOR rule IN SELECT r.award, r.per, r.multiplies, awards ->> (r.award - 1) AS expression, _loyalty.in_force_sql(r.starts, r.ends, r.minimum_order, r.gate, r.gate_starts, r.gate_ends, awards) AS in_force
	              FROM _loyalty.stacked_rules(program, terms) r ORDER BY r.award
	LOOP
		-- what is not in force is not evaluated, and cannot fail
		IF rule.expression IS NULL OR (rule.per = 'line' AND line_relation IS NULL) THEN
			columns := columns || format(', NULL::numeric AS award_%s', rule.award);
		ELSIF rule.per = 'line' THEN
			-- the filter makes it an aggregate over lines, whatever the rule uses
			line_columns := concat_ws(', ', line_columns,
				format('sum(%s) FILTER (WHERE %s) AS award_%s', rule.expression, concat_ws(' AND ', 'line.tableoid IS NOT NULL', rule.in_force), rule.award),
				CASE WHEN NOT is_plain AND NOT rule.multiplies THEN
				     format('sum(%s) FILTER (WHERE %s) AS worth_%s', concat_ws(' * ', format('(%s)', rule.expression), CASE WHEN has_factors THEN 'line_factors.product' END),
				            concat_ws(' AND ', 'line.tableoid IS NOT NULL', rule.in_force), rule.award) END);
			line_sum := concat_ws(' + ', nullif(line_sum, ''), format('coalesce(line_awards.award_%s, 0)', rule.award));
			columns := columns || format(', CASE WHEN purchase.counts THEN %s END AS award_%s',
				format(coalesce(remaining, '%s'), format('line_awards.award_%s', rule.award)), rule.award);
		ELSE
			order_sum := concat_ws(' + ', nullif(order_sum, ''), format('coalesce(%s, 0)', rule.expression));
			columns := columns || format(', CASE WHEN %s THEN (%s) END AS award_%s', concat_ws(' AND ', 'purchase.counts', rule.in_force), rule.expression, rule.award);
		END IF;
	END LOOP;
	IF line_columns IS NOT NULL THEN
		line_join := format(' CROSS JOIN LATERAL (SELECT %s FROM %s AS line%s WHERE %s AND purchase.counts OFFSET 0) AS line_awards',
		                    line_columns, coalesce(line_source, line_relation::text), line_factors, line_is_same);
		-- one division for all lines and rules: shares of thirds add up
		line_sum := format(coalesce(remaining, '%s'), line_sum || ' + coalesce(kept.awards, 0)');
	END IF;
	IF NOT is_plain THEN
		SELECT * INTO stacked FROM _loyalty.stack_orders(program, terms, awards, line_relation IS NOT NULL, remaining);
		line_join := line_join || coalesce(stacked.joins, '');
		order_sum := stacked.awards;
		columns := columns || coalesce(stacked.columns, '');
		line_sum := CASE WHEN line_columns IS NOT NULL THEN format(coalesce(remaining, '%s'), 'coalesce(kept.awards, 0)') END;
	END IF;
	SELECT * INTO member FROM _loyalty.member_join(program, tracked_table, terms, key, awards, member_keys, is_simulated);
	IF _loyalty.terms_fold(program, terms) THEN
		parts := format('CASE WHEN purchase.counts THEN %s END',
		                format(coalesce(member.erased_parts, '%s'), _loyalty.parts_sql(program, terms, awards, line_relation IS NOT NULL, remaining)));
		order_sum := '0';
		line_sum := NULL;
	END IF;

	RETURN format($sql$
		SELECT said.customer, (%1$s) AS key, (%1$s)::text COLLATE "C" AS order_key, worth.at, purchase.counts, purchase.amount,
		       %2$s AS currency, purchase.rate, %18$s AS available_at, worth.gross, worth.refunded, tracked.tableoid AS row_table, tracked.ctid AS row_id,
		       CASE WHEN purchase.counts THEN (%3$s)::numeric END AS awards, %19$s AS parts,
		       CASE WHEN purchase.counts THEN %20$s END AS member %4$s
		  FROM %5$s AS tracked %6$s
		 CROSS JOIN LATERAL (SELECT (%7$s) AS customer, (%8$s) AS counts OFFSET 0) AS said
		 CROSS JOIN LATERAL (SELECT CASE WHEN said.counts THEN (%9$s)::timestamptz END AS at, CASE WHEN said.counts THEN (%10$s)::numeric END AS gross,
		                            (%11$s)::numeric AS refunded %12$s OFFSET 0) AS worth %13$s
		 CROSS JOIN LATERAL (SELECT said.customer, worth.at, %14$s AS amount, %15$s AS rate,
		                            (coalesce(said.counts, false) AND said.customer IS NOT NULL AND worth.at IS NOT NULL
		                             AND worth.gross IS NOT NULL %16$s) AS counts OFFSET 0) AS purchase %17$s $sql$,
		key,
		CASE WHEN in_currency THEN 'money.currency' ELSE '''''::text COLLATE "C"' END,
		format(coalesce(member.erased, '%s'), coalesce(nullif(concat_ws(' + ', nullif(order_sum, ''), nullif(line_sum, '')), ''), '0')),
		columns, coalesce(row_source, s.relation::text), joins, d ->> 'customer', d ->> 'counts', d ->> 'at', coalesce(gross, 'NULL::numeric'), refunded,
		concat(CASE WHEN in_currency THEN format(', CASE WHEN said.counts THEN (%s) END AS paid_in', d ->> 'currency') END,
		       CASE WHEN d ? 'available_at' THEN format(', CASE WHEN said.counts THEN (%s)::timestamptz END AS available_at', d ->> 'available_at') END,
		       CASE WHEN d ? 'discount' THEN format(', CASE WHEN said.counts THEN (%s)::numeric END AS discount', d ->> 'discount') END,
		       CASE WHEN d ? 'discount_scale' THEN format(', %s AS discount_scale', d ->> 'discount_scale') END),
		CASE WHEN in_currency THEN
			' CROSS JOIN LATERAL (SELECT coalesce(worth.paid_in::text, '''') COLLATE "C" AS currency OFFSET 0) AS money'
			|| _loyalty.exchange_sql(program, tracked_table, key) END,
		CASE WHEN has_refunds THEN '(worth.gross - worth.refunded)' ELSE 'worth.gross' END
			|| CASE WHEN in_currency THEN ' * exchange.rate' ELSE '' END,
		CASE WHEN in_currency THEN 'exchange.rate' ELSE '1::numeric' END,
		CASE WHEN has_refunds THEN 'AND (worth.refunded <= 0 OR worth.gross > worth.refunded OR worth.refunded - worth.refunded <> 0)' ELSE '' END
			|| CASE WHEN in_currency THEN ' AND exchange.rate IS NOT NULL' ELSE '' END,
		concat(member.joins, line_join), CASE WHEN d ? 'available_at' THEN 'worth.available_at' ELSE 'NULL::timestamptz' END, parts, coalesce(member.kept, 'NULL::jsonb'));
END
$$;
COMMENT ON FUNCTION _loyalty.orders_sql(name, int, int, jsonb, jsonb, text, text, text[]) IS
'the query that says what the rows of a table of orders mean under one version of the terms, or what those of another source would';

CREATE FUNCTION _loyalty.make_orders_view(program name, tracked_table int, terms int, d jsonb, awards jsonb, member_keys text[] DEFAULT NULL)
RETURNS regclass
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s record;
BEGIN
	EXECUTE format('SELECT * FROM %I.tracked_table WHERE tracked_table = $1', program) INTO s USING tracked_table;
	RETURN _loyalty.make_view(program, _loyalty.view_name(s.kind, tracked_table, terms), _loyalty.orders_sql(program, tracked_table, terms, d, awards, member_keys => member_keys),
		format('what the rows of table %s mean under version %s of the terms', s.relation, terms));
END
$$;
COMMENT ON FUNCTION _loyalty.make_orders_view(name, int, int, jsonb, jsonb, text[]) IS
'make the view that says what the rows of a table of orders mean under one version of the terms';

-- All views of a table of orders, anew: of every version of the terms since it was tracked
-- first, from what they say now, or from "d" in place of that.
CREATE FUNCTION _loyalty.make_views(program name, tracked_table int, d jsonb DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.is_written_by_hand()
AS $$
DECLARE
	v record;
	versions jsonb := '[]';
	member_keys CONSTANT text[] := _loyalty.member_keys_of(program, tracked_table);
BEGIN
	-- a table that is paused begins anew by resume() alone, which brings what is to be said of it
	PERFORM _loyalty.require_not_paused(program, tracked_table) WHERE d IS NULL;
	-- all is read before anything is made: what is let go of goes then
	FOR v IN EXECUTE format('SELECT t.version, s.definition FROM %1$I.terms t JOIN %1$I.tracked_table s ON s.tracked_table = $1 AND t.version >= s.terms ORDER BY 1', program) USING tracked_table
	LOOP
		CONTINUE WHEN _loyalty.view_of(program, 'orders', tracked_table, v.version) IS NULL
		          AND NOT coalesce(v.definition -> 'awards' ? v.version::text, false);
		versions := versions || jsonb_build_object('terms', v.version,
			'definition', coalesce(d, _loyalty.definition_of(program, tracked_table, v.version)),
			'awards', (SELECT coalesce(jsonb_agg(a.expression ORDER BY a.award), '[]') FROM _loyalty.awards_of(program, tracked_table, v.version) a));
	END LOOP;
	EXECUTE format('UPDATE %I.tracked_table SET definition = NULL WHERE tracked_table = $1 AND definition IS NOT NULL', program) USING tracked_table;
	FOR v IN SELECT (x ->> 'terms')::int AS terms, x -> 'definition' AS definition, x -> 'awards' AS awards FROM jsonb_array_elements(versions) x
	LOOP
		PERFORM _loyalty.make_identity_view(program, tracked_table, v.definition);
		PERFORM _loyalty.make_orders_view(program, tracked_table, v.terms, v.definition, v.awards, member_keys);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.make_views(name, int, jsonb) IS
'make the views of a table of orders anew, of every version of the terms, with the expressions given or those that they have';

-- What an earning rule says, as it was written, or as the view has it if a column was
-- renamed since.
CREATE FUNCTION _loyalty.award_in_force(program name, tracked_table int, terms int, rule_name text, points text, applies_when text, per text, known text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN _loyalty.award_of_terms(program, tracked_table, terms, rule_name, points, applies_when, per);
EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR undefined_object THEN
	IF known IS NULL THEN
		RAISE;
	END IF;
	RETURN known;
END
$$;
COMMENT ON FUNCTION _loyalty.award_in_force(name, int, int, text, text, text, text, text) IS
'the points of an order by an earning rule, as written, or as known where a name in it is another by now';

-- The view of a table of orders under the terms in force, or older ones whose view is
-- lost, whose rules are parsed for it.
CREATE FUNCTION _loyalty.define_orders(program name, tracked_table int, d jsonb, terms int DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	awards jsonb;
	current_terms int := terms;
BEGIN
	IF terms IS NULL THEN
		EXECUTE format('SELECT terms FROM %I.program', program) INTO current_terms;
	END IF;
	EXECUTE format('SELECT coalesce(jsonb_agg(CASE WHEN _loyalty.is_for_table($1, $2, r.event) THEN _loyalty.award_in_force($1, $2, $3, r.name, coalesce(r.points, r.multiplier), r.applies_when, r.per, a.expression) END ORDER BY r.award), ''[]'')
	                  FROM %I.terms_rule r LEFT JOIN _loyalty.awards_of($1, $2, $3) a ON a.award = r.award WHERE r.version = $3', program)
	   INTO awards USING program, tracked_table, current_terms;
	PERFORM _loyalty.make_identity_view(program, tracked_table, d);
	PERFORM _loyalty.make_orders_view(program, tracked_table, current_terms, d, awards);
END
$$;
COMMENT ON FUNCTION _loyalty.define_orders(name, int, jsonb, int) IS
'make the view of a table of orders under the terms in force, or others, from what was written';

-- The conditions of the tiers of one version of the terms, from the highest rank down.
CREATE FUNCTION _loyalty.tier_conditions(program name, terms int, flat boolean DEFAULT false)
RETURNS TABLE (n bigint, tier text, expression text, columns text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT t.n, t.name, v.expression, v.columns
	                               FROM (SELECT name, row_number() OVER (ORDER BY rank DESC) AS n FROM %I.terms_tier WHERE version = $2) t
	                              CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, ''tiers'', $2), NULL, format(''tier_%%s'', t.n), false, $3) v
	                              ORDER BY t.n', program) USING program, terms, flat;
END
$$;
COMMENT ON FUNCTION _loyalty.tier_conditions(name, int, boolean) IS
'the conditions of the tiers of one version of the terms as SQL, from the highest rank down, with the columns that they use; flat: over facts alone';

-- The view of the tiers of one version of the terms; none without tiers, or where the
-- condition of one is null.
CREATE FUNCTION _loyalty.make_tiers_view(program name, terms int, conditions text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(conditions) > 0 AND array_position(conditions, NULL) IS NULL THEN
		PERFORM _loyalty.make_view(program, _loyalty.view_name('tiers', terms),
			format('SELECT %s FROM %s', (SELECT string_agg(format('(%s) AS tier_%s', c, n), ', ' ORDER BY n) FROM unnest(conditions) WITH ORDINALITY x (c, n)),
			       _loyalty.facts_sql(program, terms, 'facts')),
			format('conditions of the tiers under version %s of the terms, from the highest rank down', terms));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.make_tiers_view(name, int, text[]) IS 'make the view that has the conditions of the tiers of one version of the terms';

-- All views of definitions as they are, from expressions that are checked once more: an
-- owner who gave the program away may have put anything there.  With lost ones, those of
-- tables of which something was dropped stay as they are, for verify() to say what helps.
CREATE FUNCTION _loyalty.renew_views(program name, with_lost boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'
AS $$
DECLARE
	s record;
	v record;
	expected name[] := '{}';
	stranger name;
BEGIN
	FOR s IN EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE definition IS NULL
	                         ORDER BY kind IN (''orders'', ''credits'', ''events''), tracked_table', program)
	LOOP
		IF with_lost AND _loyalty.has_lost_views(program, s.tracked_table, s.newest) THEN
			expected := expected || ARRAY(SELECT c.relname FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relname ~ format('^[a-z]+_%s(_|$)', s.tracked_table));
			CONTINUE;
		END IF;
		IF s.kind IN ('lines', 'refunds') THEN
			PERFORM _loyalty.make_part_view(program, s.tracked_table, _loyalty.reparsed(program, s.tracked_table, _loyalty.definition_of(program, s.tracked_table, NULL)));
			expected := expected || _loyalty.view_name(s.kind, s.tracked_table);
			CONTINUE;
		END IF;
		FOR v IN EXECUTE format('SELECT version FROM %I.terms WHERE version >= $1', program) USING s.terms
		LOOP
			CONTINUE WHEN _loyalty.view_of(program, s.kind, s.tracked_table, v.version) IS NULL;
			PERFORM _loyalty.make_orders_view(program, s.tracked_table, v.version, _loyalty.reparsed(program, s.tracked_table, x.d), x.awards)
			   FROM (SELECT _loyalty.definition_of(program, s.tracked_table, v.version) AS d,
			                coalesce(jsonb_agg(_loyalty.reparsed_award(program, s.tracked_table, a.per, a.expression) ORDER BY a.award), '[]') AS awards
			           FROM _loyalty.awards_of(program, s.tracked_table, v.version) a OFFSET 0) x;
			expected := expected || _loyalty.view_name(s.kind, s.tracked_table, v.version);
		END LOOP;
		PERFORM _loyalty.make_identity_view(program, s.tracked_table, _loyalty.reparsed(program, s.tracked_table, _loyalty.definition_of(program, s.tracked_table, s.newest)));
		expected := expected || _loyalty.view_name(s.kind, s.tracked_table) || _loyalty.view_name('archived', s.tracked_table);
	END LOOP;
	expected := expected || _loyalty.renew_metric_views(program);
	FOR v IN EXECUTE format('SELECT terms, array_agg(p.expression ORDER BY t.n) AS conditions
	                           FROM (SELECT version AS terms, name, row_number() OVER (PARTITION BY version ORDER BY rank DESC) AS n FROM %1$I.terms_tier) t
	                          CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, ''tiers'', t.terms), NULL, format(''tier_%%s'', t.n), false) e
	                          CROSS JOIN LATERAL _loyalty.parse_expression(e.expression, NULL, NULL, %2$L::regclass, ''boolean'', ''qualifies of a tier'',
	                                     NULL, NULL, NULL, ''pg_catalog, pg_temp'', false, parts => _loyalty.condition_parts($1, t.terms)) p GROUP BY terms', program, format('%I.facts', program)) USING program
	LOOP
		PERFORM _loyalty.make_tiers_view(program, v.terms, v.conditions);
		expected := expected || _loyalty.view_name('tiers', v.terms);
	END LOOP;
	expected := expected || _loyalty.renew_for_members(program);
	PERFORM _loyalty.renew_metrics(program);
	SELECT c.relname INTO stranger FROM pg_class c
	 WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'v' AND _loyalty.is_definition(c.relname) AND c.relname <> ALL (expected)
	 LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'the schema of loyalty program "%" holds what is not of the program', program
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('view %s', stranger), HINT = 'Drop it.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.renew_views(name, boolean) IS
'make all views of tracked tables, tiers and metrics anew, from expressions that are checked once more';
