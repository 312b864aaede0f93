-- Tiers, ratings and metrics in columns of the customer table -----------------------------------
--
-- CRM screens show columns.  loyalty.write_back() keeps such columns as the table "write_back" of a program says: it goes through
-- the customers in batches, and writes where something else is to be there.  Triggers of the customer table run by that: with
-- the rights of the owner of the program, who named the table, and with the search_path of the session, as by an UPDATE of his.  So
-- nobody may call it but the owner, and who may do all that he may (src/act/write_back.c).  A row that somebody else has locked
-- is left for the next time, so that it never waits for another transaction while others wait for it.

-- What a column may show, by name: what the view "members" has but the key, ratings, metrics.  More than one row: it means several things.
CREATE FUNCTION _loyalty.shown_as(program name, shows text)
RETURNS TABLE (view name, type regtype)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.view, a.atttypid::regtype
	  FROM (VALUES ('members'::name), ('ratings'), ('metrics')) v (view)
	  JOIN pg_attribute a ON a.attrelid = to_regclass(format('%I.%I', program, v.view)) AND a.attname = shows AND a.attnum > 1 AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION _loyalty.shown_as(name, text) IS 'the views of a program that have a value of this name for each customer, and its type';

-- The alias of the table in the view of the customers is "person".
CREATE FUNCTION _loyalty.present_key(program name)
RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT substr(v.columns[1], length('person.') + 1)::name FROM _loyalty.view_expression(to_regclass(format('%I.customer', program)), NULL, 'customer', false) v
$$;
COMMENT ON FUNCTION _loyalty.present_key(name) IS 'the column of the customer table that identifies a customer, as it is called now';

-- What is written into a column, as SQL, given what is shown: strings as they are, so that one which is too long is an error; moments
-- as those of the program's time zone; and all else as the column takes it, by way of text if it must be.
CREATE FUNCTION _loyalty.written_value(value text, type regtype, column_type oid, column_typmod int, time_zone text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(CASE WHEN t.typcategory = 'S' THEN '%s::pg_catalog.text'
	                   WHEN type = 'timestamptz'::regtype AND t.oid IN ('timestamp'::regtype, 'date'::regtype) THEN '(%s AT TIME ZONE ' || quote_literal(time_zone) || ')::%s'
	                   WHEN type IN ('text'::regtype, column_type::regtype) OR EXISTS (SELECT FROM pg_cast c WHERE c.castsource = type AND c.casttarget = t.oid) THEN '%s::%s'
	                   ELSE '%s::pg_catalog.text::%s' END, value, format_type(column_type, column_typmod))
	  FROM pg_type t WHERE t.oid = _loyalty.base_type(column_type)
$$;
COMMENT ON FUNCTION _loyalty.written_value(text, regtype, oid, int, text) IS 'a value of a type as SQL, as a column of another type gets it';

-- Is something else in a column than is to be there?  Strings are compared as they are, letter by letter.
CREATE FUNCTION _loyalty.is_otherwise(present text, written text, column_type oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('((%1$s %3$s %2$s) IS NOT TRUE AND NOT (%1$s IS NULL AND %2$s IS NULL))',
	              CASE WHEN t.typcategory = 'S' THEN format('(%s::pg_catalog.text COLLATE "C")', present) ELSE present END, written,
	              CASE WHEN t.typcategory = 'S' OR t.typnamespace = 'pg_catalog'::regnamespace THEN 'OPERATOR(pg_catalog.=)' ELSE _loyalty.equality_operator(column_type::regtype) END)
	  FROM pg_type t WHERE t.oid = _loyalty.base_type(column_type)
$$;
COMMENT ON FUNCTION _loyalty.is_otherwise(text, text, oid) IS 'SQL that says whether a column of a type has another value than is to be written';

-- One row for each column that is kept, with what is wrong with it, if anything is.
CREATE FUNCTION _loyalty.written_columns(program name, customers regclass, columns name[], shows text[])
RETURNS TABLE (name name, view name, shown text, written text, differs text, error text, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT w.name, s.view, CASE WHEN s.view IS NOT NULL THEN format('%I.%I', s.view, w.shows) END,
	       v.written, _loyalty.is_otherwise(format('c.%I', w.name), v.written, a.atttypid),
	       CASE WHEN a.attname IS NULL THEN format('column "%s" of table "%s" does not exist', w.name, customers)
	            WHEN k.key = w.name THEN format('column "%s" of table "%s" identifies a customer', w.name, customers)
	            WHEN a.attgenerated <> '' OR a.attidentity = 'a' THEN format('column "%s" of table "%s" is generated', w.name, customers)
	            WHEN _loyalty.base_type(a.atttypid) = '"char"'::regtype THEN format('column "%s" of table "%s" is of the type "char", which has one byte', w.name, customers)
	            WHEN s.count IS NULL THEN format('loyalty program "%s" has no rating or metric "%s"', program, w.shows)
	            WHEN s.count > 1 THEN format('"%s" means several things in loyalty program "%s"', w.shows, program) END,
	       CASE WHEN s.count > 1 THEN format('It is in the views %s.', s.views) END,
	       CASE WHEN a.attname IS NULL OR k.key = w.name OR a.attgenerated <> '' OR a.attidentity = 'a' OR _loyalty.base_type(a.atttypid) = '"char"'::regtype THEN 'Name a column of the customer table that is there for it.'
	            WHEN s.count IS NULL THEN format('A column can show the tier, or what else the view %I.members has, a rating, or a metric.', program)
	            WHEN s.count > 1 THEN 'Give the rating or the metric another name.' END
	  FROM unnest(columns, shows) WITH ORDINALITY w (name, shows, n)
	 CROSS JOIN _loyalty.present_key(program) k (key)
	  LEFT JOIN pg_attribute a ON a.attrelid = customers AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
	  LEFT JOIN LATERAL (SELECT min(x.view::text)::name AS view, min(x.type::oid)::regtype AS type, nullif(count(*), 0) AS count, string_agg(x.view, ', ' ORDER BY x.view) AS views FROM _loyalty.shown_as(program, w.shows) x) s ON true
	 CROSS JOIN LATERAL (SELECT _loyalty.written_value('t.v' || w.n, s.type, a.atttypid, a.atttypmod, _loyalty.answer(format('SELECT time_zone FROM %I.program WHERE $1', program), true)) AS written) v
	 ORDER BY w.n
$$;
COMMENT ON FUNCTION _loyalty.written_columns(name, regclass, name[], text[]) IS 'the columns of the customer table that are to be kept, with what is written into each, as SQL over "t", in which the first one is v1, with what is there, "c", and what is wrong with it';

CREATE FUNCTION _loyalty.require_written(error text, detail text, hint text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF error IS NOT NULL THEN
		RAISE EXCEPTION '%', error USING ERRCODE = 'undefined_object', DETAIL = coalesce(detail, 'Nothing can be written back.'), HINT = hint;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_written(text, text, text) IS 'an error if something is wrong with a column that is to be kept';

-- Two statements.  The first one locks those of a batch of customers behind a key, $1 as text, of whom there are at most $2, where
-- something else is to be there; the other one finds out what that is once more, of those that are locked, $1: whoever wrote
-- before was committed then.
CREATE FUNCTION _loyalty.write_back_sql(program name, OUT locks text, OUT writes text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customers CONSTANT regclass := _loyalty.customer_table(program);
	key_type CONSTANT text := format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1);
	key name;
	member_key name;
	equal text;
	w record;
	views name[] := '{}';
	sources text := '';
	shown text := '';
	sets text;
	differs text;
	found text;
BEGIN
	IF customers IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" has no customer table', program
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('SELECT * FROM loyalty.verify(%L) tells how to name one.', program);
	END IF;
	equal := _loyalty.customer_equality(program);
	key := _loyalty.present_key(program);
	SELECT a.attname INTO member_key FROM pg_attribute a WHERE a.attrelid = format('%I.members', program)::regclass AND a.attnum = 1;
	FOR w IN EXECUTE format('SELECT x.*, row_number() OVER () AS n FROM (SELECT array_agg(w.column_name ORDER BY w.column_name) AS columns, array_agg(w.shows ORDER BY w.column_name) AS shows FROM %I.write_back w) w
	                          CROSS JOIN LATERAL _loyalty.written_columns($1, $2, w.columns, w.shows) x', program) USING program, customers
	LOOP
		PERFORM _loyalty.require_written(w.error, w.detail, w.hint);
		IF NOT w.view = ANY (views) THEN
			-- OFFSET 0: each view looks for one customer after the other, however many the planner expects
			sources := sources || format(' JOIN LATERAL (SELECT * FROM %1$I.%2$I v WHERE v.%3$I %4$s k.key OFFSET 0) AS %2$I ON true', program, w.view, member_key, equal);
			views := views || w.view;
		END IF;
		shown := shown || format(', %s AS v%s', w.shown, w.n);
		sets := concat_ws(', ', sets, format('%I = %s', w.name, w.written));
		differs := concat_ws(' OR ', differs, w.differs);
	END LOOP;
	IF sets IS NULL THEN
		RETURN;
	END IF;
	found := format('t AS MATERIALIZED (SELECT k.key%s FROM keys k%s)', shown, sources);
	locks := format($sql$
		WITH keys AS MATERIALIZED (SELECT c.%1$I AS key FROM %2$s c WHERE c.%1$I IS NOT NULL AND ($1 IS NULL OR c.%1$I %3$s $1::%4$s) ORDER BY c.%1$I LIMIT $2),
		%5$s,
		locked AS MATERIALIZED (SELECT t.key FROM %2$s c JOIN t ON c.%1$I %6$s t.key WHERE %7$s FOR NO KEY UPDATE OF c SKIP LOCKED)
		SELECT (SELECT k.key::pg_catalog.text FROM keys k ORDER BY k.key DESC LIMIT 1), (SELECT pg_catalog.count(*) FROM keys) OPERATOR(pg_catalog.>=) $2, (SELECT pg_catalog.array_agg(l.key) FROM locked l) $sql$,
		key, customers, _loyalty.comparison_operator(_loyalty.customer_type(program), 5), key_type, found, equal, differs);
	writes := format($sql$
		WITH keys AS MATERIALIZED (SELECT k.key FROM pg_catalog.unnest($1) k (key)),
		%1$s,
		written AS (UPDATE %2$s c SET %3$s FROM t WHERE c.%4$I %5$s t.key AND (%6$s) RETURNING 1)
		SELECT pg_catalog.count(*) FROM written $sql$, found, customers, sets, key, equal, differs);
END
$$;
COMMENT ON FUNCTION _loyalty.write_back_sql(name) IS 'the statements that keep columns of the customer table of a program for a batch of customers; null: there are none to keep';

CREATE FUNCTION _loyalty.write_back_batch(program name, after text, batch int, OUT last text, OUT done bigint, OUT more boolean)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_write_back_batch';
COMMENT ON FUNCTION _loyalty.write_back_batch(name, text, int) IS
'write tiers, ratings and metrics of the next customers behind a key into the columns of the customer table that are to show them, as the owner of the program and with the search_path of the caller, who must be allowed to be the owner';

CREATE PROCEDURE loyalty.write_back(program name, batch int DEFAULT 1000)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_write_back';
COMMENT ON PROCEDURE loyalty.write_back(name, int) IS
'write tiers, ratings and metrics into the columns of the customer table that the table "write_back" of a program names, where something else is to be there; batch customers at once, and outside of a transaction block each batch is committed';

CREATE FUNCTION _loyalty.check_write_back()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customers CONSTANT regclass := _loyalty.customer_table(tg_table_schema);
	w record;
BEGIN
	IF current_setting('check_function_bodies') = 'off' OR current_setting('loyalty.tracking', true) = 'on' OR customers IS NULL OR num_nulls(NEW.column_name, NEW.shows) > 0 THEN
		RETURN NEW;
	END IF;
	SELECT * INTO w FROM _loyalty.written_columns(tg_table_schema, customers, ARRAY[NEW.column_name], ARRAY[NEW.shows]);
	PERFORM _loyalty.require_written(w.error, w.detail, w.hint);
	-- the parser knows whether values can be compared, and become the type of the column: it is asked without a row
	BEGIN
		EXECUTE format('SELECT WHERE (SELECT %1$s FROM (SELECT NULL::%2$s AS %3$I) c, (SELECT NULL::%4$s AS v1) t WHERE false)', w.differs,
			(SELECT format_type(_loyalty.base_type(a.atttypid), -1) FROM pg_attribute a WHERE a.attrelid = customers AND a.attname = NEW.column_name), NEW.column_name, (SELECT x.type FROM _loyalty.shown_as(tg_table_schema, NEW.shows) x));
	EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
		RAISE EXCEPTION '"%" cannot be written into column "%" of table "%"', NEW.shows, NEW.column_name, customers
			USING ERRCODE = 'datatype_mismatch', DETAIL = _loyalty.as_sentence(SQLERRM), HINT = 'Take a column of the same type, or of text.';
	END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION _loyalty.check_write_back() IS 'trigger: check which column is to show what';

-- What verify() tells.
CREATE FUNCTION _loyalty.verify_write_back(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT ''what is to be written back does not exist'', NULL::text, NULL::text, x.error || format(''; UPDATE %%I.write_back, or DELETE its row'', $1)
	                               FROM (SELECT array_agg(w.column_name ORDER BY w.column_name) AS columns, array_agg(w.shows ORDER BY w.column_name) AS shows FROM %I.write_back w) w
	                              CROSS JOIN LATERAL _loyalty.written_columns($1, $2, w.columns, w.shows) x WHERE x.error IS NOT NULL', program) USING program, _loyalty.customer_table(program);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_write_back(name) IS 'columns of the customer table that are to be kept, and cannot be';
