-- kind: table
CREATE TABLE @schema@.account (
	customer @column_type@ PRIMARY KEY,
	version bigint NOT NULL DEFAULT 0,
	entries bigint NOT NULL DEFAULT 0,
	spend numeric NOT NULL DEFAULT 0,
	orders bigint NOT NULL DEFAULT 0,
	points_earned numeric NOT NULL DEFAULT 0,
	points numeric NOT NULL DEFAULT 0,
	first_order_at timestamptz,
	last_order_at timestamptz,
	last_recorded_at timestamptz
) WITH (fillfactor = 80);
COMMENT ON TABLE @schema@.account IS 'posted totals of each customer: the fold of the ledger';
COMMENT ON COLUMN @schema@.account.last_recorded_at IS 'when the newest of the posted entries was recorded';
