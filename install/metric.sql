-- Metrics --------------------------------------------------------------------------------
--
-- A metric is an SQL expression over what is known of a customer at a moment: sums, the history of orders and of each
-- kind of events, and columns of the customer's row.  Those of a version of the terms are the columns metric_1 ... of the view
-- metrics_<terms>, over the type "facts".  Conditions of tiers and of rules name metrics and kinds of events; their views compute
-- these in parts of their own, "event", "member" and "metric", so that PostgreSQL keeps all of it right.
--
-- What users read is the view "metrics", with a column for each metric in force.

CREATE FUNCTION _loyalty.metric_value(program regclass, terms int, number int, spend numeric, orders bigint, points_earned numeric, joined_at timestamptz,
                                     first_order_at timestamptz, last_order_at timestamptz, at timestamptz, reader uuid, purchases loyalty.history, events _loyalty.event_history[], customer_row jsonb,
                                     type anyelement)
RETURNS anyelement
LANGUAGE c STABLE PARALLEL UNSAFE COST 10
AS 'MODULE_PATHNAME', 'loyalty_metric_value';
COMMENT ON FUNCTION _loyalty.metric_value(regclass, int, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb, anyelement) IS
'a metric, by its number under some terms, of a customer of whom these facts are known; null if it fails; the last argument is of no meaning but its type';

-- The histories of the kinds of events that are known, as a part of a view: SQL for FROM, or null if there are none.
CREATE FUNCTION _loyalty.event_part(program name)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format($sql$
		SELECT 'SELECT ' || string_agg(format('_loyalty.event_history(facts.events, %%L) AS %%I', k.event, k.event), ', ' ORDER BY k.event COLLATE "C")
		  FROM (SELECT DISTINCT s.event FROM %I.tracked_table s WHERE s.event IS NOT NULL AND octet_length(s.event) < 64) k
		$sql$, program) INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.event_part(name) IS 'the histories of each kind of events, out of the facts, as a query';

-- The columns of the customer's row that expressions use, as a part of a view.  They are read from what the facts have of the row;
-- the table is joined only so that PostgreSQL knows which columns these are, and what they are called.
CREATE FUNCTION _loyalty.member_part(program name, columns text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'SELECT ' || string_agg(format('CASE WHEN facts.customer_row ? %1$L::text THEN (facts.customer_row ->> %1$L)::%2$s ELSE person.%3$I END AS %3$I', a.attname, format_type(a.atttypid, a.atttypmod), a.attname), ', ' ORDER BY a.attname)
	       || format(' FROM (SELECT 1) AS one LEFT JOIN %s AS person ON false', t.customers)
	  FROM (SELECT _loyalty.customer_table(program) AS customers) t JOIN pg_attribute a ON a.attrelid = t.customers AND a.attname = ANY (columns) AND NOT a.attisdropped
	 GROUP BY t.customers
$$;
COMMENT ON FUNCTION _loyalty.member_part(name, text[]) IS 'columns of the customer''s row, out of the facts, as a query';

-- The metrics of a version of the terms, with their expressions as they are now, and their types.
CREATE FUNCTION _loyalty.metrics_of(program name, terms int)
RETURNS TABLE (number int, kind text, rating text, name text, expression text, type text, uses text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT m.number, m.kind, m.rating, m.name, v.expression, format_type(v.type, NULL), v.columns
		  FROM %I.terms_metric m
		 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'metrics', $2), NULL, format('metric_%%s', m.number), false) v
		 WHERE m.version = $2 AND v.expression IS NOT NULL ORDER BY m.number $sql$, program) USING program, terms;
END
$$;
COMMENT ON FUNCTION _loyalty.metrics_of(name, int) IS 'the metrics of a version of the terms, and the conditions of ratings, as SQL, with their types and the columns that they use; none whose view is lost';

CREATE FUNCTION _loyalty.member_columns_of(uses text[])
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(DISTINCT substr(u, length('member.') + 1)), '{}') FROM unnest(uses) u WHERE u LIKE 'member.%'
$$;
COMMENT ON FUNCTION _loyalty.member_columns_of(text[]) IS 'the columns of the customer''s row among those that an expression uses';

-- What conditions under some terms may name besides the facts: for the parser, kinds of events and metrics, of which only the type counts.
CREATE FUNCTION _loyalty.condition_parts(program name, terms int)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_cat(CASE WHEN e.part IS NOT NULL THEN ARRAY['event', e.part] END, CASE WHEN m.part IS NOT NULL THEN ARRAY['metric', m.part] END)
	  FROM (SELECT _loyalty.event_part(program) AS part) e
	 CROSS JOIN (SELECT 'SELECT ' || string_agg(format('NULL::%s AS %I', x.type, x.name), ', ' ORDER BY x.number) AS part FROM _loyalty.metrics_of(program, terms) x WHERE x.kind = 'metric') m
$$;
COMMENT ON FUNCTION _loyalty.condition_parts(name, int) IS 'what conditions under some terms may name besides the facts, as names and queries for _loyalty.parse_expression';

-- What is computed of a row of facts, behind it in FROM.
CREATE FUNCTION _loyalty.parts_sql(program name, terms int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(', LATERAL (' || _loyalty.event_part(program) || ') AS event', '')
	       || coalesce(', LATERAL (' || _loyalty.member_part(program, m.columns) || ') AS member', '')
	       || coalesce(', LATERAL (SELECT ' || m.list || ') AS metric', '')
	  FROM (SELECT string_agg(format('(%s) AS %I', x.expression, x.name), ', ' ORDER BY x.number) AS list,
	               (SELECT array_agg(c) FROM _loyalty.metrics_of(program, terms) y CROSS JOIN LATERAL unnest(_loyalty.member_columns_of(y.uses)) c WHERE y.kind = 'metric') AS columns
	          FROM _loyalty.metrics_of(program, terms) x WHERE x.kind = 'metric') m
$$;
COMMENT ON FUNCTION _loyalty.parts_sql(name, int) IS 'histories of events and the metrics of some terms, of a row of facts, as SQL for FROM behind it';

-- What the views of conditions read: a row of facts, of the type that is named, and what is computed of it.
CREATE FUNCTION _loyalty.facts_sql(program name, terms int, facts name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(SELECT (NULL::%I.%I).*) AS facts%s', program, facts, _loyalty.parts_sql(program, terms))
$$;
COMMENT ON FUNCTION _loyalty.facts_sql(name, int, name) IS 'a row of facts, with histories of events and the metrics of some terms, as SQL for FROM';

-- What errors call a metric, or a condition of a rating.
CREATE FUNCTION _loyalty.metric_label(kind text, rating text, name text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE kind WHEN 'metric' THEN format('metric "%s"', name) WHEN 'grade' THEN format('condition of the grade "%s" of the rating "%s"', name, rating)
	       ELSE format('condition of the step "%s" of the rating "%s"', name, rating) END
$$;
COMMENT ON FUNCTION _loyalty.metric_label(text, text, text) IS 'what errors call a metric, or a condition of a rating';

-- A metric, or a condition of a rating, as SQL with every name qualified, and its type.  Conditions name metrics of the terms.
CREATE FUNCTION _loyalty.parse_metric(program name, kind text, rating text, metric text, INOUT expression text, search_path text, warn boolean, terms int DEFAULT NULL, OUT type regtype, OUT member_columns text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zone text;
	newest int;
	parts text[];
BEGIN
	EXECUTE format('SELECT time_zone, terms FROM %I.program', program) INTO zone, newest;
	parts := _loyalty.condition_parts(program, coalesce(terms, newest));
	IF kind = 'metric' THEN
		parts := CASE WHEN parts[1] = 'event' THEN parts[1:2] END;
	END IF;
	SELECT p.expression, p.type, p.member_columns INTO expression, type, member_columns
	  FROM _loyalty.parse_expression(expression, NULL, NULL, format('%I.facts', program)::regclass, CASE kind WHEN 'metric' THEN 'anyelement'::regtype ELSE 'boolean' END,
	                                 'the ' || _loyalty.metric_label(kind, rating, metric), NULL, NULL, zone, search_path, warn,
	                                 member => _loyalty.customer_table(program), parts => parts) p;
END
$$;
COMMENT ON FUNCTION _loyalty.parse_metric(name, text, text, text, text, text, boolean, int) IS
'check a metric, or a condition of a rating, and return it with every name qualified, its type, and the columns of the customer''s row that it uses';

-- All that the terms have as metrics: these, and the conditions of ratings.
CREATE FUNCTION _loyalty.configured_metrics_sql(program name)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$SELECT 'metric' AS kind, NULL::text AS rating, m.name, m.expression, NULL::int AS place, NULL::int AS steps, NULL::text AS bound FROM %1$I.metric m
	                   UNION ALL SELECT 'grade', g.rating, g.grade, g.qualifies, g.rank, NULL, NULL FROM %1$I.rating g
	                   UNION ALL SELECT 'step', s.rating, s.reason, s.condition, s.priority, s.steps, s.bound FROM %1$I.rating_step s$sql$, program)
$$;
COMMENT ON FUNCTION _loyalty.configured_metrics_sql(name) IS 'the metrics of a program and the conditions of its ratings, as the terms have them, as a query';

CREATE FUNCTION _loyalty.check_metric()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	taken text;
	version int;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' OR NEW.name IS NULL OR NEW.expression IS NULL THEN
		RETURN NEW;
	END IF;
	IF tg_table_name = 'metric' AND (NEW.name = '' OR octet_length(NEW.name) > 63) THEN
		RAISE EXCEPTION 'the name of a metric must have from 1 to 63 bytes'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It has %s. The view "metrics" has a column of this name.', octet_length(NEW.name)), HINT = 'Give it another name.';
	END IF;
	SELECT 'something of all customers' INTO taken FROM pg_attribute a
	 WHERE tg_table_name = 'metric' AND a.attrelid IN (format('%I.rule_facts', tg_table_schema)::regclass, format('%I.member_facts', tg_table_schema)::regclass) AND a.attname = NEW.name AND a.attnum > 0;
	IF taken IS NULL AND tg_op = 'INSERT' THEN
		EXECUTE format('SELECT ''the history of events of this kind'' FROM %I.tracked_table s WHERE s.event = $1', tg_table_schema) INTO taken USING NEW.name;
	END IF;
	IF taken IS NOT NULL THEN
		RAISE EXCEPTION 'a metric cannot be called "%"', NEW.name
			USING ERRCODE = 'duplicate_object', DETAIL = format('Conditions know %s by this name.', taken), HINT = 'Give it another name.';
	END IF;
	IF tg_op = 'UPDATE' AND NEW.name <> OLD.name AND NEW.expression = OLD.expression THEN
		EXECUTE format('SELECT terms FROM %I.program', tg_table_schema) INTO version;
		NEW.expression := coalesce((SELECT m.expression FROM _loyalty.metrics_of(tg_table_schema, version) m WHERE m.kind = 'metric' AND m.name = OLD.name), NEW.expression);
	ELSIF tg_op = 'INSERT' OR NEW.expression <> OLD.expression THEN
		NEW.expression := (SELECT p.expression FROM _loyalty.parse_metric(tg_table_schema, coalesce(to_jsonb(NEW) ->> 'kind', 'metric'), to_jsonb(NEW) ->> 'rating', NEW.name, NEW.expression,
		                                                                  current_setting('loyalty.search_path', true), true, (to_jsonb(NEW) ->> 'version')::int) p);
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_metric() IS 'trigger: check a metric, and store it with every name qualified';

-- A metric of some terms, or a condition, as written; null, with a warning, if it names what is gone: then these terms have no view of metrics.
CREATE FUNCTION _loyalty.metric_of_terms(program name, terms int, kind text, rating text, metric text, expression text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number int;
BEGIN
	RETURN (SELECT p.expression FROM _loyalty.parse_metric(program, kind, rating, metric, expression, 'pg_catalog, pg_temp', false, terms) p);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	IF SQLSTATE = '42501' THEN
		RAISE;
	END IF;
	EXECUTE format('SELECT m.number FROM %I.terms_metric m WHERE m.version = $1 AND m.kind = $2 AND m.rating IS NOT DISTINCT FROM $3 AND m.name = $4', program) INTO number USING terms, kind, rating, metric;
	RAISE WARNING 'the metrics of terms % have no view: the % does not hold', terms, _loyalty.metric_label(kind, rating, metric)
		USING DETAIL = format('%s It says %L.', _loyalty.as_sentence(SQLERRM), expression),
		      HINT = format('Correct it: UPDATE %I.terms_metric SET expression = ''...'' WHERE version = %s AND number = %s.', program, terms, number);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.metric_of_terms(name, int, text, text, text, text) IS 'a metric or condition of some terms, as written; null, with a warning, if it does not hold any more';

-- The view of the metrics of one version of the terms; none without metrics, or where one is null.  Conditions of ratings come
-- behind the metrics that they name.
CREATE FUNCTION _loyalty.make_metrics_view(program name, terms int, kinds text[], names text[], expressions text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns text[];
	metrics text;
BEGIN
	IF cardinality(expressions) > 0 AND array_position(expressions, NULL) IS NULL THEN
		SELECT array_agg(DISTINCT c) INTO columns
		  FROM unnest(kinds, names, expressions) x (kind, name, expression)
		 CROSS JOIN LATERAL _loyalty.parse_metric(program, x.kind, NULL, x.name, x.expression, 'pg_catalog, pg_temp', false, terms) p CROSS JOIN unnest(p.member_columns) c;
		metrics := (SELECT 'SELECT ' || string_agg(format('(%s) AS %I', x.expression, x.name), ', ' ORDER BY n) FROM unnest(kinds, names, expressions) WITH ORDINALITY x (kind, name, expression, n) WHERE x.kind = 'metric');
		PERFORM _loyalty.make_view(program, _loyalty.view_name('metrics', terms),
			format('SELECT %s FROM (SELECT (NULL::%I.facts).*) AS facts%s%s%s',
			       (SELECT string_agg(format('(%s) AS metric_%s', e, n), ', ' ORDER BY n) FROM unnest(expressions) WITH ORDINALITY x (e, n)), program,
			       coalesce(', LATERAL (' || _loyalty.event_part(program) || ') AS event', ''),
			       coalesce(', LATERAL (' || _loyalty.member_part(program, columns) || ') AS member', ''),
			       coalesce(', LATERAL (' || metrics || ') AS metric', '')),
			format('metrics and conditions of ratings under version %s of the terms, in the order of their numbers', terms));
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.make_metrics_view(name, int, text[], text[], text[]) IS 'make the view that has the metrics of one version of the terms, and the conditions of its ratings';

-- That view for new terms: a metric that did not change is what the view of the terms before says.  Metrics come first, so that the conditions
-- that name them can be checked.
CREATE FUNCTION _loyalty.make_next_metrics(program name, before int, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_kind text;
BEGIN
	FOREACH of_kind IN ARRAY ARRAY['metric', NULL]
	LOOP
		EXECUTE format($sql$
			SELECT _loyalty.make_metrics_view($1, $3, array_agg(m.kind ORDER BY m.number), array_agg(m.name ORDER BY m.number),
			                                  array_agg(coalesce(b.expression, n.expression, _loyalty.metric_of_terms($1, $3, m.kind, m.rating, m.name, m.expression)) ORDER BY m.number))
			  FROM %1$I.terms_metric m
			  LEFT JOIN %1$I.terms_metric o ON o.version = $2 AND (o.kind, o.name, o.expression) = (m.kind, m.name, m.expression) AND o.rating IS NOT DISTINCT FROM m.rating
			  LEFT JOIN _loyalty.metrics_of($1, $2) b ON b.number = o.number
			  LEFT JOIN _loyalty.metrics_of($1, $3) n ON n.number = m.number
			 WHERE m.version = $3 AND ($4 IS NULL OR m.kind = $4)
			HAVING $4 IS NOT NULL OR bool_or(m.kind <> 'metric')
			$sql$, program) USING program, before, version, of_kind;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.make_next_metrics(name, int, int) IS 'make the view of the metrics under new terms';

CREATE FUNCTION _loyalty.pin_metrics(program name, version int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		INSERT INTO %1$I.terms_metric (version, number, kind, rating, name, expression, place, steps, bound)
		SELECT $1, row_number() OVER (ORDER BY c.kind <> 'metric', c.rating, c.kind, c.place DESC, c.name), c.kind, c.rating, c.name, c.expression, c.place, c.steps, c.bound FROM (%2$s) c
		$sql$, program, _loyalty.configured_metrics_sql(program)) USING version;
END
$$;
COMMENT ON FUNCTION _loyalty.pin_metrics(name, int) IS 'put the metrics and ratings as they are into a version of the terms';

-- The conditions of tiers and rules under some terms, with what they use.
CREATE FUNCTION _loyalty.conditions_of(program name, terms int, flat boolean)
RETURNS TABLE (label text, columns text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('tier "%s"', t.tier), t.columns FROM _loyalty.tier_conditions(program, terms, flat) t
	UNION ALL
	SELECT _loyalty.rule_label(r.rule), r.columns FROM _loyalty.member_conditions(program, terms, flat) r
$$;
COMMENT ON FUNCTION _loyalty.conditions_of(name, int, boolean) IS 'the conditions of tiers and rules under some terms, with the columns that they use; flat: of the facts alone';

-- A metric that conditions name cannot go.
CREATE FUNCTION _loyalty.require_metrics(program name, before int, version int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone record;
BEGIN
	EXECUTE format($sql$
		SELECT m.name, c.label
		  FROM %1$I.terms_metric m
		  JOIN (SELECT c.label, c.columns FROM _loyalty.conditions_of($1, $2, false) c
		        UNION ALL
		        SELECT _loyalty.metric_label(x.kind, x.rating, x.name), x.uses FROM _loyalty.metrics_of($1, $2) x
		         WHERE EXISTS (SELECT FROM %1$I.terms_metric n WHERE n.version = $3 AND (n.kind, n.name, n.expression) = (x.kind, x.name, x.expression) AND n.rating = x.rating)) c
		    ON 'metric.' || m.name = ANY (c.columns)
		 WHERE m.version = $2 AND m.kind = 'metric' AND NOT EXISTS (SELECT FROM %1$I.terms_metric n WHERE n.version = $3 AND n.kind = 'metric' AND n.name = m.name) ORDER BY 1, 2 LIMIT 1
		$sql$, program) INTO gone USING program, before, version;
	IF gone.name IS NOT NULL THEN
		RAISE EXCEPTION 'the metric "%" is used', gone.name
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = format('The %s names it.', CASE WHEN gone.label LIKE 'condition of %' THEN gone.label ELSE 'condition of the ' || gone.label END),
			      HINT = 'Change what uses it first. A metric that is to be called otherwise can be inserted under its new name, and deleted under the old one in the end.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_metrics(name, int, int) IS 'an error if new terms lack a metric that conditions of the terms before name';

-- What decided about an order must be known later, whatever became of the customer's row.
CREATE FUNCTION _loyalty.require_no_customer_row(program name, version int)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT x.label FROM _loyalty.conditions_of(program, version, true) x WHERE x.columns && '{facts.customer_row}'
	LOOP
		RAISE EXCEPTION 'the condition of the % uses a metric that is of the customer''s row', c.label
			USING ERRCODE = 'feature_not_supported', DETAIL = 'What an order is worth must be known later, whatever became of the row.',
			      HINT = 'Write conditions over orders and events, which are kept. points, multiplier and applies_when of earning rules see the row, as member.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.require_no_customer_row(name, int) IS 'an error if a condition that decides what orders are worth is about the customer''s row';

-- What metrics in force ask of the customer's row, in the view "customer_rows".
CREATE FUNCTION _loyalty.make_customer_rows(program name, terms int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view CONSTANT regclass := _loyalty.view_of(program, 'metrics', terms);
	keys CONSTANT jsonb := jsonb_object(coalesce(CASE WHEN view IS NOT NULL THEN nullif(_loyalty.member_keys(view), '{}') END, '{}'));
	key_type text;
	customer text;
	list text;
BEGIN
	SELECT format_type(a.atttypid, a.atttypmod) || _loyalty.customer_collation(program) INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	IF to_regclass(format('%I.customer', program)) IS NOT NULL THEN
		customer := (SELECT v.expression FROM _loyalty.view_expression(format('%I.customer', program)::regclass, NULL, 'customer', false) v);
	END IF;
	-- the text of a moment is that of all sessions, as jsonb; of what has parts, jsonb knows other ones
	SELECT string_agg(format('%L, %s', k.value, CASE WHEN t.typcategory IN ('A', 'C') OR t.typtype IN ('c', 'r', 'm') THEN format('(person.%I)::text', k.key) ELSE format('to_jsonb(person.%I)', k.key) END), ', ' ORDER BY k.key)
	  INTO list
	  FROM jsonb_each_text(keys) k JOIN pg_attribute a ON a.attrelid = _loyalty.customer_table(program) AND a.attname = k.key JOIN pg_type t ON t.oid = _loyalty.base_type(a.atttypid::regtype);
	PERFORM _loyalty.make_view(program, 'customer_rows',
		CASE WHEN list IS NULL OR customer IS NULL THEN format('SELECT NULL::%s AS customer, NULL::jsonb AS customer_row WHERE false', key_type)
		     ELSE format('SELECT %s AS customer, jsonb_build_object(%s) AS customer_row FROM %s AS person', customer, list, _loyalty.customer_table(program)) END,
		'what metrics ask of the rows of customers');
END
$$;
COMMENT ON FUNCTION _loyalty.make_customer_rows(name, int) IS 'make the view of what metrics in force ask of the rows of customers';

-- A view that shows something of each customer, out of "member_facts".  Who was granted something on it has it afterwards, too.
CREATE FUNCTION _loyalty.make_shown(program name, view name, columns text, comment text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	known CONSTANT regclass := to_regclass(format('%I.%I', program, view));
	key_column name;
	given text[];
	command text;
BEGIN
	IF to_regclass(format('%I.member_facts', program)) IS NULL THEN
		RETURN;		-- lost with the table of the customers
	END IF;
	SELECT a.attname INTO key_column FROM pg_attribute a WHERE a.attrelid = format('%I.member_facts', program)::regclass AND a.attnum = 1;
	IF known IS NOT NULL THEN
		SELECT array_agg(g.command) INTO given FROM _loyalty.given_by_others(program) g WHERE g.object = view AND g.if_new;
	END IF;
	PERFORM _loyalty.replace_object(program, view, 'view', format('CREATE OR REPLACE VIEW %1$I.%2$I AS SELECT f.%3$I%4$s FROM %1$I.member_facts f', program, view, key_column, columns));
	IF to_regclass(format('%I.%I', program, view)) IS DISTINCT FROM known THEN
		FOREACH command IN ARRAY coalesce(given, '{}')
		LOOP
			EXECUTE command;
		END LOOP;
	END IF;
	EXECUTE format('COMMENT ON VIEW %I.%I IS %L', program, view, comment);
	EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L', program, view, key_column, 'key of the customer');
END
$$;
COMMENT ON FUNCTION _loyalty.make_shown(name, name, text, text) IS 'make a view that shows something of each customer, in place of one of its name';

-- The view "metrics", in which columns keep their places.
CREATE FUNCTION _loyalty.make_metrics(program name, terms int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known CONSTANT regclass := to_regclass(format('%I.metrics', program));
BEGIN
	PERFORM _loyalty.make_shown(program, 'metrics',
		(SELECT string_agg(format(', _loyalty.metric_value(%L::regclass, f.terms, %s, f.spend, f.orders, f.points_earned, f.joined_at, f.first_order_at, f.last_order_at, now(), f.reader, f.purchases, f.events, f.customer_row, NULL::%s) AS %I',
		                          format('%I.program', program), m.number, m.type, m.name), '' ORDER BY a.attnum, m.number)
		   FROM _loyalty.metrics_of(program, terms) m LEFT JOIN pg_attribute a ON a.attrelid = known AND a.attname = m.name WHERE m.kind = 'metric'),
		'the metrics of each customer, at this moment');
END
$$;
COMMENT ON FUNCTION _loyalty.make_metrics(name, int) IS 'make the view of the metrics in force';

CREATE FUNCTION _loyalty.comment_metrics(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m record;
BEGIN
	FOR m IN EXECUTE format('SELECT a.attrelid::regclass AS view, a.attname, m.text
	                           FROM (SELECT %1$L::text AS schema, ''metrics'' AS view, m.name, coalesce(m.comment, format(''the metric "%%s"'', m.name)) AS text FROM %2$I.metric m
	                                 UNION ALL SELECT %1$L, ''ratings'', g.rating, format(''the grade by the rating "%%s"'', g.rating) FROM %2$I.rating g GROUP BY g.rating) m
	                           JOIN pg_attribute a ON a.attrelid = to_regclass(format(''%%I.%%I'', m.schema, m.view)) AND a.attname = m.name', program, program)
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', m.view, m.attname, m.text);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.comment_metrics(name) IS 'comment on the columns of the views of metrics and ratings in force';

CREATE FUNCTION _loyalty.lacks_metrics(program name)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM unnest('{metrics, ratings, customer_rows}'::name[]) v WHERE to_regclass(format('%I.%I', program, v)) IS NULL)
$$;
COMMENT ON FUNCTION _loyalty.lacks_metrics(name) IS 'is a view lost that shows metrics, or what they ask of the rows of customers?';

-- All that shows metrics in force.
CREATE FUNCTION _loyalty.renew_metrics(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	newest int;
BEGIN
	EXECUTE format('SELECT terms FROM %I.program', program) INTO newest;
	PERFORM _loyalty.make_customer_rows(program, newest);
	PERFORM _loyalty.make_metrics(program, newest);
	PERFORM _loyalty.make_ratings(program, newest);
	PERFORM _loyalty.comment_metrics(program);
END
$$;
COMMENT ON FUNCTION _loyalty.renew_metrics(name) IS 'make the views of the metrics in force anew';

CREATE FUNCTION _loyalty.show_metrics()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('check_function_bodies') <> 'off' THEN
		PERFORM _loyalty.comment_metrics(tg_table_schema);
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.show_metrics() IS 'trigger: lets the view of the metrics say what its columns are';

-- The view of the metrics of some terms, one of which is read anew.
CREATE FUNCTION _loyalty.remake_metrics(program name, terms int, anew int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	of_kind text;
	known CONSTANT jsonb := (SELECT coalesce(jsonb_object_agg(x.number, x.expression) FILTER (WHERE x.number <> anew), '{}') FROM _loyalty.metrics_of(program, terms) x);
BEGIN
	FOREACH of_kind IN ARRAY ARRAY['metric', NULL]
	LOOP
		EXECUTE format($sql$
			SELECT _loyalty.make_metrics_view($1, $2, array_agg(m.kind ORDER BY m.number), array_agg(m.name ORDER BY m.number),
			                                  array_agg(coalesce($4 ->> m.number::text, _loyalty.metric_of_terms($1, $2, m.kind, m.rating, m.name, m.expression)) ORDER BY m.number))
			  FROM %I.terms_metric m WHERE m.version = $2 AND ($3 IS NULL OR m.kind = $3) HAVING $3 IS NOT NULL OR bool_or(m.kind <> 'metric')
			$sql$, program) USING program, terms, of_kind, known;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.remake_metrics(name, int, int) IS 'make the view of the metrics of some terms anew, one of which was corrected';

-- A metric of some terms was corrected: so are the conditions that name it.
CREATE FUNCTION _loyalty.correct_metric()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('loyalty.tracking', true) = 'on' THEN
		RETURN NULL;		-- see _loyalty.refresh_texts()
	END IF;
	PERFORM _loyalty.remake_metrics(tg_table_schema, NEW.version, NEW.number);
	PERFORM _loyalty.renew_conditions(tg_table_schema, NEW.version);
	PERFORM _loyalty.carry_corrections(tg_table_schema, tg_table_name);
	PERFORM _loyalty.renew_metrics(tg_table_schema);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.correct_metric() IS 'trigger: makes the views of a version of the terms, one of whose metrics was corrected, anew';

-- The views of conditions of some terms, as their metrics are now.
CREATE FUNCTION _loyalty.renew_conditions(program name, terms int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT _loyalty.make_tiers_view($1, $2, array_agg(coalesce(c.expression, _loyalty.tier_of_terms($1, $2, t.name, t.qualifies)) ORDER BY t.rank DESC))
	                  FROM %I.terms_tier t LEFT JOIN _loyalty.tier_conditions($1, $2) c ON c.tier = t.name WHERE t.version = $2', program) USING program, terms;
	PERFORM _loyalty.correct_for_members(program, terms, NULL);
END
$$;
COMMENT ON FUNCTION _loyalty.renew_conditions(name, int) IS 'make the views of the conditions of tiers and rules under some terms anew';

-- What is shown of metrics and ratings, after renames.
CREATE FUNCTION _loyalty.refresh_metrics(program name, newest int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('UPDATE %I.terms_metric t SET expression = x.expression FROM _loyalty.metrics_of($1, $2) x WHERE t.version = $2 AND x.number = t.number AND t.expression <> x.expression', program)
		USING program, newest;
	PERFORM _loyalty.carry_corrections(program, 'terms_metric');
END
$$;
COMMENT ON FUNCTION _loyalty.refresh_metrics(name, int) IS 'bring metrics and conditions of ratings up to what the view of the terms in force says, after renames';

-- What the table of metrics, or of ratings, had that was lost, is in the terms.
CREATE FUNCTION _loyalty.fill_metrics_again(program name, tables text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT * FROM (VALUES ('metric', 'metric', 'name, expression', 'r.name, r.expression'),
	                               ('rating', 'grade', 'rating, grade, rank, qualifies', 'r.rating, r.name, r.place, r.expression'),
	                               ('rating_step', 'step', 'rating, reason, condition, steps, bound, priority', 'r.rating, r.name, r.expression, r.steps, r.bound, r.place')) x (relation, kind, columns, "values")
	          WHERE x.relation = ANY (tables)
	LOOP
		EXECUTE format('INSERT INTO %1$I.%2$I (%3$s) SELECT %4$s FROM %1$I.terms_metric r WHERE r.kind = %5$L AND r.version = (SELECT p.terms FROM %1$I.program p)', program, t.relation, t.columns, t.values, t.kind);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.fill_metrics_again(name, text[]) IS 'put into tables of metrics and ratings that were lost what the terms in force say';

-- All views of metrics anew, from expressions that are checked once more; their names.
CREATE FUNCTION _loyalty.renew_metric_views(program name)
RETURNS name[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v record;
	made name[] := '{metrics, customer_rows, ratings}';
BEGIN
	FOR v IN EXECUTE format('SELECT t.version, array_agg(m.kind ORDER BY m.number) AS kinds, array_agg(m.name ORDER BY m.number) AS names, array_agg(p.expression ORDER BY m.number) AS expressions
	                           FROM %I.terms t CROSS JOIN LATERAL _loyalty.metrics_of($1, t.version) m
	                          CROSS JOIN LATERAL _loyalty.parse_metric($1, m.kind, m.rating, m.name, m.expression, ''pg_catalog, pg_temp'', false, t.version) p GROUP BY t.version', program) USING program
	LOOP
		PERFORM _loyalty.make_metrics_view(program, v.version, v.kinds, v.names, v.expressions);
		made := made || _loyalty.view_name('metrics', v.version);
	END LOOP;
	RETURN made;
END
$$;
COMMENT ON FUNCTION _loyalty.renew_metric_views(name) IS 'make the views of metrics anew, from expressions that are checked once more; the names of all views of metrics';

CREATE FUNCTION _loyalty.lacks_view_of_metrics(program name, terms int)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.answer(format('SELECT EXISTS (SELECT FROM %I.terms_metric WHERE version = $1)', program), terms)::boolean AND _loyalty.view_is_lost(program, 'metrics', terms)
$$;
COMMENT ON FUNCTION _loyalty.lacks_view_of_metrics(name, int) IS 'are there metrics under these terms, whose view is lost?';

-- What helps if the view of the metrics under some terms is lost.
CREATE FUNCTION _loyalty.how_to_mend_metrics(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m record;
BEGIN
	FOR m IN EXECUTE format('SELECT kind, rating, name, expression, number FROM %I.terms_metric WHERE version = $1 AND kind = ''metric'' ORDER BY number', program) USING terms
	LOOP
		PERFORM _loyalty.parse_metric(program, m.kind, m.rating, m.name, m.expression, 'pg_catalog, pg_temp', false, terms);
	END LOOP;
	RETURN format('UPDATE %I.terms_metric SET expression = expression WHERE version = %s, which makes it', program, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	RETURN format('the %s does not hold: %s; correct it: UPDATE %I.terms_metric SET expression = ''...'' WHERE version = %s AND number = %s, which makes it',
	              _loyalty.metric_label(m.kind, m.rating, m.name), SQLERRM, program, terms, m.number);
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend_metrics(name, int) IS 'what to do if the view of the metrics under some terms is lost';
