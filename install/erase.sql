-- Who wants to be forgotten ---------------------------------------------------------
--
-- What names a person in a program is the key of the customer, and what callers said: references,
-- reasons and numbers of cards.  The key is put out by another one, or stays if it tells nothing.
-- References become others that mean nothing, the same everywhere for the same, so that what named
-- something names it still: a reversal what it takes back, a redemption its reward, one side of a
-- transfer the other.  Reasons go, and so do cards.  What orders keep of the customer's row goes, too; what they were
-- worth takes its place, of which refunds take their share.  No number changes, so no total does.
--
-- A person may have several keys, since customers were merged.  What callers said is erased of all of them
-- at once, since their entries name one another; put out is the one key that was named, wherever it is.
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

-- All columns of the tables of a program that have the type of the key, or are text or a document, and what is in them.  The
-- tables are in the order in which they are erased: each statement must still find its rows by what others
-- change, so entries of vouchers come before these, and these before what tells whose they are.
-- A table is known as one whose rows are deleted by its columns of the kind "deleted".  What names nobody is said,
-- too: a test compares the list with the tables (sql/erase.sql), so that no column is forgotten.
CREATE FUNCTION _loyalty.personal_columns()
RETURNS TABLE (place int, relation name, name name, what text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT k.place, k.relation, c.name, k.what
	  FROM (VALUES
		-- a key; several; what callers named their calls, or why they made them; and what tells no more than that
		(1, 'ledger'::name, 'customer', '{customer, counterpart, account}'::name[]),
		(1, 'ledger', 'reference', '{order_key, reverses}'),
		(1, 'ledger', 'reason', '{reason}'),
		(1, 'ledger', 'member', '{member}'),
		(2, 'journal', 'customer', '{customer}'),
		(2, 'journal', 'member', '{member}'),
		(3, 'voucher_entry', 'reference', '{reference}'),
		(3, 'voucher_entry', 'reason', '{reason}'),
		(4, 'voucher', 'reference', '{batch}'),
		(5, 'voucher_batch', 'customer', '{customer}'),
		(5, 'voucher_batch', 'reference', '{reference}'),
		(5, 'voucher_batch', 'reason', '{reason}'),
		(6, 'reward_redemption', 'customer', '{customer}'),
		(6, 'reward_redemption', 'reference', '{reference, vouchers}'),
		(6, 'date_grant', 'customer', '{customer}'),
		(6, 'date_grant', 'reference', '{reference}'),
		(7, 'held', 'customer', '{customer, recorded_for}'),
		(7, 'held', 'reference', '{reference}'),
		(8, 'merged', 'customer', '{customer, survivor, merged_into}'),
		(8, 'merged', 'reference', '{reference}'),
		(9, 'account', 'customer', '{customer, merged_into}'),
		(9, 'account', 'customers', '{merged}'),
		(10, 'archived', 'customer', '{customer}'),
		(11, 'member_card', 'customer', '{customer}'),
		(11, 'member_card', 'deleted', '{card, status, reason, actor, replaced_by, issued_by}'),
		(12, 'set_aside', 'customer', '{customer}'),
		(12, 'set_aside', 'deleted', '{order_key, sqlstate, error}'),
		-- keys of orders, which are the host's; names that the owner of the program gave; roles; currencies; words of ours
		(0, 'archived', 'nobody', '{order_key, currency}'),
		(0, 'earning_rule', 'nobody', '{name, points, multiplier, applies_when, per, rounding, stacking, stacking_group, for_members, limit_unit, limit_period, budget, event, campaign, wallet}'),
		(0, 'exchange_rate', 'nobody', '{currency}'),
		(0, 'budget', 'nobody', '{name}'),
		(0, 'campaign', 'nobody', '{name, applies_when, for_members, budget, comment}'),
		(0, 'date_grant', 'nobody', '{rule, period, time_zone}'),
		(0, 'date_rule', 'nobody', '{name, due, points, for_members, wallet, reason}'),
		(0, 'journal', 'nobody', '{order_key, currency, tier, came_from, event}'),
		(0, 'kept', 'nobody', '{order_key}'),
		(0, 'ledger', 'nobody', '{currency, tier, kind, actor, pays_for, came_from, event}'),
		(0, 'metric', 'nobody', '{name, expression, comment}'),
		(0, 'program', 'nobody', '{joined_at, time_zone, rounding, on_invalid, card_prefix, refunds_take, refund_shortfall, returns_paid_points}'),
		(0, 'rating', 'nobody', '{rating, grade, qualifies, comment}'),
		(0, 'rating_step', 'nobody', '{rating, reason, condition, bound}'),
		(0, 'reward', 'nobody', '{name, kind, description}'),
		(0, 'reward_price', 'nobody', '{reward, tier}'),
		(0, 'benefit', 'nobody', '{tier, benefit, description}'),
		(0, 'write_back', 'nobody', '{shows}'),
		(0, 'reward_redemption', 'nobody', '{reward, tier}'),
		(0, 'reward_stock', 'nobody', '{reward}'),
		(0, 'terms', 'nobody', '{rounding, time_zone, refunds_take, refund_shortfall, returns_paid_points}'),
		(0, 'terms_metric', 'nobody', '{kind, rating, name, expression, bound}'),
		(0, 'terms_rule', 'nobody', '{name, points, multiplier, applies_when, per, rounding, stacking, stacking_group, for_members, limit_unit, limit_period, budget, event, campaign, wallet}'),
		(0, 'terms_tier', 'nobody', '{name, qualifies}'),
		(0, 'terms_wallet', 'nobody', '{name, expires, extended}'),
		(0, 'tier', 'nobody', '{name, qualifies}'),
		(0, 'tracked_table', 'nobody', '{kind, without_order, event}'),
		(0, 'voucher', 'nobody', '{code}'),
		(0, 'voucher_batch', 'nobody', '{campaign, actor}'),
		(0, 'voucher_entry', 'nobody', '{code, kind, actor}'),
		(0, 'wallet', 'nobody', '{name, expires, extended}'))
	       k (place, relation, what, columns)
	 CROSS JOIN unnest(k.columns) c (name)
$$;
COMMENT ON FUNCTION _loyalty.personal_columns() IS
'columns of the tables of a program that are text or have the type of the key, with what they hold: customer or customers, a reference or reason of callers, columns of the customer''s row, what is deleted with its row, or nobody';

-- The vouchers of a person: those that only one of his keys may redeem, and those that he had for points.
CREATE FUNCTION _loyalty.batches_of_customer_sql(program name, is_one_of text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT b.reference FROM %1$I.voucher_batch b WHERE b.customer %2$s
	               UNION SELECT r.vouchers FROM %1$I.reward_redemption r WHERE r.customer %2$s AND r.vouchers IS NOT NULL', program, is_one_of)
$$;
COMMENT ON FUNCTION _loyalty.batches_of_customer_sql(name, text) IS 'references of the vouchers of a person, whose keys are compared as the text says, as SQL';

-- What is written into a column of a row t, of a customer ($1) who gets another key ($2) unless that is null,
-- with a salt ($3).  Where a reason must be said, its place is kept.
CREATE FUNCTION _loyalty.erased_column_sql(program name, relation name, name name, what text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%I = ', name) || CASE what
		WHEN 'customer' THEN format('CASE WHEN $2 IS NOT NULL AND t.%1$I %2$s $1::%3$s THEN $2::%3$s ELSE t.%1$I END', name, eq, key_type)
		WHEN 'customers' THEN format('(SELECT array_agg(CASE WHEN $2 IS NOT NULL AND k.customer %2$s $1::%3$s THEN $2::%3$s ELSE k.customer END ORDER BY k.n)
		                                 FROM unnest(t.%1$I) WITH ORDINALITY k (customer, n))', name, eq, key_type)
		WHEN 'reference' THEN format(CASE (relation, name) WHEN ('ledger'::name, 'order_key'::name) THEN 'CASE WHEN t.tracked_table = 0 THEN %s ELSE t.order_key END' ELSE '%s' END,
		                             format('_loyalty.erased_text(t.%I, $3)', name))
		WHEN 'member' THEN format($sql$CASE WHEN t.%1$I ? '' THEN t.%1$I WHEN t.%1$I IS NOT NULL THEN
			jsonb_build_object('', jsonb_build_object('amount', t.amount, 'awards', t.awards, 'parts', t.parts)) END$sql$, name)
		ELSE CASE relation WHEN 'ledger' THEN 'CASE WHEN t.kind = ''adjustment'' THEN ''erased'' END'
		                   WHEN 'voucher_entry' THEN 'CASE WHEN t.kind = ''void'' THEN ''erased'' END' ELSE 'NULL' END END
	  FROM _loyalty.customer_equality(program) eq, format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1) key_type
$$;
COMMENT ON FUNCTION _loyalty.erased_column_sql(name, name, name, text) IS 'what is put into a column of a table of a program when a customer is erased, as SQL';

-- Which rows of a table are of a person, whose keys are compared as the text says, or of his vouchers.
CREATE FUNCTION _loyalty.rows_of_person_sql(program name, relation name, is_one_of text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE relation
		WHEN 'voucher_batch' THEN format('WHERE t.reference IN (%s)', _loyalty.batches_of_customer_sql(program, is_one_of))
		WHEN 'voucher' THEN format('WHERE t.batch IN (%s)', _loyalty.batches_of_customer_sql(program, is_one_of))
		WHEN 'voucher_entry' THEN format('WHERE t.code IN (SELECT v.code FROM %I.voucher v WHERE v.batch IN (%s))', program, _loyalty.batches_of_customer_sql(program, is_one_of))
		ELSE format('WHERE t.customer %s', is_one_of) END
$$;
COMMENT ON FUNCTION _loyalty.rows_of_person_sql(name, name, text) IS 'which rows of a table are of a person, as SQL behind UPDATE ... t SET ...';

-- What erases a customer ($1), who gets another key ($2) unless that is null, with a salt ($3), and what
-- callers said of all keys that this person has since customers were merged ($4).  Each row is changed once, so
-- that what was the same before is so afterwards.  Before all others come the entries of the
-- other sides of transfers, which are found by those of the person: no index has them.  A row without
-- references is left alone if it has not the key that is replaced, and keeps nothing of the customer's row.
CREATE FUNCTION _loyalty.erasing_statements(program name)
RETURNS TABLE (n bigint, relation name, append_only boolean, statement text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH k AS (
		SELECT eq, key_type, format('%s $1::%s', eq, key_type) AS is_named, format('%s ANY ($4::%s[])', eq, key_type) AS is_one_of
		  FROM _loyalty.customer_equality(program) eq, format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1) key_type),
	written AS (
		SELECT c.place, c.relation, bool_or(c.what = 'deleted') AS is_deleted, bool_or(c.what IN ('reference', 'reason')) AS says,
		       'SET ' || string_agg(_loyalty.erased_column_sql(program, c.relation, c.name, c.what), ', ') FILTER (WHERE c.what <> 'deleted') AS list,
		       string_agg(CASE c.what WHEN 'customer' THEN format('t.%I %s', c.name, k.is_named) WHEN 'customers' THEN format('$1::%s %s ANY (t.%I)', k.key_type, k.eq, c.name) END, ' OR ') AS has_key,
		       string_agg(format(' OR t.%I IS NOT NULL', c.name), '') FILTER (WHERE c.what = 'member') AS keeps,
		       k.is_one_of, k.eq
		  FROM _loyalty.personal_columns() c CROSS JOIN k WHERE c.what <> 'nobody' GROUP BY c.place, c.relation, k.is_one_of, k.eq)
	SELECT row_number() OVER (ORDER BY s.n), s.relation,
	       EXISTS (SELECT FROM _loyalty.templates() g WHERE g.kind = 'trigger' AND g.object = s.relation AND g.name = 'append_only'), s.statement
	  FROM (SELECT 0 AS n, w.relation,
	               format('UPDATE %1$I.ledger t %2$s FROM (SELECT DISTINCT l.counterpart AS other, l.order_key AS named FROM %1$I.ledger l WHERE l.customer %3$s AND l.tracked_table = 0 AND l.counterpart IS NOT NULL) o
	                       WHERE t.customer %4$s o.other AND t.tracked_table = 0 AND t.order_key = o.named AND t.counterpart %3$s AND NOT t.customer %3$s',
	                      program, w.list, w.is_one_of, w.eq) AS statement
	          FROM written w WHERE w.relation = 'ledger'
	        UNION ALL
	        SELECT w.place, w.relation,
	               CASE WHEN w.is_deleted THEN format('DELETE FROM %I.%I t ', program, w.relation) ELSE format('UPDATE %I.%I t %s ', program, w.relation, w.list) END
	               || _loyalty.rows_of_person_sql(program, w.relation, w.is_one_of)
	               || CASE WHEN NOT w.says AND NOT w.is_deleted THEN format(' AND ($2 IS NOT NULL AND (%s)%s)', w.has_key, w.keeps) ELSE '' END
	          FROM written w) s
$$;
COMMENT ON FUNCTION _loyalty.erasing_statements(name) IS 'what erases a customer from the tables of a program, in its order, as SQL';

-- The first table that has rows of a customer.  Not looked for is what only an entry of another customer names,
-- since there is one of this customer then; nor who was merged into another one, who has an account.
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
	          WHERE p.what = 'customer' AND (p.relation, p.name) NOT IN (('ledger', 'counterpart'), ('ledger', 'account'))
	          ORDER BY p.relation NOT IN ('account', 'journal', 'ledger'), p.place, p.name
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
-- again for the key that this table has, while it is tracked, be it paused or not.
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
		 WHERE r.customer %2$s $1::%3$s AND r.counts AND s.active
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

-- All accounts of the person are locked, and those that have the entries of the other sides of transfers, which
-- change, too.  A call for somebody who was merged locks his account, then that of the survivor; so who was
-- merged comes first here, each before the one into whom he was merged.  What has points comes
-- behind it in the order of keys, as posting, transfers and merges lock it.  Who waited looks again, for other
-- keys and other sides, until the keys are those that were locked.
CREATE FUNCTION _loyalty.lock_for_erasure(program name, customer anyelement)
RETURNS anyarray
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq CONSTANT text := _loyalty.customer_equality(program);
	key_type CONSTANT text := format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1);
	is_one_of CONSTANT text := format('%s ANY ($2::%s[])', eq, key_type);
	survivor customer%TYPE;
	before text;
	keys ALIAS FOR $0;
BEGIN
	EXECUTE format('INSERT INTO %1$I.account (customer) SELECT j.customer FROM %1$I.journal j WHERE j.customer %2$s $1::%3$s LIMIT 1 ON CONFLICT DO NOTHING', program, eq, key_type) USING customer;
	LOOP
		EXECUTE format('SELECT coalesce((SELECT m.survivor FROM %I.merged m WHERE m.customer %s $1::%s), $1::%3$s)', program, eq, key_type) INTO survivor USING customer;
		EXECUTE format('SELECT array_agg(k.customer ORDER BY k.customer) FROM (SELECT $1::%3$s AS customer UNION ALL SELECT m.customer FROM %1$I.merged m WHERE m.survivor %2$s $1::%3$s) k',
		               program, eq, key_type) INTO keys USING survivor;
		EXECUTE format($sql$
			SELECT FROM %1$I.account a
			  JOIN (WITH RECURSIVE m (customer, steps) AS (
			            SELECT x.customer, 1 FROM %1$I.merged x WHERE x.survivor %2$s $1::%3$s AND x.merged_into %2$s $1::%3$s
			            UNION ALL
			            SELECT x.customer, m.steps + 1 FROM m JOIN %1$I.merged x ON x.merged_into %2$s m.customer)
			        SELECT m.customer, m.steps FROM m) c ON a.customer %2$s c.customer
			 ORDER BY c.steps DESC, a.customer FOR NO KEY UPDATE OF a $sql$, program, eq, key_type) USING survivor;
		EXECUTE format($sql$
			SELECT FROM %1$I.account a
			  JOIN (SELECT $1::%3$s AS customer
			        UNION
			        SELECT coalesce(m.survivor, l.counterpart) FROM %1$I.ledger l LEFT JOIN %1$I.merged m ON m.customer %2$s l.counterpart
			         WHERE l.customer %4$s AND l.tracked_table = 0 AND l.counterpart IS NOT NULL) c ON a.customer %2$s c.customer
			 ORDER BY a.customer FOR NO KEY UPDATE OF a $sql$, program, eq, key_type, is_one_of) USING survivor, keys;
		EXIT WHEN keys::text = before;
		before := keys::text;
	END LOOP;
	EXECUTE format('SELECT FROM %I.voucher v WHERE v.batch IN (%s) ORDER BY v.code FOR UPDATE', program, _loyalty.batches_of_customer_sql(program, is_one_of)) USING customer, keys;
	RETURN keys;
END
$$;
COMMENT ON FUNCTION _loyalty.lock_for_erasure(name, anyelement) IS 'lock what is a person''s and changes when a key of his is erased; returns all keys of the person';

-- The accounts get the new key here, so that of two sessions that give one key to two customers the
-- second is told.
CREATE FUNCTION _loyalty.prepare_erasure(program name, customer anyelement, surrogate anyelement, keys anyarray, orders_follow boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	same boolean;
	relation name;
	accounts bigint;
BEGIN
	EXECUTE format('SELECT $2::%1$s %2$s $1::%1$s', format_type(_loyalty.base_type(_loyalty.customer_type(program)), -1), _loyalty.customer_equality(program)) INTO same USING customer, surrogate;
	IF same THEN
		RAISE EXCEPTION 'the surrogate must be another key than that of the customer'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Both are %s.', surrogate),
			      HINT = 'Leave it out if the key may stay.';
	END IF;
	IF _loyalty.table_with_customer(program, customer) IS NULL THEN
		RETURN NULL;
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
		EXECUTE (SELECT s.statement FROM _loyalty.erasing_statements(program) s WHERE s.relation = 'account') USING customer, surrogate, NULL::bytea, keys;
		GET DIAGNOSTICS accounts = ROW_COUNT;
	EXCEPTION WHEN unique_violation THEN
		PERFORM _loyalty.refuse_surrogate(program, surrogate, 'account');
	END;
	RETURN accounts;
END
$$;
COMMENT ON FUNCTION _loyalty.prepare_erasure(name, anyelement, anyelement, anyarray, boolean) IS
'look whether a customer, one of whose keys is among these, can be erased; returns how many accounts got the surrogate, or null if there is nothing of him';

-- All that is not append-only, and no account.
CREATE FUNCTION _loyalty.erase_rows(program name, customer anyelement, surrogate anyelement, salt bytea, keys anyarray)
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
	FOR statement IN SELECT s.statement FROM _loyalty.erasing_statements(program) s WHERE NOT s.append_only AND s.relation <> 'account' ORDER BY s.n
	LOOP
		EXECUTE statement USING customer, surrogate, salt, keys;
		GET DIAGNOSTICS n = ROW_COUNT;
		result := result + n;
	END LOOP;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.erase_rows(name, anyelement, anyelement, bytea, anyarray) IS
'erase a customer and all keys of the person from all tables of a program but those of entries and accounts; returns how many rows changed';

CREATE FUNCTION _loyalty.erase(program regclass, customer anyelement, surrogate anycompatible, orders_follow boolean)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'loyalty_erase';
COMMENT ON FUNCTION _loyalty.erase(regclass, anyelement, anycompatible, boolean) IS 'what the function erase of a program does, for its owner';
