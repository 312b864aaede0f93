-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.conversion (
	only_row boolean PRIMARY KEY DEFAULT true CONSTRAINT there_is_one_conversion CHECK (only_row),
	points numeric NOT NULL,
	amount numeric NOT NULL,
	whole_blocks boolean NOT NULL DEFAULT true,
	minimum_points numeric,
	maximum_points numeric,
	minimum_amount numeric,
	maximum_amount numeric,
	largest_share numeric NOT NULL DEFAULT 1
);
COMMENT ON TABLE @schema@.conversion IS 'what points are worth when they pay for an order, and how many may; without a row, none may';
COMMENT ON COLUMN @schema@.conversion.only_row IS 'true: there is one row, or none';
COMMENT ON COLUMN @schema@.conversion.points IS 'so many points, a block, are worth the amount; 0: points do not pay for orders';
COMMENT ON COLUMN @schema@.conversion.amount IS 'what a block of points is worth, in the currency of the program';
COMMENT ON COLUMN @schema@.conversion.whole_blocks IS 'are whole blocks redeemed only? else the value is that of the points, rounded down to the decimals of the program''s amounts';
COMMENT ON COLUMN @schema@.conversion.minimum_points IS 'an order is not paid with fewer points; null: with any number';
COMMENT ON COLUMN @schema@.conversion.maximum_points IS 'an order is not paid with more points; null: no limit';
COMMENT ON COLUMN @schema@.conversion.minimum_amount IS 'points that are worth less do not pay for an order; null: any do';
COMMENT ON COLUMN @schema@.conversion.maximum_amount IS 'points do not pay more of an order; null: no limit';
COMMENT ON COLUMN @schema@.conversion.largest_share IS 'points do not pay a larger part of an order: 1 is all of it, 0.5 half';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.conversion
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_conversion');
