-- Columns of the customer's row in earning rules -----------------------------------------
--
-- Rules see the row that the table of the customers has for the customer of an order, as "member".  The view of a table of
-- orders joins it under those terms only whose rules name a column of it.  What is in these columns when an order is recorded
-- first is kept in its entries (the column "member"), as text, and is what all later revisions go by: so a refund takes back
-- what was earned, however the customer has changed since, and verify() needs no history of customers to prove it.
--
-- Whoever changes the customer's row waits for nobody, and nobody for him: it is only read.

CREATE FUNCTION _loyalty.pinned_member(order_key text, customer anyelement)
RETURNS jsonb
LANGUAGE c STABLE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'loyalty_pinned_member';
COMMENT ON FUNCTION _loyalty.pinned_member(text, anyelement) IS
'what an order keeps of its customer''s row, empty of a new one, while it is read to be recorded; else null';

CREATE FUNCTION _loyalty.member_keys(view regclass)
RETURNS text[]
LANGUAGE c STABLE STRICT
AS 'MODULE_PATHNAME', 'loyalty_member_keys';
COMMENT ON FUNCTION _loyalty.member_keys(regclass) IS
'the columns of the customer''s row that rules use by a view of orders, each with the name under which orders keep it';

-- The names under which orders of a table keep columns of the customer's row, each behind the column, by the views of all versions of the
-- terms, or by what was let go of.  A column has the same name under all of them.
CREATE FUNCTION _loyalty.member_keys_of(program name, tracked_table int, terms int DEFAULT NULL)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text[];
BEGIN
	EXECUTE format($sql$
		SELECT array_agg(k.name ORDER BY t.version, k.n)
		  FROM %1$I.terms t JOIN %1$I.tracked_table s ON s.tracked_table = $2
		 CROSS JOIN LATERAL (SELECT coalesce(ARRAY(SELECT jsonb_array_elements_text(s.definition -> 'member' -> t.version::text)), '{}')
		                            || coalesce(_loyalty.member_keys(_loyalty.view_of($1, 'orders', s.tracked_table, t.version)), '{}') AS names) x
		 CROSS JOIN LATERAL unnest(x.names) WITH ORDINALITY k (name, n)
		 WHERE $3 IS NULL OR t.version = $3
		$sql$, program) INTO result USING program, tracked_table, terms;
	RETURN coalesce(result, '{}');
END
$$;
COMMENT ON FUNCTION _loyalty.member_keys_of(name, int, int) IS
'the columns of the customer''s row that rules use under a version of the terms, or under any, each with the name under which orders keep it';

-- The columns of the customer's row that the awards of a table use.
CREATE FUNCTION _loyalty.member_columns(program name, tracked_table int, terms int, awards jsonb)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation regclass;
	line regclass;
	result text[];
BEGIN
	IF awards::text !~ '\mmember\.' THEN
		RETURN '{}';
	END IF;
	EXECUTE format('SELECT s.relation, l.relation FROM %1$I.tracked_table s
	                  LEFT JOIN %1$I.tracked_table l ON l.of_tracked_table = s.tracked_table AND l.active AND l.kind = ''lines'' WHERE s.tracked_table = $1', program)
	   INTO relation, line USING tracked_table;
	EXECUTE format($sql$
		SELECT array_agg(DISTINCT c ORDER BY c)
		  FROM %I.terms_rule r
		 CROSS JOIN LATERAL _loyalty.parse_expression($1 ->> (r.award - 1), $2, CASE r.per WHEN 'line' THEN $3 END, $4, 'numeric', 'an earning rule', 'tracked', 'tracked', NULL,
		                                              'pg_catalog, pg_temp', false, member => $5, line_facts => CASE r.per WHEN 'line' THEN '_loyalty.sold'::regclass END) p
		 CROSS JOIN unnest(p.member_columns) c
		 WHERE r.version = $6 AND (r.per = 'order' OR $3 IS NOT NULL)
		$sql$, program) INTO result USING awards, relation, line, format('%I.purchase', program)::regclass, _loyalty.customer_table(program), terms;
	RETURN coalesce(result, '{}');
END
$$;
COMMENT ON FUNCTION _loyalty.member_columns(name, int, int, jsonb) IS 'the columns of the customer''s row that the awards of a table of orders use';

-- How the columns of the customer's row are found that rules use, as SQL for FROM behind the purchase, and what an order keeps of them.
-- What it keeps, by its newest entry or of those that are being recorded, comes before what the row says now; what it does not keep
-- is as the row says.  A column is kept as text, under the name that it had when a rule named it first.  Of a customer who was erased,
-- orders keep what they were worth instead, without a name: what is left of it after refunds is in proportion.  Events have no refunds:
-- they keep all of it, whatever becomes of their amount.  Nulls if rules use none.
CREATE FUNCTION _loyalty.member_join(program name, tracked_table int, terms int, key text, awards jsonb, member_keys text[], is_simulated boolean,
                                     OUT joins text, OUT kept text, OUT erased text, OUT erased_parts text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq CONSTANT text := _loyalty.customer_equality(program);
	columns CONSTANT text[] := _loyalty.member_columns(program, tracked_table, terms, awards);
	customers CONSTANT regclass := _loyalty.customer_table(program);
	known CONSTANT jsonb := jsonb_object(coalesce(nullif(member_keys, '{}'), _loyalty.member_keys_of(program, tracked_table)));
	customer text;
	list text;
	names text[];
BEGIN
	IF columns = '{}' THEN
		RETURN;
	END IF;
	customer := (SELECT v.expression FROM _loyalty.view_expression(to_regclass(format('%I.customer', program)), NULL, 'customer', false) v);
	IF customer IS NULL THEN
		RAISE EXCEPTION 'loyalty program "%" lacks the view "customer"', program
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Its rules use columns of the customer''s row, which is found by it.',
			      HINT = format('UPDATE %I.program SET customers = ''...'', customer_key = ''...'', joined_at = ''...'' makes it.', program);
	END IF;
	-- a column that has the name under which another one is kept, which was renamed, is kept under a longer one
	SELECT string_agg(format('CASE WHEN pinned.columns ? %1$L::text THEN (pinned.columns ->> %1$L)::%2$s ELSE person.%3$I END AS %3$I', x.key, x.type, x.name), ', ' ORDER BY x.name),
	       string_agg(format('%L, (member.%I)::text', x.key, x.name), ', ' ORDER BY x.name), array_agg(x.key ORDER BY x.name)
	  INTO list, kept, names
	  FROM (SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
	               coalesce(known ->> a.attname, a.attname || CASE WHEN EXISTS (SELECT FROM jsonb_each_text(known) k WHERE k.value = a.attname) THEN '_' || a.attnum ELSE '' END) AS key
	          FROM pg_attribute a WHERE a.attrelid = customers AND a.attname = ANY (columns)) x;
	kept := format($sql$CASE WHEN pinned.columns ? '' THEN pinned.columns ELSE jsonb_build_object(%s) || coalesce(pinned.columns, '{}') END$sql$, kept);
	erased := $sql$CASE WHEN pinned.columns ? '' THEN CASE WHEN erased.amount IN (0, purchase.amount) THEN erased.awards ELSE erased.awards * purchase.amount / erased.amount END ELSE %s END$sql$;
	erased_parts := format($sql$CASE WHEN pinned.columns ? '' THEN
		ARRAY(SELECT CASE WHEN erased.amount IN (0, purchase.amount) OR r.multiplier IS NOT NULL THEN p.part::numeric ELSE p.part::numeric * purchase.amount / erased.amount END
		        FROM jsonb_array_elements_text(nullif(pinned.columns -> '' -> 'parts', 'null')) WITH ORDINALITY AS p (part, award)
		        LEFT JOIN %1$I.terms_rule AS r ON r.version = %2$s AND r.award = p.award ORDER BY p.award) ELSE %%s END$sql$, program, terms);
	joins := format($sql$
		CROSS JOIN LATERAL (SELECT %1$s AS columns OFFSET 0) AS pinned
		CROSS JOIN LATERAL (SELECT %7$s AS amount, (pinned.columns -> '' ->> 'awards')::numeric AS awards OFFSET 0) AS erased
		CROSS JOIN LATERAL (SELECT %2$s FROM (SELECT 1) AS one
		  LEFT JOIN %3$s AS person ON purchase.counts AND (pinned.columns ?& %4$L::text[] OR pinned.columns ? '') IS NOT TRUE AND (%5$s) %6$s purchase.customer OFFSET 0) AS member $sql$,
		CASE WHEN is_simulated THEN quote_literal('{}') || '::jsonb'
		     ELSE format($sql$coalesce(_loyalty.pinned_member((%3$s)::text, purchase.customer),
			(SELECT e.member
			   FROM (SELECT l.revision, l.member FROM %1$I.ledger l
			          WHERE l.customer %2$s purchase.customer AND l.tracked_table = %4$s AND l.order_key = ((%3$s)::text COLLATE "C")
			         UNION ALL
			         SELECT j.revision, j.member FROM %1$I.journal j
			          WHERE j.customer %2$s purchase.customer AND j.tracked_table = %4$s AND j.order_key = ((%3$s)::text COLLATE "C")) e
			  ORDER BY e.revision DESC LIMIT 1))$sql$, program, eq, key, tracked_table) END,
		list, customers, names, customer, eq,
		CASE WHEN _loyalty.is_for_table(program, tracked_table, NULL) THEN $sql$(pinned.columns -> '' ->> 'amount')::numeric$sql$ ELSE 'purchase.amount' END);
END
$$;
COMMENT ON FUNCTION _loyalty.member_join(name, int, int, text, jsonb, text[], boolean) IS
'how the columns of the customer''s row are found that rules use, and what an order keeps of them, as SQL; nulls if they use none';

-- Another table, or another key, of the customers: the rows that rules see are found there.
CREATE FUNCTION _loyalty.renew_member_joins(program name, customers regclass, before regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	src int;
BEGIN
	FOR src IN EXECUTE format($sql$
		SELECT s.tracked_table FROM %1$I.tracked_table s
		 WHERE s.active AND s.definition IS NULL AND s.kind IN ('orders', 'credits')
		   AND EXISTS (SELECT FROM %1$I.terms t WHERE _loyalty.member_keys(_loyalty.view_of($1, 'orders', s.tracked_table, t.version)) <> '{}') ORDER BY 1
		$sql$, program) USING program
	LOOP
		PERFORM _loyalty.make_views(program, src);
	END LOOP;
EXCEPTION WHEN undefined_column OR undefined_function OR datatype_mismatch OR cannot_coerce OR insufficient_privilege THEN
	RAISE EXCEPTION 'table "%" cannot take the place of table "%"', customers, before
		USING ERRCODE = SQLSTATE, DETAIL = _loyalty.as_sentence(SQLERRM),
		      HINT = 'Earning rules use columns of the customer''s row, as member.x: it needs columns of the same names, and of types for which the rules hold.';
END
$$;
COMMENT ON FUNCTION _loyalty.renew_member_joins(name, regclass, regclass) IS
'make the views of orders anew whose rules use columns of the customer''s row, after another table was said to have the customers';
