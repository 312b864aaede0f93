-- Templates -----------------------------------------------------------------------

-- What a program is made of is in install/program, one file for each object; the build
-- puts them into _loyalty.templates().  What programs differ in stands there between two
-- "@", and is put in here, quoted already.
CREATE FUNCTION _loyalty.template_values(program name, key_type oid, key_collation oid, key_column name, points_scale int, amount_scale int)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object(
		'schema', quote_ident(program),
		'schema_literal', quote_literal(program),
		'settings', quote_literal(format('%I.program', program)),	-- the table, to be cast to regclass
		'column_type', t.name || c.clause,		-- for whatever holds a customer
		'keys_type', t.name || '[]' || c.clause,	-- for what holds several
		'key_type', t.name,						-- what returns one
		'key', quote_ident(key_column),			-- what views call the customer
		'key_literal', quote_literal(key_column),
		'eq', _loyalty.equality_operator(key_type::regtype),
		-- the numbers of the wallets of status points, or null for none: see redeemable_lots()
		'status', format('(SELECT array_agg(w.wallet) FROM %I.wallet w WHERE NOT w.redeemable)', program),
		-- what drivers send: integers as any of their types, or as numeric, and strings as text
		'argument_type', CASE WHEN key_type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'numeric'
		                      WHEN key_type IN ('varchar'::regtype, 'bpchar'::regtype) THEN 'text' ELSE t.name END,
		-- where no customer may be named, too: a domain may refuse nulls
		'optional_type', b.name || c.clause,
		'optional_argument_type', CASE WHEN key_type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'numeric'
		                               WHEN key_type IN ('varchar'::regtype, 'bpchar'::regtype) THEN 'text' ELSE b.name END,
		'points_scale', points_scale,
		'amount_scale', amount_scale)
	  FROM format_type(key_type, -1) t (name) CROSS JOIN format_type(_loyalty.base_type(key_type), -1) b (name) CROSS JOIN _loyalty.collation_clause(key_collation) c (clause)
$$;
COMMENT ON FUNCTION _loyalty.template_values(name, oid, oid, name, int, int) IS
'what the templates name between two "@", for a program whose customer key is of a type and a collation, and is called like this by its views, and whose points and amounts have so many decimals';

-- What was chosen when the program was made stays, whatever the customer table is by now.
-- Under any version of the terms, points have no more decimals than the views show, and
-- neither have those of calls, which are of no version: an account has as many as any
-- entry of its customer had.
CREATE FUNCTION _loyalty.template_values(program name)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key name;
	customer record;
	points_scale int;
	amount_scale int;
BEGIN
	SELECT a.attname INTO key FROM unnest('{entries, members}'::name[]) WITH ORDINALITY v (name, n)
	  JOIN pg_attribute a ON a.attrelid = to_regclass(format('%I.%I', program, v.name)) AND a.attnum = 1
	 ORDER BY v.n LIMIT 1;
	IF key IS NULL THEN
		EXECUTE format('SELECT customer_key FROM %I.program', program) INTO key;
	END IF;
	SELECT a.atttypid AS type, a.attcollation AS collation INTO STRICT customer
	  FROM unnest('{journal, ledger, account}'::name[]) WITH ORDINALITY r (name, n)
	  JOIN pg_attribute a ON a.attrelid = to_regclass(format('%I.%I', program, r.name)) AND a.attname = 'customer'
	 ORDER BY r.n LIMIT 1;
	EXECUTE format('SELECT coalesce((to_jsonb(p) ->> ''amount_scale'')::int, 2), greatest(p.points_scale, (SELECT max(t.points_scale) FROM %1$I.terms t)) FROM %1$I.program p', program)
	   INTO amount_scale, points_scale;
	IF to_regclass(format('%I.account', program)) IS NOT NULL THEN
		EXECUTE format('SELECT greatest($1, max(scale(a.points))) FROM %I.account a', program) INTO points_scale USING points_scale;
	END IF;
	RETURN _loyalty.template_values(program, customer.type, customer.collation, key, points_scale, amount_scale);
END
$$;
COMMENT ON FUNCTION _loyalty.template_values(name) IS 'what the templates name between two "@", for a program that is there';

CREATE FUNCTION _loyalty.template_columns("table" name)
RETURNS TABLE (n bigint, name name)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.n, c.found[1]::name
	  FROM _loyalty.templates() t CROSS JOIN LATERAL regexp_matches(t.body, '^\t([a-z_]+) ', 'gn') WITH ORDINALITY c (found, n)
	 WHERE t.object = "table" AND t.kind = 'table'
$$;
COMMENT ON FUNCTION _loyalty.template_columns(name) IS 'the columns that a table of a program is made with, in their order';

-- Every other part of what stands between the "@" is a name.
CREATE FUNCTION _loyalty.rendered(template text, template_values jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text;
	result text;
BEGIN
	SELECT min(p.part) FILTER (WHERE p.n % 2 = 0 AND (template_values ->> p.part) IS NULL),
	       string_agg(CASE p.n % 2 WHEN 1 THEN p.part ELSE template_values ->> p.part END, '' ORDER BY p.n)
	  INTO unknown, result
	  FROM unnest(string_to_array(template, '@')) WITH ORDINALITY p (part, n);
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION 'a template names "@%@", which is not known', unknown USING ERRCODE = 'internal_error';
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.rendered(text, jsonb) IS 'a template with values for what it names between two "@"';

CREATE FUNCTION _loyalty.make_objects(kinds text[], template_values jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	template text;
BEGIN
	FOR template IN SELECT t.body FROM _loyalty.templates() t WHERE t.kind = ANY (kinds) ORDER BY t.ordinal
	LOOP
		EXECUTE _loyalty.rendered(template, template_values);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.make_objects(text[], jsonb) IS 'make all objects of a program that are of some kinds, from their templates';

-- Views call the key of the customers as their table does, unless another column of theirs
-- is called so.
CREATE FUNCTION _loyalty.make_views_and_functions(template_values jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.make_objects('{view, function}', template_values);
EXCEPTION WHEN duplicate_column THEN
	PERFORM _loyalty.make_objects('{view, function}', template_values || '{"key": "customer", "key_literal": "''customer''"}');
END
$$;
COMMENT ON FUNCTION _loyalty.make_views_and_functions(jsonb) IS 'make all views and functions of a program, from their templates';

CREATE FUNCTION _loyalty.make_object(program name, object name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
BEGIN
	EXECUTE _loyalty.rendered((SELECT t.body FROM _loyalty.templates() t WHERE t.object = make_object.object AND t.kind <> 'trigger'),
	                          _loyalty.template_values(program));
	PERFORM _loyalty.comment_program(program);
END
$$;
COMMENT ON FUNCTION _loyalty.make_object(name, name) IS 'make an object of a program that is there, from its template';
