-- kind: table
-- read: SELECT
CREATE TABLE @schema@.set_aside (
	customer @column_type@ PRIMARY KEY,
	tracked_table int,
	order_key text COLLATE "C",
	revision int,
	sqlstate text NOT NULL,
	error text NOT NULL,
	since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE @schema@.set_aside IS 'customers with entries that could not be posted: the first of them and why; written by posting';
