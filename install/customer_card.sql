-- The person on the phone -------------------------------------------------------------------
--
-- One row that tells all of a customer, for whoever has him on the phone.  The function "card" of a program is written out in
-- install/program/customer_card.sql, so that a session plans it once.

CREATE TYPE loyalty.customer_card AS (
	customer text,
	tier text,
	benefits text[],
	ratings jsonb,
	why text[],
	joined_at timestamptz,
	tenure interval,
	points numeric,
	pending numeric,
	held numeric,
	next_expiry timestamptz,
	expiring numeric,
	lifetime_value numeric,
	orders bigint,
	average_order numeric,
	first_order_at timestamptz,
	last_order_at timestamptz,
	next_purchase_due date,
	events jsonb,
	metrics jsonb
);
COMMENT ON TYPE loyalty.customer_card IS 'all of a customer in one row: result of the function card of a program';
COMMENT ON COLUMN loyalty.customer_card.customer IS 'key of the customer, or of the one with whom he was merged';
COMMENT ON COLUMN loyalty.customer_card.tier IS 'the tier held now; null: none';
COMMENT ON COLUMN loyalty.customer_card.benefits IS 'names of the benefits of the tier';
COMMENT ON COLUMN loyalty.customer_card.ratings IS 'the grade by each rating, by name; ratings by which there is none are left out';
COMMENT ON COLUMN loyalty.customer_card.why IS 'how each rating came about: the grade that qualified, and each step that moved it, with its reason';
COMMENT ON COLUMN loyalty.customer_card.joined_at IS 'since when the customer is one';
COMMENT ON COLUMN loyalty.customer_card.tenure IS 'years, months and days since then';
COMMENT ON COLUMN loyalty.customer_card.points IS 'points that can be spent now; below zero, they are owed';
COMMENT ON COLUMN loyalty.customer_card.pending IS 'points that are not available yet';
COMMENT ON COLUMN loyalty.customer_card.held IS 'points of open holds';
COMMENT ON COLUMN loyalty.customer_card.next_expiry IS 'when the next points expire; null: none do';
COMMENT ON COLUMN loyalty.customer_card.expiring IS 'how many points expire then';
COMMENT ON COLUMN loyalty.customer_card.lifetime_value IS 'amounts of the orders that count, in the currency of the program';
COMMENT ON COLUMN loyalty.customer_card.orders IS 'how many orders count';
COMMENT ON COLUMN loyalty.customer_card.average_order IS 'lifetime value by orders';
COMMENT ON COLUMN loyalty.customer_card.first_order_at IS 'time of the first order that counts';
COMMENT ON COLUMN loyalty.customer_card.last_order_at IS 'time of the last order that counts';
COMMENT ON COLUMN loyalty.customer_card.next_purchase_due IS 'the day of the last order, and as many days later as half of the gaps between days with orders are not longer than; null: there was one day with orders, or none';
COMMENT ON COLUMN loyalty.customer_card.events IS 'how many events of each kind count, by kind; those of which there are none are left out';
COMMENT ON COLUMN loyalty.customer_card.metrics IS 'each metric, by name';
