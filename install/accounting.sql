-- Accounting ---------------------------------------------------------------------------
--
-- Points that customers get with what they buy are a right that they have paid for.  By
-- IFRS 15 (B39 to B47) and ASC 606-10-55-41 to 49, a part of the price belongs to them, and
-- is revenue when they are redeemed.  docs/accounting.md tells how, with the numbers of
-- published examples.

-- By relative stand-alone selling prices (IFRS 15.74 and 76, ASC 606-10-32-31), as SQL: of an
-- amount that was paid, what belongs to points of that price.  Nothing does of an order that
-- was free, or whose points are of the other sign than its amount.
CREATE FUNCTION _loyalty.price_of_points_sql(amount text, price text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CASE WHEN sign(%1$s) * sign(%2$s) > 0 THEN (%1$s) * (%2$s) / ((%1$s) + (%2$s)) ELSE 0 END', amount, price)
$$;
COMMENT ON FUNCTION _loyalty.price_of_points_sql(text, text) IS
'what of an amount belongs to points that alone would have a price, as SQL of what these two are';

CREATE FUNCTION _loyalty.require_between(name text, value numeric, at_most numeric)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- NaN is more than all numbers
	IF value < 0 OR value > coalesce(at_most, 1e30) THEN
		RAISE EXCEPTION '% cannot be %', name, value
			USING ERRCODE = 'invalid_parameter_value',
			      HINT = CASE WHEN at_most IS NULL THEN 'Give a number that is not less than zero.' ELSE format('Give a number from 0 to %s.', at_most) END;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_between(text, numeric, numeric) IS 'an error that names a value which is below zero, more than another one, or no number';

CREATE FUNCTION loyalty.allocate_price(amount numeric, points numeric, point_value numeric, redemption_rate numeric DEFAULT 1, decimals int DEFAULT 2, OUT to_goods numeric, OUT to_points numeric)
RETURNS record
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_between('amount', amount, NULL);
	PERFORM _loyalty.require_between('points', points, NULL);
	PERFORM _loyalty.require_between('point_value', point_value, NULL);
	PERFORM _loyalty.require_between('redemption_rate', redemption_rate, 1);
	PERFORM _loyalty.require_between('decimals', decimals, 12);
	EXECUTE 'SELECT round(' || _loyalty.price_of_points_sql('$1', '$2') || ', $3)' INTO to_points USING amount, points * point_value * redemption_rate, decimals;
	to_goods := amount - to_points;
END
$$;
COMMENT ON FUNCTION loyalty.allocate_price(numeric, numeric, numeric, numeric, int) IS
'divide what was paid between goods, whose price it is, and points that came with them, by relative stand-alone selling prices (IFRS 15.74, 76 and B42): those of the points are points * point_value * redemption_rate, the share that will be redeemed. to_points = amount * price / (amount + price), rounded half away from zero to some decimals; to_goods is the rest';

CREATE FUNCTION loyalty.revenue_recognized(allocated numeric, redeemed numeric, expected numeric, decimals int DEFAULT 2)
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM _loyalty.require_between('redeemed', redeemed, NULL);
	PERFORM _loyalty.require_between('expected', expected, NULL);
	PERFORM _loyalty.require_between('decimals', decimals, 12);
	RETURN round(CASE WHEN redeemed >= expected THEN allocated ELSE allocated * redeemed / expected END, decimals);
END
$$;
COMMENT ON FUNCTION loyalty.revenue_recognized(numeric, numeric, numeric, int) IS
'revenue to date of what was allocated to points: allocated * redeemed / expected, where expected is how many points will be redeemed in total, as estimated now, so that breakage is recognized in proportion (IFRS 15.B46); all of it, if no more is expected. Rounded half away from zero to some decimals; that of a period is the difference to the one before';

-- An order is a contract: each has its own allocation, and what changes the order changes that.
CREATE FUNCTION _loyalty.revenue_by_month_sql(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT date_trunc('month', x.moment AT TIME ZONE p.time_zone)::date AS month, sum(x.revenue) AS revenue, sum(x.allocated) AS allocated,
		       sum(x.issued) AS issued, sum(x.redeemed) AS redeemed, sum(x.change) AS change
		  FROM %1$I.movements m CROSS JOIN %1$I.program p
		 CROSS JOIN LATERAL (SELECT m.counts_from AS moment, m.amount_change AS revenue, %2$s - %3$s AS allocated,
		                            CASE WHEN m.spends THEN 0 ELSE m.points END AS issued, CASE WHEN m.spends THEN -m.points ELSE 0 END AS redeemed, m.points AS change
		                     UNION ALL
		                     SELECT greatest(m.counts_from, l.expires_at), 0, 0, 0, 0, -l.points FROM loyalty.unnest(m.lots) l WHERE l.expires_at <= now()) x
		 WHERE (x.revenue, x.issued, x.redeemed, x.change) <> (0, 0, 0, 0)
		 GROUP BY 1 $sql$, program, _loyalty.price_of_points_sql('m.amount', 'm.order_points * $1'),
		_loyalty.price_of_points_sql('m.amount - m.amount_change', '(m.order_points - m.points) * $1'))
$$;
COMMENT ON FUNCTION _loyalty.revenue_by_month_sql(name) IS
'by month: revenue of the orders of a program, what of it is allocated to points at a price of $1, points issued and redeemed, and by how much those outstanding changed, as SQL';

-- Runs as the owner.
CREATE FUNCTION _loyalty.deferred_revenue_of(program name, point_value numeric, redemption_rate numeric, expected_rate numeric)
RETURNS TABLE (month date, revenue numeric, allocated numeric, issued numeric, redeemed numeric, outstanding numeric, expected numeric, recognized numeric, deferred numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	decimals int;
	rate numeric;
BEGIN
	IF point_value IS NULL THEN
		RAISE EXCEPTION 'point_value must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Say what a point is worth when it is redeemed, such as 0.01.';
	END IF;
	PERFORM _loyalty.require_between('point_value', point_value, NULL);
	PERFORM _loyalty.require_between('redemption_rate', redemption_rate, 1);
	PERFORM _loyalty.require_between('expected_rate', expected_rate, 1);
	EXECUTE format('SELECT p.amount_scale, coalesce($1, (SELECT sum(b.redeemed) / nullif(sum(b.redeemed + b.expired), 0) FROM %1$I.breakage b), 1) FROM %1$I.program p', program)
	   INTO decimals, rate USING redemption_rate;
	RETURN QUERY EXECUTE format($sql$
		WITH to_date AS (
			SELECT m.*, sum(m.allocated) OVER w AS all_allocated, sum(m.issued) OVER w AS all_issued, greatest(sum(m.redeemed) OVER w, 0) AS all_redeemed, sum(m.change) OVER w AS all_left
			  FROM (%1$s) m WINDOW w AS (ORDER BY m.month)),
		estimated AS (
			SELECT t.*, greatest(t.all_redeemed, least(t.all_issued * $2, t.all_redeemed + t.all_left)) AS all_expected FROM to_date t),
		booked AS (
			SELECT e.*, round(e.all_allocated, $3) AS all_booked, loyalty.revenue_recognized(e.all_allocated, e.all_redeemed, e.all_expected, $3) AS all_recognized FROM estimated e)
		SELECT b.month, b.revenue, b.all_booked - lag(b.all_booked, 1, 0::numeric) OVER w, b.issued, b.redeemed, b.all_left, round(b.all_expected, 2),
		       b.all_recognized - lag(b.all_recognized, 1, 0::numeric) OVER w, b.all_booked - b.all_recognized
		  FROM booked b WINDOW w AS (ORDER BY b.month) ORDER BY b.month $sql$, _loyalty.revenue_by_month_sql(program))
		USING point_value * rate, coalesce(expected_rate, rate), decimals;
END
$$;
COMMENT ON FUNCTION _loyalty.deferred_revenue_of(name, numeric, numeric, numeric) IS 'what loyalty.deferred_revenue does, with the rights of the caller';

CREATE FUNCTION loyalty.deferred_revenue(program name, point_value numeric, redemption_rate numeric DEFAULT NULL, expected_rate numeric DEFAULT NULL)
RETURNS TABLE (month date, revenue numeric, allocated numeric, issued numeric, redeemed numeric, outstanding numeric, expected numeric, recognized numeric, deferred numeric)
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_deferred_revenue';
COMMENT ON FUNCTION loyalty.deferred_revenue(name, numeric, numeric, numeric) IS
'by month: what customers paid, what of it is allocated to points (see allocate_price, for each order), points issued, redeemed, and outstanding, the points expected to be redeemed in total, revenue recognized (see revenue_recognized), and what is deferred at the end. redemption_rate is the share of points that was expected to be redeemed when they were issued, null for what the view breakage says; expected_rate the share expected now, null for the same';
