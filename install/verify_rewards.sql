-- verify(): rewards and vouchers ------------------------------------------------------
--
-- Redemptions of rewards are those of the ledger, no stock or limit is exceeded, and vouchers
-- are the sums of their entries.  No row shows a code, for whoever reads a program may
-- verify it.

-- What a redemption of a reward must be by itself, by its entry in the ledger, and by its
-- vouchers.  One whose points were all taken back is given back.  As calls for a customer
-- have numbers, it is known which redemptions there were just after each: the limit that
-- it was made under counts those.
CREATE FUNCTION _loyalty.verify_redemptions(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	any_redemptions boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.reward_redemption)', program) INTO any_redemptions;
	IF any_redemptions THEN
		RETURN QUERY EXECUTE format($sql$
			WITH redemption AS MATERIALIZED (
				SELECT r.*, l.entry, coalesce(l.account, l.customer) AS account, l.kind, l.points_change, l.at AS called_at, l.actor, coalesce(b.points, 0) AS taken_back, b.last_entry,
				       (r.at AT TIME ZONE p.time_zone - r.limit_period) AT TIME ZONE p.time_zone AS since
				  FROM %1$I.reward_redemption r CROSS JOIN %1$I.program p
				  LEFT JOIN %1$I.ledger l ON l.customer %2$s r.customer AND l.tracked_table = 0 AND l.order_key = r.reference AND l.revision = 1
				  LEFT JOIN (SELECT y.customer, y.reverses, sum(y.points_change) AS points, max(y.entry) AS last_entry FROM %1$I.ledger y WHERE y.kind = 'reversal' GROUP BY y.customer, y.reverses) b
				    ON b.customer %2$s r.customer AND b.reverses = r.reference),
			had AS (
				SELECT r.customer, r.reference, sum(o.quantity) AS quantity
				  FROM redemption r JOIN redemption o ON o.customer %2$s r.customer AND o.reward = r.reward
				 WHERE r.member_limit IS NOT NULL AND o.account %2$s r.account AND o.entry <= r.entry AND (o.at > r.since OR r.since IS NULL) AND (o.reversed_at IS NULL OR o.last_entry > r.entry)
				 GROUP BY r.customer, r.reference),
			returned AS (
				SELECT v.batch, count(*) FILTER (WHERE e.kind = 'redemption') AS used, count(*) FILTER (WHERE e.kind = 'void') AS void
				  FROM %1$I.voucher v JOIN %1$I.voucher_entry e ON e.code = v.code
				 WHERE EXISTS (SELECT FROM redemption r WHERE r.vouchers = v.batch AND r.reversed_at IS NOT NULL) GROUP BY v.batch)
			SELECT k.violation, r.customer::text, r.reference::text, k.detail
			  FROM redemption r
			  LEFT JOIN had h ON h.customer %2$s r.customer AND h.reference = r.reference
			  LEFT JOIN returned t ON t.batch = r.vouchers
			  LEFT JOIN %1$I.voucher_batch b ON b.reference = r.vouchers
			 CROSS JOIN LATERAL (VALUES
				(r.kind IS DISTINCT FROM 'redemption' OR r.points_change <> - r.price * r.quantity OR r.called_at <> r.at,
				 'redemption of a reward is not in the ledger', format('%%s of the reward "%%s" for %%s points; the ledger has %%s of %%s', r.quantity, r.reward, r.price * r.quantity, coalesce(r.kind, 'nothing'), r.points_change)),
				(NOT r.quantity > 0 OR NOT (r.price > 0 AND r.price < 1e20) OR NOT abs(coalesce(r.value, 0)) < 1e20 OR r.value < 0,
				 'redemption of a reward is not recorded as one', format('%%s of the reward "%%s"', r.quantity, r.reward)),
				((r.taken_back >= r.price * r.quantity) <> (r.reversed_at IS NOT NULL),
				 'reward is not given back as its points are', format('%%s of %%s points were taken back, the reward "%%s" %%s', r.taken_back, r.price * r.quantity, r.reward, CASE WHEN r.reversed_at IS NULL THEN 'was not' ELSE 'was' END)),
				(h.quantity > r.member_limit, 'limit of a reward is exceeded', format('%%s of the reward "%%s", and the limit is %%s', h.quantity, r.reward, r.member_limit)),
				(r.vouchers IS NOT NULL AND (b.vouchers, b.amount * b.vouchers, b.issued_at, b.actor) IS DISTINCT FROM (r.quantity, r.value, r.at, r.actor),
				 'vouchers of a reward are not those of its redemption', format('%%s vouchers of %%s; %%s of the reward "%%s" are worth %%s', b.vouchers, b.amount, r.quantity, r.reward, r.value)),
				(t.used > 0 OR t.void <> r.quantity, 'vouchers of a reward that was given back are not void', format('%%s of the reward "%%s", %%s vouchers are void, %%s were used', r.quantity, r.reward, t.void, t.used)))
			       k (wrong, violation, detail)
			 WHERE k.wrong $sql$, program, _loyalty.customer_equality(program));
	END IF;
	RETURN QUERY EXECUTE format($sql$
		SELECT k.violation, NULL::text, NULL::text, k.detail
		  FROM (SELECT coalesce(w.name, t.reward, s.reward) AS reward, w.name IS NOT NULL AS is_there, w.stock, coalesce(t.redemptions, 0) AS redemptions, coalesce(t.quantity, 0) AS quantity, s.taken
		          FROM %1$I.reward w
		          FULL JOIN (SELECT r.reward, count(*) AS redemptions, sum(r.quantity) FILTER (WHERE r.reversed_at IS NULL) AS quantity FROM %1$I.reward_redemption r GROUP BY r.reward) t ON t.reward = w.name
		          FULL JOIN %1$I.reward_stock s ON s.reward = coalesce(w.name, t.reward)) x
		 CROSS JOIN LATERAL (VALUES
			(NOT x.is_there AND x.redemptions > 0, 'redeemed reward does not exist', format('"%%s" was redeemed %%s times; insert it again, with ends_at in the past', x.reward, x.redemptions)),
			(CASE WHEN x.stock IS NULL THEN x.taken IS NOT NULL ELSE x.taken IS DISTINCT FROM x.quantity END, 'what is taken of a stock is not what was redeemed',
			 format('%%s of the reward "%%s", and %%s were redeemed; ', coalesce(x.taken::text, 'nothing'), x.reward, x.quantity)
			 || CASE WHEN x.stock IS NULL THEN format('DELETE FROM %%I.reward_stock WHERE reward = %%L', $1, x.reward)
			         WHEN x.taken IS NULL THEN format('INSERT INTO %%I.reward_stock VALUES (%%L, %%s)', $1, x.reward, x.quantity)
			         ELSE format('UPDATE %%I.reward_stock SET taken = %%s WHERE reward = %%L', $1, x.quantity, x.reward) END),
			(x.quantity > x.stock, 'stock of a reward is exceeded', format('%%s of the reward "%%s" are taken, and there were %%s', x.quantity, x.reward, x.stock)))
		       k (wrong, violation, detail)
		 WHERE k.wrong
		UNION ALL
		SELECT 'price is of a reward or tier that does not exist', NULL, NULL, format('reward "%%s", tier "%%s"', q.reward, q.tier)
		  FROM %1$I.reward_price q
		 WHERE NOT EXISTS (SELECT FROM %1$I.reward w WHERE w.name = q.reward) OR NOT EXISTS (SELECT FROM %1$I.tier t WHERE t.name = q.tier)
		UNION ALL
		SELECT 'benefit is of a tier that does not exist', NULL, NULL, format('benefit "%%s", tier "%%s"', b.benefit, b.tier)
		  FROM %1$I.benefit b WHERE NOT EXISTS (SELECT FROM %1$I.tier t WHERE t.name = b.tier) $sql$, program) USING program;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_redemptions(name) IS 'redemptions of rewards that are not what the ledger and their vouchers say, stocks and limits that are exceeded, and prices and benefits of tiers that are not there';

-- The sum that checks a code, as plain SQL: see src/type/code.c.
CREATE FUNCTION _loyalty.code_check_sql(code text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(length(%1$s) = 16 AND translate(%1$s, %2$L, %3$L) = '''' AND (%4$s) %% 31 = 1)', code, a.alphabet, '',
	              string_agg(format('(strpos(%L, substr(%s, %s, 1)) - 1) * %s', a.alphabet, code, i, trunc(3::numeric ^ (16 - i)) % 31), ' + ' ORDER BY i))
	  FROM generate_series(1, 16) i CROSS JOIN (VALUES ('23456789ABCDEFGHJKMNPQRSTUVWXYZ')) a (alphabet)
	 GROUP BY a.alphabet
$$;
COMMENT ON FUNCTION _loyalty.code_check_sql(text) IS 'SQL that says whether a code has the check character that it must have';

-- What is told of an entry is computed of those that are wrong alone.
CREATE FUNCTION _loyalty.verify_vouchers(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH entry AS MATERIALIZED (
			SELECT e.*, row_number() OVER w AS n, sum(e.amount) OVER w AS balance, lag(e.kind) OVER w AS kind_before, lead(e.entry) OVER w IS NULL AS is_last
			  FROM %1$I.voucher_entry e WINDOW w AS (PARTITION BY e.code ORDER BY e.entry)),
		voucher AS MATERIALIZED (
			SELECT v.code, v.batch, v.number, v.balance, v.entries, b.reference, b.amount, b.customer, b.expires_at, b.issued_at, b.actor
			  FROM %1$I.voucher v LEFT JOIN %1$I.voucher_batch b ON b.reference = v.batch)
		SELECT k.violation, v.customer::text, NULL::text,
		       format('voucher %%s of "%%s", entry %%s: %%s of %%s at %%s leaves %%s', v.number, v.batch, e.entry, e.kind, e.amount, e.at, e.balance)
		  FROM entry e JOIN voucher v ON v.code = e.code
		 CROSS JOIN LATERAL unnest(ARRAY[
			CASE WHEN e.n <> e.entry OR (e.kind = 'issue') <> (e.n = 1) OR e.kind NOT IN ('issue', 'redemption', 'void') OR (e.reference IS NULL) <> (e.kind = 'void')
			          OR NOT abs(e.amount) < 1e20 OR (e.kind = 'void' AND coalesce(e.reason, '') = '') OR octet_length(e.reference) NOT BETWEEN 1 AND 255 OR e.at > $1
			     THEN 'entry of a voucher is not recorded as one' END,
			CASE WHEN e.kind = 'issue' AND (e.amount, e.reference, e.at, e.actor) IS DISTINCT FROM (v.amount, v.reference, v.issued_at, v.actor)
			     THEN 'voucher was issued otherwise than its batch says' END,
			CASE WHEN CASE e.kind WHEN 'issue' THEN e.amount <= 0 WHEN 'redemption' THEN e.amount >= 0 ELSE e.amount > 0 OR e.balance <> 0 END
			     THEN 'entry of a voucher changes the balance the wrong way' END,
			CASE WHEN e.balance < 0 THEN 'more of a voucher was redeemed than there was' END,
			CASE WHEN e.kind = 'redemption' AND e.at >= v.expires_at THEN 'voucher was redeemed after it expired' END,
			-- but for those of a reward that was given back
			CASE WHEN e.kind = 'void' AND e.at >= v.expires_at AND NOT EXISTS (SELECT FROM %1$I.reward_redemption r WHERE r.vouchers = v.batch AND r.reversed_at IS NOT NULL)
			     THEN 'voucher was made void after it expired' END,
			CASE WHEN e.kind_before = 'void' THEN 'voucher has entries after it was made void' END,
			CASE WHEN e.is_last AND (v.balance, v.entries) IS DISTINCT FROM (e.balance, e.n::int) THEN 'voucher is not what its entries add up to' END]) k (violation)
		 WHERE k.violation IS NOT NULL
		UNION ALL
		SELECT k.violation, v.customer::text, NULL, format('voucher %%s of "%%s"', v.number, v.batch)
		  FROM voucher v LEFT JOIN entry e ON e.code = v.code AND e.n = 1
		 CROSS JOIN LATERAL unnest(ARRAY[
			CASE WHEN NOT %2$s THEN 'code of a voucher has not the check character that it must have' END,
			CASE WHEN v.reference IS NULL THEN 'voucher has no batch' END,
			CASE WHEN e.code IS NULL THEN 'voucher has no entries' END]) k (violation)
		 WHERE k.violation IS NOT NULL
		UNION ALL
		SELECT 'entries are of a voucher that does not exist', NULL, NULL, format('%%s entries', count(*))
		  FROM entry e WHERE NOT EXISTS (SELECT FROM voucher v WHERE v.code = e.code) HAVING count(*) > 0
		UNION ALL
		SELECT 'batch has not its vouchers', b.customer::text, NULL, format('"%%s" has %%s of %%s', b.reference, coalesce(v.vouchers, 0), b.vouchers)
		  FROM %1$I.voucher_batch b LEFT JOIN (SELECT x.batch, count(*) AS vouchers, max(x.number) AS last FROM voucher x GROUP BY x.batch) v ON v.batch = b.reference
		 WHERE (v.vouchers, v.last) IS DISTINCT FROM (b.vouchers::bigint, b.vouchers) $sql$, program, _loyalty.code_check_sql('v.code'))
		USING _loyalty.present_limit();
END
$$;
COMMENT ON FUNCTION _loyalty.verify_vouchers(name) IS 'vouchers that are not what their entries say, or whose codes are none';
