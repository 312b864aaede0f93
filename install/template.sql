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
		'key_type', t.name,
		'column_type', t.name || c.clause,		-- for whatever holds a customer
		'key', quote_ident(key_column),			-- what views call the customer
		'eq', _loyalty.equality_operator(key_type::regtype),
		-- what drivers send: integers as any of their types, or as numeric, and strings as text
		'argument_type', CASE WHEN key_type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'numeric'
		                      WHEN key_type IN ('varchar'::regtype, 'bpchar'::regtype) THEN 'text' ELSE t.name END,
		'points_scale', points_scale,
		'amount_scale', amount_scale)
	  FROM format_type(key_type, -1) t (name) CROSS JOIN _loyalty.collation_clause(key_collation) c (clause)
$$;
COMMENT ON FUNCTION _loyalty.template_values(name, oid, oid, name, int, int) IS
'what the templates name between two "@", for a program whose customer key is of a type and a collation, and is called like this by its views, and whose points and amounts have so many decimals';

-- Under any version of the terms, points have no more decimals than the views show.
CREATE FUNCTION _loyalty.template_values(program name)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	points_scale int;
	amount_scale int;
BEGIN
	EXECUTE format('SELECT max(t.points_scale), min(p.amount_scale) FROM %1$I.terms t CROSS JOIN %1$I.program p', program) INTO points_scale, amount_scale;
	RETURN (SELECT _loyalty.template_values(program, a.atttypid, a.attcollation,
	                                        (SELECT k.attname FROM pg_attribute k WHERE k.attrelid = format('%I.entries', program)::regclass AND k.attnum = 1), points_scale, amount_scale)
	          FROM pg_attribute a
	         WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer');
END
$$;
COMMENT ON FUNCTION _loyalty.template_values(name) IS 'what the templates name between two "@", for a program that is there';

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
	SELECT min(p.part) FILTER (WHERE p.n % 2 = 0 AND NOT template_values ? p.part),
	       string_agg(CASE p.n % 2 WHEN 1 THEN p.part ELSE template_values ->> p.part END, '' ORDER BY p.n)
	  INTO unknown, result
	  FROM unnest(string_to_array(template, '@')) WITH ORDINALITY p (part, n);
	IF unknown IS NOT NULL THEN
		RAISE EXCEPTION 'templates know no "@%@"', unknown USING ERRCODE = 'internal_error';
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

CREATE FUNCTION _loyalty.make_object(program name, object name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
BEGIN
	EXECUTE _loyalty.rendered((SELECT t.body FROM _loyalty.templates() t WHERE t.name = object), _loyalty.template_values(program));
	PERFORM _loyalty.comment_program(program);
END
$$;
COMMENT ON FUNCTION _loyalty.make_object(name, name) IS 'make an object of a program that is there, from its template';
