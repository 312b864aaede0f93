-- kind: table
-- read: SELECT
-- admin: UPDATE
CREATE TABLE @schema@.wallet (
	wallet int PRIMARY KEY,
	name text NOT NULL UNIQUE,
	available_after interval,
	expires text,
	extended text
);
INSERT INTO @schema@.wallet (wallet, name) VALUES (1, 'points');
COMMENT ON TABLE @schema@.wallet IS 'when points become available, and when they expire: of those that are earned from now on';
COMMENT ON COLUMN @schema@.wallet.wallet IS 'its number, which the lots of points have';
COMMENT ON COLUMN @schema@.wallet.name IS 'its name';
COMMENT ON COLUMN @schema@.wallet.available_after IS 'so long after the order points wait, counted in the time zone of the program; null: they are available at once';
COMMENT ON COLUMN @schema@.wallet.expires IS 'SQL expression over earned_on, the day of the order: the first moment, or day, at which the points are gone; null: never';
COMMENT ON COLUMN @schema@.wallet.extended IS 'SQL expression over active_on, the day of an order that counts: until then all points are kept that have not expired; null: orders extend nothing';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.wallet
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_wallet');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
