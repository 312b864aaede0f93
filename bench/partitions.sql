-- Orders by day, in :partitions partitions and one for all later ones.  A default
-- partition would have to check that none of the others is meant.
DROP FUNCTION bench.orders;
DROP TABLE shop.orders;
CREATE TABLE shop.orders (
	order_id bigint DEFAULT nextval('shop.order_ids'),
	customer_id bigint NOT NULL,
	ordered_at timestamptz NOT NULL,
	amount numeric(12,2) NOT NULL,
	status text NOT NULL DEFAULT 'paid',
	PRIMARY KEY (order_id, ordered_at)
) PARTITION BY RANGE (ordered_at);
CREATE INDEX ON shop.orders (customer_id);
SELECT timestamptz '2021-01-01' + :partitions * interval '1 day' AS later \gset
CREATE TABLE shop.later PARTITION OF shop.orders FOR VALUES FROM (:'later') TO (MAXVALUE);
SELECT format('CREATE TABLE shop.%I PARTITION OF shop.orders FOR VALUES FROM (%L) TO (%L)',
              'day_' || d, timestamptz '2021-01-01' + d * interval '1 day', timestamptz '2021-01-01' + (d + 1) * interval '1 day')
  FROM generate_series(0, :partitions - 1) d \gexec
