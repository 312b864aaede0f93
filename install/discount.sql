-- Discounts for a whole order ------------------------------------------------------------
--
-- An order may have a discount that is of none of its lines (order_discount).  Then it is worth the sum of its lines less the
-- discount, and what each line was sold for is its amount less its share: what rules per line see as "line_amount".
--
-- Shares are in proportion to the amounts of all lines, in units of the smallest coin (the program's amount_scale when the discount
-- was named, or the decimals that the discount itself has), and add up to the discount exactly: what is left when all are rounded down goes, a
-- unit each, to the lines that lost most by that, and of those that lost the same, to the first ones by their primary key.  Lines that come to
-- nothing together have equal shares.

CREATE TYPE _loyalty.sold AS (line_amount numeric);
COMMENT ON TYPE _loyalty.sold IS 'what earning rules know of a line besides its row';

-- What d says of a discount, of what users write: with nothing said of its allocation, it is proportional.
CREATE FUNCTION _loyalty.discount_given(program name, order_discount text, discount_allocation text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	scale text;
BEGIN
	IF discount_allocation IS NOT NULL THEN
		PERFORM _loyalty.require_choice('discount_allocation', discount_allocation, 'proportional', 'none');
	END IF;
	SELECT r[1] INTO scale FROM _loyalty.as_owner(program, format('SELECT p.amount_scale FROM %I.program p', program)) r;
	RETURN jsonb_strip_nulls(jsonb_build_object('discount', order_discount, 'discount_scale',
		CASE WHEN order_discount = '' OR discount_allocation = 'none' THEN '' WHEN order_discount IS NOT NULL OR discount_allocation IS NOT NULL THEN scale END));
END
$$;
COMMENT ON FUNCTION _loyalty.discount_given(name, text, text) IS 'what was written of a discount of orders, as it is noted; an empty text takes it away';

-- An error unless a discount can be shared among lines.
CREATE FUNCTION _loyalty.require_lines_to_share(orders regclass, lines regclass, d jsonb)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF d ? 'discount_scale' AND NOT d ? 'discount' THEN
		RAISE EXCEPTION 'discount_allocation is that of order_discount, which is not said'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Say what is taken off an order, as in order_discount => ''...''.';
	ELSIF d ? 'discount' AND lines IS NULL THEN
		RAISE EXCEPTION 'the orders of table "%" have no lines, so they need no order_discount', orders
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Take it off their amount, as in amount => ''total - discount''.';
	ELSIF d ->> 'discount_scale' <> '' AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = lines AND c.contype = 'p') THEN
		RAISE EXCEPTION 'a discount cannot be shared among the rows of table "%", which has no primary key', lines
			USING ERRCODE = 'invalid_table_definition', DETAIL = 'Of lines of equal amounts, it tells which has a coin that is left.',
			      HINT = 'Add a primary key, or say discount_allocation => ''none''.';
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.require_lines_to_share(regclass, regclass, jsonb) IS 'an error unless orders with a discount have lines among which it can be shared';

-- How what each line was sold for is found, as SQL behind FROM lines AS line, if some award asks for it.
CREATE FUNCTION _loyalty.sold_join(d jsonb, awards jsonb, lines regclass, line_source text, line_amount text, line_is_same text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN awards::text !~ '\msold\.' THEN NULL
		WHEN NOT d ? 'discount_scale' THEN format(' CROSS JOIN LATERAL (SELECT (%s)::numeric AS line_amount OFFSET 0) AS sold', coalesce(line_amount, 'NULL'))
		ELSE format($sql$
			JOIN (SELECT x.part, x.place,
			             x.amount - (x.whole + CASE WHEN row_number() OVER (ORDER BY x.rest DESC, %6$s) <= x.units - sum(x.whole) OVER () THEN 1 ELSE 0 END) * x.unit AS line_amount
			        FROM (SELECT a.*, c.unit, u.units, div(p.product, p.total) - CASE WHEN mod(p.product, p.total) < 0 THEN 1 ELSE 0 END AS whole,
			                     mod(p.product, p.total) + CASE WHEN mod(p.product, p.total) < 0 THEN p.total ELSE 0 END AS rest
			                FROM (SELECT line.tableoid AS part, line.ctid AS place, %5$s, coalesce((%3$s)::numeric, 0) AS amount, sum(coalesce((%3$s)::numeric, 0)) OVER () AS sum, count(*) OVER () AS number
			                        FROM %1$s AS line WHERE %2$s) AS a
			               CROSS JOIN LATERAL (SELECT ('1e-' || greatest(%4$s, min_scale(coalesce(worth.discount, 0))))::numeric AS unit, ('1e' || greatest(%4$s, min_scale(coalesce(worth.discount, 0))))::numeric AS parts OFFSET 0) AS c
			               CROSS JOIN LATERAL (SELECT coalesce(worth.discount, 0) * c.parts AS units OFFSET 0) AS u
			               CROSS JOIN LATERAL (SELECT CASE WHEN a.sum = 0 THEN u.units ELSE u.units * a.amount * sign(a.sum) END AS product,
			                                          CASE WHEN a.sum = 0 THEN a.number ELSE abs(a.sum) END AS total OFFSET 0) AS p) AS x) AS sold
			  ON sold.part = line.tableoid AND sold.place = line.ctid $sql$,
			line_source, line_is_same, coalesce(line_amount, 'NULL'), d ->> 'discount_scale', k.columns, k.list) END
	  FROM (SELECT string_agg(format('line.%I AS key_%s', a.attname, c.n), ', ' ORDER BY c.n) AS columns, string_agg(format('x.key_%s', c.n), ', ' ORDER BY c.n) AS list
	          FROM pg_constraint p CROSS JOIN LATERAL unnest(p.conkey) WITH ORDINALITY c (attnum, n) JOIN pg_attribute a ON a.attrelid = p.conrelid AND a.attnum = c.attnum
	         WHERE p.conrelid = lines AND p.contype = 'p') k
$$;
COMMENT ON FUNCTION _loyalty.sold_join(jsonb, jsonb, regclass, text, text, text) IS 'how what each line was sold for is found, as SQL; null if no award asks for it';
