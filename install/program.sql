-- Programs --------------------------------------------------------------------

-- A program is a schema that holds the table "program" with our trigger on it:
-- dump, restore and renames can't make that differ from any registry.
CREATE VIEW loyalty.programs AS
SELECT n.nspname AS name, pg_catalog.pg_get_userbyid(n.nspowner) AS owner, c.oid::regclass AS settings
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'configuration_changed'
                           AND p.pronamespace = '_loyalty'::regnamespace
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid AND c.relname = 'program'
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW loyalty.programs IS 'the loyalty programs of this database';
COMMENT ON COLUMN loyalty.programs.name IS 'name of the program, which is its schema';
COMMENT ON COLUMN loyalty.programs.owner IS 'the role that owns it';
COMMENT ON COLUMN loyalty.programs.settings IS 'its table of settings';
GRANT SELECT ON loyalty.programs TO PUBLIC;

-- DROP SCHEMA and DROP OWNED leave the triggers of a program on tables of others, which do
-- nothing then but to tell so.
CREATE FUNCTION _loyalty.left_triggers(program name)
RETURNS TABLE (relation regclass, trigger name)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger t
	 WHERE t.tgfoid = (SELECT p.oid FROM pg_proc p WHERE p.proname = 'record' AND p.pronamespace = to_regnamespace('_loyalty'))
	   AND (_loyalty.trigger_arguments(t.tgargs))[1] = program
	   AND NOT EXISTS (SELECT FROM loyalty.programs p WHERE p.name = program)
$$;
COMMENT ON FUNCTION _loyalty.left_triggers(name) IS 'triggers that a program which is not there any more has left on tables';

CREATE FUNCTION _loyalty.drop_left_triggers(program name)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own regclass[];
	others text;
	t record;
BEGIN
	SELECT coalesce(array_agg(DISTINCT l.relation) FILTER (WHERE pg_has_role(c.relowner, 'USAGE')), '{}'),
	       string_agg(DISTINCT format('"%s"', l.relation), ', ') FILTER (WHERE NOT pg_has_role(c.relowner, 'USAGE'))
	  INTO own, others
	  FROM _loyalty.left_triggers(program) l JOIN pg_class c ON c.oid = l.relation;
	PERFORM _loyalty.lock_at_once(ARRAY(SELECT format('%s IN ACCESS EXCLUSIVE MODE', r) FROM unnest(own) r));
	FOR t IN SELECT l.* FROM _loyalty.left_triggers(program) l WHERE l.relation = ANY (own)
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', t.trigger, t.relation);
	END LOOP;
	IF others IS NOT NULL THEN
		RAISE WARNING 'triggers of the loyalty program "%" are left on tables of others', program
			USING DETAIL = format('They are on %s.', others),
			      HINT = format('Let the owner of these tables, or a superuser, call loyalty.drop_program(%L).', program);
	END IF;
	RETURN own <> '{}' OR others IS NOT NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.drop_left_triggers(name) IS
'drop the triggers that a program which is not there any more has left on tables of the caller; returns whether there were any, or are';

CREATE FUNCTION _loyalty.require_existing(program name)
RETURNS name
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF program IS NULL OR NOT EXISTS (SELECT FROM loyalty.programs p WHERE p.name = program) THEN
		RAISE EXCEPTION 'loyalty program "%" does not exist', program
			USING ERRCODE = 'undefined_object',
			      HINT = CASE WHEN EXISTS (SELECT FROM _loyalty.left_triggers(program))
			             THEN format('Its schema was dropped without it. Call loyalty.drop_program(%L) to drop the triggers that it left on tables.', program)
			             ELSE 'The view loyalty.programs lists the programs of this database.' END;
	END IF;
	RETURN program;
END
$$;
COMMENT ON FUNCTION _loyalty.require_existing(name) IS 'returns the name of an existing program, else an error';

CREATE FUNCTION _loyalty.require_layout(program name)
RETURNS void
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_require_layout';
COMMENT ON FUNCTION _loyalty.require_layout(name) IS
'an error unless a program has the layout that the installed extension needs, to whoever asks';

-- The schema of a program that can be worked with, or a clear error.
CREATE FUNCTION _loyalty.require_program(program name)
RETURNS name
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_layout(_loyalty.require_existing(program));
	RETURN program;
END
$$;
COMMENT ON FUNCTION _loyalty.require_program(name) IS 'returns the name of an existing program that the extension can work with, else an error';

-- What tracks, alters or recounts tables of a program begins here: out of the expressions that a
-- program evaluates, with a program that is there, and with all that the function must be given.
CREATE FUNCTION _loyalty.begin_command(function text, program name, names text[] DEFAULT '{}', are_null boolean[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.refuse_nested(function);
	PERFORM _loyalty.require_program(program);
	PERFORM _loyalty.require_given(names, are_null);
END
$$;
COMMENT ON FUNCTION _loyalty.begin_command(text, name, text[], boolean[]) IS
'an error if a function begins within an expression, its program cannot be worked with, or one of these arguments is null';

CREATE FUNCTION _loyalty.base_type(type regtype)
RETURNS oid
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE base (oid) AS (
		SELECT type::oid
		UNION
		SELECT t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
	SELECT t.oid FROM base b JOIN pg_type t USING (oid) WHERE t.typtype <> 'd'
$$;
COMMENT ON FUNCTION _loyalty.base_type(regtype) IS 'the type below all domains, or the type itself if it is no domain';

-- Types of extensions bring their own operators, which must be meant whatever
-- the search_path is.
CREATE FUNCTION _loyalty.comparison_operator(type regtype, strategy int)
RETURNS text
LANGUAGE plpgsql STABLE		-- which keeps its plan, as calls ask this
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- a domain is compared like its base type; without a row: a polymorphic or
	-- binary-coercible operator class
	RETURN (WITH RECURSIVE base (oid) AS (
		SELECT type::oid
		UNION
		SELECT t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
	SELECT coalesce(
		(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
		   FROM pg_opclass c
		   JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
		   JOIN pg_amop x ON x.amopfamily = c.opcfamily AND x.amoplefttype = c.opcintype
		                 AND x.amoprighttype = c.opcintype AND x.amopstrategy = strategy
		   JOIN pg_operator o ON o.oid = x.amopopr
		   JOIN pg_namespace n ON n.oid = o.oprnamespace
		  WHERE c.opcdefault
		    AND c.opcintype IN (SELECT oid FROM base)
		  LIMIT 1), CASE strategy WHEN 3 THEN 'OPERATOR(pg_catalog.=)' WHEN 5 THEN 'OPERATOR(pg_catalog.>)' END));
END
$$;
COMMENT ON FUNCTION _loyalty.comparison_operator(regtype, int) IS
'the operator of a type by its default btree operator class that has a number there, 3 for equality and 5 for greater, as SQL that means it under every search_path';

CREATE FUNCTION _loyalty.equality_operator(type regtype)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN _loyalty.comparison_operator(type, 3);
END
$$;
COMMENT ON FUNCTION _loyalty.equality_operator(regtype) IS 'equality of a type by its default btree operator class, as SQL that means it under every search_path';

CREATE FUNCTION _loyalty.customer_equality(program name)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT _loyalty.equality_operator(a.atttypid) FROM pg_attribute a
	         WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer');
END
$$;
COMMENT ON FUNCTION _loyalty.customer_equality(name) IS 'equality of the customers of a program, as SQL';

-- Two columns are compared under a collation only if they have the same one, or the
-- query names it: whatever holds a customer has the collation of the customer table.
CREATE FUNCTION _loyalty.collation_clause(collid oid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
	                   FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = collid), '')
$$;
COMMENT ON FUNCTION _loyalty.collation_clause(oid) IS 'COLLATE with a collation, as SQL behind a type or a value; empty if there is none';

CREATE FUNCTION _loyalty.customer_collation(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.collation_clause(a.attcollation) FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer'
$$;
COMMENT ON FUNCTION _loyalty.customer_collation(name) IS 'the collation of the customers of a program, as SQL behind a value; empty if they have none';

-- An expression of a tracked table for the customer, whose value has the collation
-- of the customers then.
CREATE FUNCTION _loyalty.in_customer_collation(program name, relation regclass, customer text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	clause text := _loyalty.customer_collation(program);
	wanted text;
	present text;
BEGIN
	IF clause <> '' THEN
		EXECUTE format('SELECT pg_collation_for((SELECT customer FROM %I.journal WHERE false)), pg_collation_for((SELECT (%s) FROM %s AS tracked WHERE false))',
		               program, customer, relation) INTO wanted, present;
	END IF;
	RETURN CASE WHEN wanted IS DISTINCT FROM present THEN format('((%s)%s)', customer, clause) ELSE customer END;
END
$$;
COMMENT ON FUNCTION _loyalty.in_customer_collation(name, regclass, text) IS
'an expression over a table for the customer, under the collation of the customers of a program';

-- A key is compared by its equality and by its order, in indexes and in queries: one
-- collation must say the same of both, and keys that are equal must be the same.
CREATE FUNCTION _loyalty.require_key_collation(customers regclass, customer_key name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k record;
BEGIN
	SELECT format_type(a.atttypid, -1) AS type, t.typcollation, c.oid AS collid, c.oid::regcollation AS name, c.collisdeterministic AS deterministic INTO k
	  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_collation c ON c.oid = a.attcollation
	 WHERE a.attrelid = customers AND a.attname = customer_key;
	IF NOT k.deterministic THEN
		RAISE EXCEPTION 'a customer key cannot have the nondeterministic collation %', k.name
			USING ERRCODE = 'feature_not_supported',
			      DETAIL = format('Values of column "%s" of table "%s" that differ can be equal under it.', customer_key, customers),
			      HINT = format('Give the column the type citext, which ignores case, or another collation: ALTER TABLE %s ALTER COLUMN %I TYPE %s COLLATE "C".',
			                    customers, customer_key, k.type);
	ELSIF k.typcollation <> k.collid AND k.typcollation <> 'pg_catalog."default"'::regcollation THEN
		RAISE EXCEPTION 'the customer key has the collation %, its type %', k.name, k.typcollation::regcollation
			USING ERRCODE = 'feature_not_supported',
			      DETAIL = format('Column "%s" of table "%s" is of type %s.', customer_key, customers, k.type),
			      HINT = format('Give the column the collation of its type: ALTER TABLE %s ALTER COLUMN %I TYPE %s.', customers, customer_key, k.type);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_key_collation(regclass, name) IS
'an error unless customers can be compared by a column under its collation';

CREATE FUNCTION loyalty.create_program(
	name name,
	customers regclass,
	customer_key name DEFAULT NULL,
	joined_at text DEFAULT NULL,
	time_zone text DEFAULT current_setting('TimeZone'),
	points_scale int DEFAULT 0,
	amount_scale int DEFAULT 2,
	rounding text DEFAULT 'floor',
	on_invalid text DEFAULT 'error',
	search_path text DEFAULT current_setting('search_path'))
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_attnums int2[];
	key_oid oid;
	key_type text;
	key_collation oid;
	base record;
	template_values jsonb;
BEGIN
	IF name IS NULL OR customers IS NULL THEN
		RAISE EXCEPTION 'name and customers must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM _loyalty.require_customer_table(customers);
	PERFORM _loyalty.require_choice('rounding', rounding, 'floor', 'half_even', 'half_up', 'ceil');
	PERFORM _loyalty.require_choice('on_invalid', on_invalid, 'error', 'skip');
	time_zone := _loyalty.require_time_zone(time_zone);
	IF points_scale IS NULL OR points_scale NOT BETWEEN 0 AND 12 THEN
		RAISE EXCEPTION 'points_scale must be between 0 and 12'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(points_scale::text, 'null'));
	ELSIF amount_scale IS NULL OR amount_scale NOT BETWEEN 0 AND 12 THEN
		RAISE EXCEPTION 'amount_scale must be between 0 and 12'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', coalesce(amount_scale::text, 'null'));
	END IF;

	-- the customer key: named, or the only column of the primary key
	IF customer_key IS NULL THEN
		SELECT conkey INTO key_attnums FROM pg_constraint WHERE conrelid = customers AND contype = 'p';
		IF key_attnums IS NULL THEN
			RAISE EXCEPTION 'table "%" has no primary key', customers
				USING ERRCODE = 'undefined_object', HINT = 'Name the column with customer_key => ''...''.';
		ELSIF cardinality(key_attnums) > 1 THEN
			RAISE EXCEPTION 'the primary key of table "%" has % columns', customers, cardinality(key_attnums)
				USING ERRCODE = 'feature_not_supported', HINT = 'Name a single unique column with customer_key => ''...''.';
		END IF;
		SELECT attname INTO customer_key FROM pg_attribute WHERE attrelid = customers AND attnum = key_attnums[1];
	END IF;
	PERFORM _loyalty.require_customers(customers, customer_key);
	SELECT atttypid, format_type(atttypid, -1) INTO key_oid, key_type
	  FROM pg_attribute WHERE attrelid = customers AND attname = customer_key AND attnum > 0 AND NOT attisdropped;

	-- A domain over a type whose operators are polymorphic cannot be compared as
	-- what it is: the program knows such a key by the type below the domains.
	SELECT t.oid, t.typtype, t.typcategory INTO base FROM pg_type t WHERE t.oid = _loyalty.base_type(key_oid);
	IF base.typtype IN ('c', 'p') OR base.typcategory = 'A' THEN
		RAISE EXCEPTION 'a customer key cannot be of type %', key_type
			USING ERRCODE = 'feature_not_supported', HINT = 'Name a column of a scalar type.';
	END IF;
	IF base.oid <> key_oid AND base.typtype IN ('e', 'r', 'm') THEN
		key_oid := base.oid;
		key_type := format_type(key_oid, -1);
	END IF;
	-- the views of the program read the table with the rights of its owner
	IF NOT has_table_privilege(customers, 'SELECT') AND NOT has_any_column_privilege(customers, 'SELECT') THEN
		RAISE EXCEPTION 'permission denied for table %', customers
			USING ERRCODE = 'insufficient_privilege',
			      HINT = format('Let the owner of the table do it: GRANT SELECT ON %s TO %I;', customers, current_user);
	END IF;
	PERFORM _loyalty.require_key_type(key_oid);
	PERFORM _loyalty.require_key_collation(customers, customer_key);
	SELECT a.attcollation INTO key_collation FROM pg_attribute a WHERE a.attrelid = customers AND a.attname = customer_key;
	IF EXISTS (SELECT FROM pg_namespace WHERE nspname = name) THEN
		RAISE EXCEPTION 'schema "%" already exists', name
			USING ERRCODE = 'duplicate_schema', HINT = 'A program makes its own schema: choose another name.';
	END IF;
	EXECUTE format('CREATE SCHEMA %I', name);
	EXECUTE format($sql$COMMENT ON SCHEMA %I IS 'loyalty program'$sql$, name);

	template_values := _loyalty.template_values(name, key_oid, key_collation, customer_key, points_scale, amount_scale);
	PERFORM _loyalty.make_objects('{table, type, trigger}', template_values);

	EXECUTE format('INSERT INTO %I.terms (version, points_scale, rounding, time_zone) VALUES (1, $1, $2, $3)', name)
		USING points_scale, rounding, time_zone;
	PERFORM _loyalty.pin_wallets(name, 1);
	EXECUTE format('INSERT INTO %I.program (customers, customer_key, joined_at, time_zone, points_scale, amount_scale, rounding, on_invalid, terms, layout)
	                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, _loyalty.layout())', name)
		USING customers, customer_key, joined_at, time_zone, points_scale, amount_scale, rounding, on_invalid;

	-- What is needed of the customer table is in a view, which follows its renames.
	PERFORM _loyalty.make_customer_view(name, customers, customer_key, joined_at, time_zone, search_path);
	PERFORM _loyalty.make_customer_rows(name, 1);
	PERFORM _loyalty.make_views_and_functions(template_values);
	PERFORM _loyalty.renew_metrics(name);
	PERFORM _loyalty.comment_program(name);
END
$$;
COMMENT ON FUNCTION loyalty.create_program(name, regclass, name, text, text, int, int, text, text, text) IS
'create a loyalty program: a schema of that name, for the customers of a table';

-- Triggers of a tracked table, or of all of a program: on the tables that the program
-- says it tracks, with their partitions and children, and on what may have been a part
-- of these, since it belongs to the owner of one, or of the program.  Anybody can make
-- triggers of these names on tables of his own, which prove nothing and are left alone.
CREATE FUNCTION _loyalty.tracked_table_triggers(program name, tracked_table int)
RETURNS TABLE (relation regclass, trigger name, enabled "char")
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH tracked AS MATERIALIZED (SELECT t.relation FROM _loyalty.tables_in_order(program, NULL) t),
	part AS MATERIALIZED (SELECT d AS relation FROM tracked CROSS JOIN LATERAL _loyalty.descendants(tracked.relation) d),
	party AS MATERIALIZED (
		SELECT c.relowner FROM tracked JOIN pg_class c ON c.oid = tracked.relation
		UNION
		SELECT n.nspowner FROM pg_namespace n WHERE n.nspname = program)
	SELECT t.tgrelid::regclass, t.tgname, t.tgenabled
	  FROM pg_trigger t
	  JOIN pg_class c ON c.oid = t.tgrelid
	 WHERE t.tgfoid = '_loyalty.record'::regproc
	   AND (_loyalty.trigger_arguments(t.tgargs))[1] = program
	   AND (tracked_table IS NULL OR (_loyalty.trigger_arguments(t.tgargs))[2] = tracked_table::text)
	   AND (t.tgrelid IN (SELECT part.relation FROM part)
	        OR (c.relpersistence <> 't' AND c.relowner IN (SELECT party.relowner FROM party)))
$$;
COMMENT ON FUNCTION _loyalty.tracked_table_triggers(name, int) IS 'triggers that record a tracked table, or all of a program';

CREATE FUNCTION _loyalty.require_nothing_recorded(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entries bigint;
	customers bigint;
	vouchers bigint;
BEGIN
	SELECT r[1]::bigint, r[2]::bigint INTO entries, customers
	  FROM _loyalty.as_owner(program, format('SELECT count(e.terms), count(DISTINCT customer)
	                                           FROM (SELECT customer, terms FROM %1$I.ledger
	                                                 UNION ALL SELECT customer, terms FROM %1$I.journal
	                                                 UNION ALL SELECT customer, NULL FROM %1$I.account %2$s) e', program,
	                                         -- a program of an older version has none
	                                         CASE WHEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = program AND c.relname = 'member_card')
	                                         THEN format('UNION ALL SELECT customer, NULL FROM %I.member_card', program) END)) r;
	IF customers > 0 THEN
		RAISE EXCEPTION 'loyalty program "%" holds % entries of % customers', program, entries, customers
			USING ERRCODE = 'dependent_objects_still_exist',
			      HINT = format('To delete all of it, call loyalty.drop_program(%L, force => true).', program);
	END IF;
	-- a program that is not upgraded may have no such table
	IF to_regclass(format('%I.voucher_batch', program)) IS NOT NULL THEN
		SELECT r[1]::bigint INTO vouchers FROM _loyalty.as_owner(program, format('SELECT coalesce(sum(b.vouchers), 0) FROM %I.voucher_batch b', program)) r;
	END IF;
	IF vouchers > 0 THEN
		RAISE EXCEPTION 'loyalty program "%" has issued % vouchers', program, vouchers
			USING ERRCODE = 'dependent_objects_still_exist',
			      HINT = format('To delete all of it, call loyalty.drop_program(%L, force => true).', program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_nothing_recorded(name) IS 'an error if a program has entries, accounts, cards or vouchers';

CREATE FUNCTION loyalty.drop_program(program name, force boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	PERFORM _loyalty.refuse_nested('drop_program');
	IF _loyalty.drop_left_triggers(program) THEN
		RETURN;
	END IF;
	PERFORM _loyalty.require_existing(program);
	IF force IS NOT TRUE THEN
		PERFORM _loyalty.require_nothing_recorded(program);
	END IF;
	PERFORM _loyalty.lock_program(program, _loyalty.tables_to_let_go(program, NULL));
	FOR t IN SELECT * FROM _loyalty.tracked_table_triggers(program, NULL)
	LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', t.trigger, t.relation);
	END LOOP;
	-- now that whoever was just recording is done
	IF force IS NOT TRUE THEN
		PERFORM _loyalty.require_nothing_recorded(program);
	END IF;
	EXECUTE format('DROP SCHEMA %I CASCADE', program);
END
$$;
ALTER FUNCTION loyalty.drop_program(name, boolean) SET client_min_messages = warning;
COMMENT ON FUNCTION loyalty.drop_program(name, boolean) IS
'delete a program with all its points; refuses without force, unless nothing is recorded; of a program whose schema was dropped, drops the triggers that are left';

-- What a command says of an object, with the names of a program's schema unqualified.
-- Every name in the command must be qualified: that schema is its owner's.
CREATE FUNCTION _loyalty.definition(command text, program name)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	path text := format('pg_catalog, %I, pg_temp', program);
	result text;
BEGIN
	PERFORM set_config('search_path', path, true);
	EXECUTE command INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.definition(text, name) IS
'run a command that deparses an object, with the names of a program''s schema unqualified';

-- The views that say what the rows of tracked tables mean, and the conditions of tiers and earning rules.
CREATE FUNCTION _loyalty.is_definition(view name)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT view ~ '^(orders_[0-9]+(_[0-9]+)?|(lines|refunds|archived|tiers|for_members|metrics)_[0-9]+|metrics|ratings|customer_rows)$'
$$;
COMMENT ON FUNCTION _loyalty.is_definition(name) IS
'is this the name of a view that says what the rows of a tracked table mean, or what a tier, an earning rule or a metric takes of a customer?';

-- All in the schema of a program by which it could do anything, as if its name was
-- another.  Plain columns, keys and indexes that users added can't do anything.
CREATE FUNCTION _loyalty.shape(program name, called name)
RETURNS TABLE (kind text, name text, definition text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ns AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname = program),
	rel AS (SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
	         WHERE c.relkind <> 'i' AND NOT (c.relkind = 'v' AND _loyalty.is_definition(c.relname))),
	part AS (
		SELECT i.type AS kind, coalesce(i.name, substr(i.identity, length(quote_ident(program)) + 2)) AS name,
		       CASE d.classid
		       WHEN 'pg_proc'::regclass THEN format('SELECT pg_catalog.pg_get_functiondef(%s::pg_catalog.oid)', d.objid)
		       WHEN 'pg_class'::regclass THEN
		            (SELECT CASE WHEN r.relname = 'customer' THEN NULL
		                    ELSE format('SELECT pg_catalog.concat(pg_catalog.pg_get_viewdef(%1$s::pg_catalog.oid), (SELECT c.reloptions FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) %1$s::pg_catalog.oid))', d.objid) END
		               FROM rel r WHERE r.oid = d.objid AND r.relkind = 'v')
		       END AS command
		  FROM ns JOIN pg_depend d ON d.refclassid = 'pg_namespace'::regclass AND d.refobjid = ns.oid
		   AND (d.classid <> 'pg_class'::regclass OR d.objid IN (SELECT x.oid FROM rel x))
		   AND (d.classid <> 'pg_class'::regclass OR d.objid IN (SELECT rel.oid FROM rel))
		 CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
		 WHERE i.type IS NOT NULL AND i.type NOT IN ('index', 'toast table')
		UNION ALL
		SELECT 'column', format('%s.%s', r.relname, a.attname),
		       format('SELECT pg_catalog.concat_ws('' '', pg_catalog.format_type(%1$s, %2$s), %3$L::pg_catalog.text, %4$L::pg_catalog.text, '
		              '(SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d WHERE d.adrelid OPERATOR(pg_catalog.=) %5$s::pg_catalog.oid AND d.adnum OPERATOR(pg_catalog.=) %6$s))',
		              a.atttypid, a.atttypmod, a.attidentity, a.attgenerated, r.oid, a.attnum)
		  FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid
		 WHERE r.relkind IN ('r', 'p', 'c') AND a.attnum > 0 AND NOT a.attisdropped
		   AND (a.atthasdef OR a.attidentity <> '' OR a.atttypid >= 16384)
		UNION ALL
		SELECT 'constraint', format('%s.%s', r.relname, c.conname), format('SELECT pg_catalog.pg_get_constraintdef(%s::pg_catalog.oid)', c.oid)
		  FROM rel r JOIN pg_constraint c ON c.conrelid = r.oid WHERE c.contype NOT IN ('p', 'u', 'n')
		UNION ALL
		SELECT 'index', format('%s.%s', r.relname, x.indexrelid::regclass), format('SELECT pg_catalog.pg_get_indexdef(%s::pg_catalog.oid)', x.indexrelid)
		  FROM rel r JOIN pg_index x ON x.indrelid = r.oid WHERE x.indexprs IS NOT NULL OR x.indpred IS NOT NULL
		UNION ALL
		SELECT 'trigger', format('%s.%s', r.relname, t.tgname), format('SELECT pg_catalog.pg_get_triggerdef(%s::pg_catalog.oid, true)', t.oid)
		  FROM rel r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT t.tgisinternal
		UNION ALL
		SELECT 'rule', format('%s.%s', r.relname, w.rulename), format('SELECT pg_catalog.pg_get_ruledef(%s::pg_catalog.oid)', w.oid)
		  FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid WHERE w.rulename <> '_RETURN'
		UNION ALL
		SELECT 'policy', format('%s.%s', r.relname, p.polname), NULL FROM rel r JOIN pg_policy p ON p.polrelid = r.oid
		UNION ALL
		SELECT 'child of', format('%s: %s', r.relname, i.inhrelid::regclass), NULL FROM rel r JOIN pg_inherits i ON i.inhparent = r.oid
		UNION ALL
		SELECT 'parent of', format('%s: %s', r.relname, i.inhparent::regclass), NULL FROM rel r JOIN pg_inherits i ON i.inhrelid = r.oid)
	-- the name stands in arguments of triggers, where a backslash is as it is, and in the text of functions
	SELECT p.kind, p.name,
	       coalesce(replace(replace(replace(replace(_loyalty.definition(p.command, program),
	                                        format('(''%s'')', replace(program, '''', '''''')), format('(''%s'')', replace(called, '''', ''''''))),
	                                        quote_literal(quote_ident(program) || '.program'), quote_literal(quote_ident(called) || '.program')),
	                                quote_literal(program), quote_literal(called)),
	                        quote_ident(program) || '.', quote_ident(called) || '.'), '')
	  FROM part p
$$;
COMMENT ON FUNCTION _loyalty.shape(name, name) IS
'all in the schema of a program by which it could do anything, but for what is told of the customer table';

-- What somebody put into the schema of a program: the difference to one that is
-- made for the purpose, and taken back at once.  Runs as the owner.
CREATE FUNCTION _loyalty.strangers(program name)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
SET loyalty.tracking = 'on'		-- the other program is written by functions, as this one acts
AS $$
DECLARE
	other name := format('loyalty_compare_%s', pg_backend_pid());
	key name;
	key_type text;
	scales jsonb := _loyalty.template_values(program);
	found_ones text[];
BEGIN
	-- the views declare the decimals that there were when they were made: terms that had more may be gone
	scales := scales || coalesce((SELECT jsonb_object_agg(CASE a.attname WHEN 'points' THEN 'points_scale' ELSE 'amount_scale' END, (a.atttypmod - 4) & 2047)
	                                FROM pg_attribute a
	                               WHERE a.attrelid = to_regclass(format('%I.members', program)) AND a.attname IN ('points', 'lifetime_value')
	                                 AND a.atttypid = 'numeric'::regtype AND a.atttypmod >= 4 AND ((a.atttypmod - 4) & 2047) <= 12), '{}');
	-- the views call the key as the first table of customers did
	SELECT a.attname INTO key FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.members', program)) AND a.attnum = 1;
	SELECT format_type(a.atttypid, a.atttypmod) || _loyalty.collation_clause(a.attcollation) INTO key_type FROM pg_attribute a
	 WHERE a.attrelid = format('%I.journal', program)::regclass AND a.attname = 'customer';
	BEGIN
		EXECUTE format('CREATE SCHEMA %I', other || '_customers');
		EXECUTE format('CREATE TABLE %I.customers (%I %s PRIMARY KEY)', other || '_customers', key, key_type);
		PERFORM loyalty.create_program(other, format('%I.customers', other || '_customers')::regclass, key, time_zone => 'UTC',
		                               points_scale => (scales ->> 'points_scale')::int, amount_scale => (scales ->> 'amount_scale')::int);
		SELECT array_agg(format('%s %s', d.kind, d.name) ORDER BY d.kind, d.name) INTO found_ones
		  FROM (SELECT * FROM _loyalty.shape(program, program) EXCEPT SELECT * FROM _loyalty.shape(other, program)) d;
		RAISE EXCEPTION USING ERRCODE = 'LY000', MESSAGE = 'take it back';
	EXCEPTION WHEN SQLSTATE 'LY000' THEN
		NULL;
	END;
	RETURN QUERY SELECT unnest(found_ones);
END
$$;
COMMENT ON FUNCTION _loyalty.strangers(name) IS
'objects in the schema of a program that loyalty.create_program does not make, or not so';

-- What an owner of a program could do by its customer view, or lets others do: a role
-- that gets the program must be told.
CREATE FUNCTION _loyalty.loopholes(program name, owner oid)
RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ns AS (SELECT n.oid, n.nspowner, n.nspacl FROM pg_namespace n WHERE n.nspname = program),
	rel AS (SELECT c.oid, c.relname, c.relacl FROM pg_class c JOIN ns ON ns.oid = c.relnamespace WHERE c.relkind <> 'i'),
	used AS (
		SELECT d.refclassid, d.refobjid, p.proowner AS owner
		  FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
		  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass
		  JOIN pg_proc p ON p.oid = d.refobjid
		 WHERE r.relname = 'customer'
		UNION
		SELECT d.refclassid, d.refobjid, p.proowner
		  FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
		  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_operator'::regclass
		  JOIN pg_operator o ON o.oid = d.refobjid
		  JOIN pg_proc p ON p.oid = o.oprcode
		 WHERE r.relname = 'customer'),
	acl AS (
		SELECT r.relname, a.* FROM rel r CROSS JOIN LATERAL aclexplode(r.relacl) a
		UNION ALL
		SELECT r.relname, a.* FROM rel r JOIN pg_attribute t ON t.attrelid = r.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
		UNION ALL
		SELECT NULL, a.* FROM ns CROSS JOIN LATERAL aclexplode(ns.nspacl) a)
	SELECT format('%s used by view customer', pg_describe_object(u.refclassid, u.refobjid, 0))
	  FROM used u
	 WHERE NOT pg_has_role(u.owner, loopholes.owner, 'USAGE')
	UNION ALL
	SELECT format('table %s in view customer', d.refobjid::regclass)
	  FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid
	  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
	 WHERE r.relname = 'customer' AND d.refobjid NOT IN (r.oid, (SELECT min(x.refobjid) FROM pg_depend x
	                                                              WHERE x.classid = 'pg_rewrite'::regclass AND x.objid = w.oid
	                                                                AND x.refclassid = 'pg_class'::regclass AND x.refobjid <> r.oid))
	UNION ALL
	SELECT DISTINCT format('right %s on %s of role %s', a.privilege_type, coalesce(a.relname::text, 'the schema'),
	                       CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END)
	  FROM acl a CROSS JOIN ns
	 WHERE a.grantee NOT IN (ns.nspowner, loopholes.owner)
	   AND a.privilege_type NOT IN ('SELECT', 'USAGE')
	   AND NOT EXISTS (SELECT FROM _loyalty.templates() t
	                    WHERE t.object = a.relname AND a.privilege_type = ANY (string_to_array(concat_ws(', ', t.may_operate, t.may_admin), ', ')))
$$;
COMMENT ON FUNCTION _loyalty.loopholes(name, oid) IS
'by what else than the rules somebody could act with the rights of a role to which a program is given';

-- What a role lacks to read the tables of a program, which it must read to own it.  Of the
-- customer table, the columns that the program reads are enough.
CREATE FUNCTION _loyalty.require_reader(program name, owner regrole)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	grants text;
	example regclass;
BEGIN
	WITH tracked AS MATERIALIZED (
		SELECT r[1]::oid AS oid, r[2]::boolean AS has_customers
		  FROM _loyalty.as_owner(program, format('SELECT s.relation::oid, false FROM %1$I.tracked_table s WHERE s.active UNION
		                                         SELECT p.customers::oid, true FROM %1$I.program p', program)) r),
	lacking AS (
		SELECT format('GRANT USAGE ON SCHEMA %I TO %s;', n.nspname, owner) AS command, 1 AS part, c.oid
		  FROM tracked t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE NOT has_schema_privilege(owner, n.oid, 'USAGE')
		UNION ALL
		SELECT format('GRANT SELECT ON %s TO %s;', c.oid::regclass, owner), 2, c.oid
		  FROM tracked t JOIN pg_class c ON c.oid = t.oid
		 WHERE NOT has_table_privilege(owner, c.oid, 'SELECT')
		   AND NOT (t.has_customers AND has_any_column_privilege(owner, c.oid, 'SELECT')))
	SELECT string_agg(l.command, ' ' ORDER BY l.part, l.command), min(l.oid)
	  INTO grants, example
	  FROM (SELECT command, part, min(oid) AS oid FROM lacking GROUP BY command, part) l;
	IF grants IS NOT NULL THEN
		RAISE EXCEPTION 'role "%" may not read table "%" of loyalty program "%"', pg_get_userbyid(owner), example, program
			USING ERRCODE = 'insufficient_privilege',
			      DETAIL = 'The rules of the program would run as this role.',
			      HINT = format('Let the owner of the tables, or a superuser, do it first: %s', grants);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_reader(name, regrole) IS 'an error that says what to grant unless a role may read the tables of a program';

-- All of a program belongs to one role: its expressions run as that role.  Nothing
-- but what the extension made is handed over; and what it does, its rules, is read
-- anew as that role, which refuses functions of the old owner.
CREATE FUNCTION loyalty.change_owner(program name, owner regrole)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- see _loyalty.protect_tables()
AS $$
DECLARE
	command text;
	strangers text[];
	before text;
	foreign_code text;
	writers text;
BEGIN
	PERFORM _loyalty.refuse_nested('change_owner');
	PERFORM _loyalty.require_program(program);
	IF owner IS NULL THEN
		RAISE EXCEPTION 'owner must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM _loyalty.require_able_owner(program, owner);
	PERFORM _loyalty.require_reader(program, owner);
	PERFORM _loyalty.lock_program(program);
	SELECT md5(string_agg(x::text, ' ' ORDER BY x::text)) INTO before FROM _loyalty.shape(program, program) x;
	SELECT array_agg(x.stranger ORDER BY x.stranger COLLATE "C") INTO strangers
	  FROM (SELECT r[1] AS stranger FROM _loyalty.as_owner(program, 'SELECT _loyalty.strangers($1::name)', program::text) r
	        UNION ALL
	        SELECT l FROM _loyalty.loopholes(program, owner) l) x;
	IF strangers IS NOT NULL THEN
		RAISE EXCEPTION 'the schema of loyalty program "%" holds what is not of the program', program
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = array_to_string(strangers, E'\n'),
			      HINT = format('It would act with the rights of the role %s. Drop it, revoke it, or move it to another schema.', owner);
	END IF;
	FOR command IN
		SELECT format('ALTER %s %I.%I OWNER TO %s',
		              CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, program, c.relname, owner)
		  FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind IN ('r', 'p', 'v', 'c')
		UNION ALL
		SELECT format('ALTER FUNCTION %s OWNER TO %s', p.oid::regprocedure, owner)
		  FROM pg_proc p WHERE p.pronamespace = to_regnamespace(quote_ident(program))
		UNION ALL
		SELECT format('ALTER SCHEMA %I OWNER TO %s', program, owner)
	LOOP
		EXECUTE command;
	END LOOP;
	-- now that the old owner can't change anything any more
	IF before IS DISTINCT FROM (SELECT md5(string_agg(x::text, ' ' ORDER BY x::text)) FROM _loyalty.shape(program, program) x) THEN
		RAISE EXCEPTION 'the schema of loyalty program "%" was changed meanwhile', program
			USING ERRCODE = 'object_in_use', HINT = 'Call loyalty.change_owner() again.';
	END IF;
	-- what tracked tables mean is read out of their views, and nothing else of these is kept
	BEGIN
		PERFORM _loyalty.as_owner(program, 'SELECT _loyalty.renew_views($1::name)', program::text);
		SELECT min(r[1]) INTO foreign_code FROM _loyalty.as_owner(program, 'SELECT _loyalty.foreign_code($1::name)', program::text) r;
	EXCEPTION WHEN insufficient_privilege THEN
		foreign_code := SQLERRM;
	END;
	IF foreign_code IS NOT NULL THEN
		RAISE EXCEPTION '%', foreign_code
			USING ERRCODE = 'insufficient_privilege',
			      HINT = 'Give it to the new owner, too, or change the rule. Rules of old terms count while orders are recorded under them.';
	END IF;
	SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END, ', ') INTO writers
	  FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
	 WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relname IN (SELECT t.object FROM _loyalty.templates() t WHERE t.may_admin IS NOT NULL)
	   AND a.privilege_type <> 'SELECT' AND a.grantee <> owner::oid;
	IF writers IS NOT NULL THEN
		RAISE WARNING 'rules of loyalty program "%" can be written by: %', program, writers
			USING DETAIL = format('They act with the rights of the role %s.', owner);
	END IF;
END
$$;
COMMENT ON FUNCTION loyalty.change_owner(name, regrole) IS
'give the schema of a program and all in it to a role, which its expressions then run as';
