-- Who wants to be forgotten ---------------------------------------------------------
--
-- What names a person in a program is the key of the customer, and what callers said: references,
-- reasons and numbers of cards.  The key is put out by another one, or stays if it tells nothing.
-- References become others that mean nothing, the same everywhere for the same, so that what named
-- something names it still: a reversal what it takes back, a redemption its reward, one side of a
-- transfer the other.  Reasons go, and so do cards.  No number changes, so no total does.
--
-- The rest is done in src/act/erase.c, which alone may change entries.

-- A key that nobody knows any more afterwards makes of a reference what cannot be told from chance.
CREATE FUNCTION _loyalty.erased_text(said text, salt bytea)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'erased-' || left(encode(sha256(salt || convert_to(said, getdatabaseencoding())), 'hex'), 32)
$$;
COMMENT ON FUNCTION _loyalty.erased_text(text, bytea) IS 'what stands for a reference that was erased: the same for the same one, as long as the salt is known';

-- The templates tell, so a table that is added joins in: whatever has the type of the key holds
-- customers, and what callers say has one of a few names.
CREATE FUNCTION _loyalty.personal_columns()
RETURNS TABLE (ordinal int, relation name, name name, what text, append_only boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.ordinal, t.object, c.found[1]::name,
	       CASE WHEN c.found[2] ~ '^@(column|optional)_type@' THEN 'customer' WHEN c.found[1] = 'reason' THEN 'reason'
	            WHEN c.found[1] IN ('reference', 'reverses', 'batch', 'vouchers') OR (t.object, c.found[1]) = ('ledger', 'order_key') THEN 'reference' END,
	       EXISTS (SELECT FROM _loyalty.templates() g WHERE g.kind = 'trigger' AND g.object = t.object AND g.name = 'append_only')
	  FROM _loyalty.templates() t
	 CROSS JOIN LATERAL regexp_matches(t.body, '^\t([a-z_]+) ([^ ,]+)', 'gn') c (found)
	 WHERE t.kind = 'table'
	   AND (c.found[2] ~ '^@(column|optional)_type@'
	        OR (c.found[2] = 'text' AND (c.found[1] IN ('reason', 'reference', 'reverses', 'batch', 'vouchers') OR (t.object, c.found[1]) = ('ledger', 'order_key'))))
$$;
COMMENT ON FUNCTION _loyalty.personal_columns() IS
'columns of the tables of a program that name a customer: his key, what callers named their calls, and why they made them';

-- The vouchers of a customer ($1): those that only he may redeem, and those that he had for points.
CREATE FUNCTION _loyalty.batches_of_customer_sql(program name, is_customer text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT b.reference FROM %1$I.voucher_batch b WHERE b.customer %2$s
	               UNION SELECT r.vouchers FROM %1$I.reward_redemption r WHERE r.customer %2$s AND r.vouchers IS NOT NULL', program, is_customer)
$$;
COMMENT ON FUNCTION _loyalty.batches_of_customer_sql(name, text) IS 'references of the vouchers of a customer, as SQL';

-- Which rows of a table name a customer ($1) in a column, or are of his vouchers.  The other side of
-- a transfer is found by the entries of this one: no index has it.
CREATE FUNCTION _loyalty.rows_of_customer_sql(program name, relation name, name name, is_customer text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN (relation, name) = ('ledger', 'counterpart') THEN
	                 format('FROM (SELECT DISTINCT l.counterpart AS other, l.order_key AS named FROM %1$I.ledger l WHERE l.customer %2$s AND l.tracked_table = 0 AND l.counterpart IS NOT NULL) o
	                         WHERE t.customer %3$s o.other AND t.tracked_table = 0 AND t.order_key = o.named AND t.counterpart %2$s',
	                        program, is_customer, _loyalty.customer_equality(program))
	            WHEN relation = 'voucher_batch' THEN format('WHERE t.reference IN (%s)', _loyalty.batches_of_customer_sql(program, is_customer))
	            WHEN relation = 'voucher' THEN format('WHERE t.batch IN (%s)', _loyalty.batches_of_customer_sql(program, is_customer))
	            WHEN relation = 'voucher_entry' THEN format('WHERE t.code IN (SELECT v.code FROM %I.voucher v WHERE v.batch IN (%s))', program, _loyalty.batches_of_customer_sql(program, is_customer))
	            ELSE format('WHERE t.%I %s', name, is_customer) END
$$;
COMMENT ON FUNCTION _loyalty.rows_of_customer_sql(name, name, name, text) IS 'which rows of a table name a customer in a column, as SQL behind UPDATE ... t SET ...';

-- What erases a customer ($1), who gets another key ($2) unless that is null, with a salt ($3).  Each
-- statement must still find the rows by what others change: so what names the other side comes before
-- what names the customer, and entries of vouchers before these, and these before what tells whose
-- they are.  Where a reason must be said, its place is kept.
CREATE FUNCTION _loyalty.erasing_statements(program name)
RETURNS TABLE (n bigint, relation regclass, append_only boolean, statement text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_type CONSTANT text := format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1);
	is_customer CONSTANT text := format('%s $1::%s', _loyalty.customer_equality(program), key_type);
BEGIN
	RETURN QUERY
	WITH personal AS MATERIALIZED (SELECT c.* FROM _loyalty.personal_columns() c),
	said AS (
		SELECT c.relation, string_agg(format('%I = %s', c.name,
		            CASE WHEN c.what = 'reference' THEN format(CASE WHEN c.name = 'order_key' THEN 'CASE WHEN t.tracked_table = 0 THEN %1$s ELSE t.order_key END' ELSE '%s' END,
		                                                       format('_loyalty.erased_text(t.%I, $3)', c.name))
		                 WHEN c.relation = 'ledger' THEN 'CASE WHEN t.kind = ''adjustment'' THEN ''erased'' END'
		                 WHEN c.relation = 'voucher_entry' THEN 'CASE WHEN t.kind = ''void'' THEN ''erased'' END'
		                 ELSE 'NULL' END), ', ') AS list
		  FROM personal c WHERE c.what <> 'customer' GROUP BY c.relation),
	-- the columns by which rows are found
	found AS (
		SELECT p.*, p.relation IN ('member_card', 'set_aside') AS is_deleted FROM personal p
		 WHERE (p.what = 'customer' AND (p.relation, p.name) <> ('held', 'recorded_for')) OR (p.relation, p.name) IN (('voucher', 'batch'), ('voucher_entry', 'reference')))
	SELECT row_number() OVER (ORDER BY NOT p.append_only, p.relation <> 'voucher', p.name = 'customer', p.ordinal DESC), format('%I.%I', program, p.relation)::regclass, p.append_only,
	       CASE WHEN p.is_deleted THEN format('DELETE FROM %I.%I t ', program, p.relation)
	            ELSE format('UPDATE %I.%I t SET %s ', program, p.relation,
	                        concat_ws(', ', CASE WHEN p.what = 'customer' THEN format('%1$I = CASE WHEN t.%1$I %2$s THEN coalesce($2::%3$s, t.%1$I) ELSE t.%1$I END', p.name, is_customer, key_type) END,
	                                  -- that of an account is the same, as long as nobody was merged
	                                  CASE WHEN p.relation = 'held' THEN format('recorded_for = coalesce($2::%s, t.recorded_for)', key_type) END, s.list)) END
	       || _loyalty.rows_of_customer_sql(program, p.relation, p.name, is_customer)
	       || CASE WHEN s.list IS NULL AND NOT p.is_deleted THEN ' AND $2 IS NOT NULL' ELSE '' END
	  -- once for each row: by the customer, on the other side of a transfer, or by the voucher
	  FROM found p LEFT JOIN said s ON s.relation = p.relation AND (p.name = 'customer' OR p.what <> 'customer' OR (p.relation, p.name) = ('ledger', 'counterpart'));
END
$$;
COMMENT ON FUNCTION _loyalty.erasing_statements(name) IS 'what erases a customer from the tables of a program, in its order, as SQL';

-- The first table that has rows of a customer.  What only an entry of another customer names is
-- not looked for: there is one of this customer then.
CREATE FUNCTION _loyalty.table_with_customer(program name, customer anyelement)
RETURNS name
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_customer CONSTANT text := format('%s $1::%s', _loyalty.customer_equality(program), format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1));
	present boolean;
	c record;
BEGIN
	FOR c IN SELECT p.relation, p.name FROM _loyalty.personal_columns() p
	          WHERE p.what = 'customer' AND (p.relation, p.name) <> ('ledger', 'counterpart')
	          ORDER BY p.relation NOT IN ('account', 'journal', 'ledger'), p.ordinal, p.name
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM %I.%I t WHERE t.%I %s)', program, c.relation, c.name, is_customer) INTO present USING customer;
		IF present THEN
			RETURN c.relation;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.table_with_customer(name, anyelement) IS 'a table of a program that has rows of a customer; null: there is none';

-- Orders that are not archived have their customer from the table of the host, and would be recorded
-- again for the key that this table has.
CREATE FUNCTION _loyalty.require_no_orders(program name, customer anyelement, surrogate anyelement)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o record;
BEGIN
	EXECUTE format($sql$
		SELECT s.relation, count(*) AS orders FROM %1$I.recorded_orders r
		  JOIN %1$I.tracked_table s ON s.tracked_table = r.tracked_table JOIN pg_class c ON c.oid = s.relation
		 WHERE r.customer %2$s $1::%3$s AND r.counts
		   AND NOT EXISTS (SELECT FROM %1$I.archived a WHERE a.tracked_table = r.tracked_table AND a.order_key = r.order_key)
		 GROUP BY s.tracked_table, s.relation ORDER BY s.tracked_table LIMIT 1 $sql$, program, _loyalty.customer_equality(program),
		format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1)) INTO o USING customer;
	IF o.orders > 0 THEN
		RAISE EXCEPTION 'orders in table "%" name customer %', o.relation, customer
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('There are %s that count, and they would be recorded again for this customer.', o.orders),
			      HINT = format('Call erase with orders_follow => true, and give these orders the customer %s behind it, in the same transaction.', surrogate);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_no_orders(name, anyelement, anyelement) IS 'an error if orders in tables of the host have a customer who is to be erased';

CREATE FUNCTION _loyalty.refuse_surrogate(program name, surrogate anyelement, relation name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'loyalty program "%" has a customer % already', program, surrogate
		USING ERRCODE = 'unique_violation', DETAIL = format('The table %I.%I has rows of this customer.', program, relation),
		      HINT = 'Give a key that nobody has had, and call erase before orders in tables of yours get it.';
END
$$;
COMMENT ON FUNCTION _loyalty.refuse_surrogate(name, anyelement, name) IS 'an error: the key that was to stand for a customer is that of one';

-- The account is locked as by a call, and so are those of the other sides of transfers, whose entries
-- change, too: in the order of their keys, as posting does.  Who waited looks again for other sides.
CREATE FUNCTION _loyalty.lock_for_erasure(program name, is_customer text, customer anyelement)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('INSERT INTO %1$I.account (customer) SELECT j.customer FROM %1$I.journal j WHERE j.customer %2$s LIMIT 1 ON CONFLICT DO NOTHING', program, is_customer) USING customer;
	FOR attempt IN 1 .. 2
	LOOP
		EXECUTE format($sql$
			SELECT FROM %1$I.account a
			  JOIN (SELECT x.customer FROM %1$I.account x WHERE x.customer %2$s
			        UNION SELECT l.counterpart FROM %1$I.ledger l WHERE l.customer %2$s AND l.tracked_table = 0 AND l.counterpart IS NOT NULL) c ON a.customer %3$s c.customer
			 ORDER BY a.customer FOR NO KEY UPDATE OF a $sql$, program, is_customer, _loyalty.customer_equality(program)) USING customer;
	END LOOP;
	EXECUTE format('SELECT FROM %I.voucher v WHERE v.batch IN (%s) ORDER BY v.code FOR UPDATE', program, _loyalty.batches_of_customer_sql(program, is_customer)) USING customer;
END
$$;
COMMENT ON FUNCTION _loyalty.lock_for_erasure(name, text, anyelement) IS 'lock what is a customer''s and changes when he is erased';

-- The account gets its new key here, so that of two sessions that give one key to two customers the
-- second is told.
CREATE FUNCTION _loyalty.prepare_erasure(program name, customer anyelement, surrogate anyelement, orders_follow boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key_type CONSTANT text := format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1);
	is_customer CONSTANT text := format('%s $1::%s', _loyalty.customer_equality(program), key_type);
	same boolean;
	relation name;
	accounts bigint;
BEGIN
	EXECUTE format('SELECT $2::%s %s', key_type, is_customer) INTO same USING customer, surrogate;
	IF same THEN
		RAISE EXCEPTION 'the surrogate must be another key than that of the customer'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Both are %s.', surrogate),
			      HINT = 'Leave it out if the key may stay.';
	END IF;
	PERFORM _loyalty.lock_for_erasure(program, is_customer, customer);
	IF _loyalty.table_with_customer(program, customer) IS NULL THEN
		RETURN NULL;
	END IF;
	EXECUTE format('SELECT EXISTS (SELECT FROM %1$I.merged m WHERE m.customer %2$s OR m.survivor %2$s OR m.merged_into %2$s)', program, is_customer) INTO same USING customer;
	IF same THEN
		RAISE EXCEPTION 'customer % was merged with others, and cannot be erased', customer
			USING ERRCODE = 'feature_not_supported', DETAIL = format('The table %I.merged has this customer.', program),
			      HINT = 'The keys of customers who were merged stand for one another for ever. Erase what the tables of yours say of them.';
	END IF;
	IF surrogate IS NULL THEN
		RETURN 0;
	END IF;
	relation := _loyalty.table_with_customer(program, surrogate);
	IF relation IS NOT NULL THEN
		PERFORM _loyalty.refuse_surrogate(program, surrogate, relation);
	END IF;
	IF NOT orders_follow THEN
		PERFORM _loyalty.require_no_orders(program, customer, surrogate);
	END IF;
	BEGIN
		EXECUTE format('UPDATE %I.account a SET customer = $2::%s WHERE a.customer %s', program, key_type, is_customer) USING customer, surrogate;
		GET DIAGNOSTICS accounts = ROW_COUNT;
	EXCEPTION WHEN unique_violation THEN
		PERFORM _loyalty.refuse_surrogate(program, surrogate, 'account');
	END;
	RETURN accounts;
END
$$;
COMMENT ON FUNCTION _loyalty.prepare_erasure(name, anyelement, anyelement, boolean) IS
'lock what is a customer''s, and look whether he can be erased; returns how many accounts got the surrogate, or null if there is nothing of him';

-- All that is not append-only.
CREATE FUNCTION _loyalty.erase_rows(program name, customer anyelement, surrogate anyelement, salt bytea)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET loyalty.tracking = 'on'		-- what is archived is written by functions
AS $$
DECLARE
	statement text;
	n bigint;
	result bigint := 0;
BEGIN
	FOR statement IN SELECT s.statement FROM _loyalty.erasing_statements(program) s WHERE NOT s.append_only ORDER BY s.n
	LOOP
		EXECUTE statement USING customer, surrogate, salt;
		GET DIAGNOSTICS n = ROW_COUNT;
		result := result + n;
	END LOOP;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.erase_rows(name, anyelement, anyelement, bytea) IS 'erase a customer from all tables of a program but those of entries; returns how many rows changed';

CREATE FUNCTION _loyalty.erase(program regclass, customer anyelement, surrogate anycompatible, orders_follow boolean)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_erase';
COMMENT ON FUNCTION _loyalty.erase(regclass, anyelement, anycompatible, boolean) IS 'what the function erase of a program does, for its owner';
