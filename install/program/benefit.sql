-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.benefit (
	tier text,
	benefit text CHECK (benefit <> ''),
	description text,
	discount numeric CHECK (discount > 0 AND discount <= 100),
	PRIMARY KEY (tier, benefit)
);
COMMENT ON TABLE @schema@.benefit IS 'what members of a tier have of it, besides points';
COMMENT ON COLUMN @schema@.benefit.tier IS 'the tier that is held; members of a higher one have what that one has';
COMMENT ON COLUMN @schema@.benefit.benefit IS 'name of the benefit, such as free shipping';
COMMENT ON COLUMN @schema@.benefit.description IS 'what it is, for people';
COMMENT ON COLUMN @schema@.benefit.discount IS 'percent taken off prices, as price_for does; of several benefits of a tier, the highest; null: none';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.benefit
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_benefit');
