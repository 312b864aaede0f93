-- The shop, as every contestant finds it.  Alone it is "plain".
--
-- No foreign key from orders to customers: it would cost every contestant the
-- same and so make every ratio look better.
CREATE EXTENSION pg_prewarm;
CREATE SCHEMA shop;
CREATE TABLE shop.customers (
	customer_id bigint PRIMARY KEY,
	created_at timestamptz NOT NULL
);
INSERT INTO shop.customers
SELECT c, timestamptz '2012-01-01' + c % 3653 * interval '1 day' FROM generate_series(1, 100000) c;

-- ids of single orders come from here, far from those of the loaded ones
CREATE SEQUENCE shop.order_ids START WITH 1000000000001;
CREATE TABLE shop.orders (
	order_id bigint PRIMARY KEY DEFAULT nextval('shop.order_ids'),
	customer_id bigint NOT NULL,
	ordered_at timestamptz NOT NULL,
	amount numeric(12,2) NOT NULL,
	status text NOT NULL DEFAULT 'paid'
);
CREATE INDEX ON shop.orders (customer_id);

CREATE SCHEMA bench;

-- Orders of one year, of random customers.  Amounts are such that a few orders
-- lift a customer over the limits of the tiers.
CREATE FUNCTION bench.orders(first bigint, n bigint, year timestamptz)
RETURNS SETOF shop.orders
LANGUAGE sql
AS $$
	SELECT i, 1 + floor(random() * 100000)::bigint, year + (i - first) * (interval '365 days' / n),
	       round((5 + random() * 1000)::numeric, 2), 'paid'
	  FROM generate_series(first, first + n - 1) i
$$;

-- What this backend has used: CPU in clock ticks, and the most memory it ever
-- had mapped.  Shared memory is mapped from the start, so what the peak grows
-- by is private.
CREATE FUNCTION bench.usage(OUT at timestamptz, OUT ticks bigint, OUT peak_kb bigint)
LANGUAGE sql
AS $$
	SELECT clock_timestamp(), split_part(stat, ' ', 14)::bigint + split_part(stat, ' ', 15)::bigint,
	       substring(status FROM 'VmPeak:\s+(\d+)')::bigint
	  FROM pg_read_file('/proc/self/stat') stat, pg_read_file('/proc/self/status') status
$$;
