-- kind: table
-- read: SELECT
-- What is in the ledger, too: holds that are neither captured nor released.
CREATE TABLE @schema@.held (
	customer @column_type@ NOT NULL,
	reference text COLLATE "C" NOT NULL,
	points numeric NOT NULL,
	until timestamptz NOT NULL,
	lots loyalty.lots,
	recorded_for @column_type@ NOT NULL,
	PRIMARY KEY (customer, reference, recorded_for)
);
COMMENT ON TABLE @schema@.held IS 'open holds: points that are kept for a purpose, until they are captured or released; one that has timed out stays until a call for its customer, or maintain, writes that it did; written by calls';
COMMENT ON COLUMN @schema@.held.reference IS 'names the hold among the calls for the customer';
COMMENT ON COLUMN @schema@.held.recorded_for IS 'the customer who was named; another one than that of the account if they were merged since';
COMMENT ON COLUMN @schema@.held.points IS 'as many points are held';
COMMENT ON COLUMN @schema@.held.lots IS 'those of the points that expire, which they do not while they are held; null: none';
COMMENT ON COLUMN @schema@.held.until IS 'from then on they are not held any more; infinity: for ever';
