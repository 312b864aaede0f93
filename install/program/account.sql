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
	last_recorded_at timestamptz,
	held numeric NOT NULL DEFAULT 0,
	next_release timestamptz,
	lots loyalty.lots,
	merged_into @optional_type@,
	merged @keys_type@,
	purchases loyalty.history,
	events _loyalty.event_history[]
) WITH (fillfactor = 80);
COMMENT ON TABLE @schema@.account IS 'posted totals of each customer: the fold of the ledger';
COMMENT ON COLUMN @schema@.account.held IS 'points of open holds, those that have timed out included, until a call for the customer says so in the ledger';
COMMENT ON COLUMN @schema@.account.next_release IS 'when the first of the open holds times out; null: none does';
COMMENT ON COLUMN @schema@.account.points IS 'all points, those that wait and those that have expired since included';
COMMENT ON COLUMN @schema@.account.lots IS 'those of the points that wait or expire; null: there never were any';
COMMENT ON COLUMN @schema@.account.merged_into IS 'the customer into whom this one was merged, whose account has all since; null: the customer is one';
COMMENT ON COLUMN @schema@.account.merged IS 'keys of all customers who were merged into this one, or into them before: what is recorded for them belongs to this account, until the customer is merged into another one; null: nobody was';
COMMENT ON COLUMN @schema@.account.purchases IS 'history of the orders that count: on which day, in the time zone of their terms, for how much; null: there are none';
COMMENT ON COLUMN @schema@.account.events IS 'the same for each kind of events that there were any of, in the order of the kinds';
COMMENT ON COLUMN @schema@.account.last_recorded_at IS 'when the newest of the posted entries was recorded';
