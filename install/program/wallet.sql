-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.wallet (
	wallet int PRIMARY KEY,
	name text NOT NULL UNIQUE,
	available_after interval,
	expires text,
	extended text,
	redeem_order int NOT NULL DEFAULT 0,
	redeemable boolean NOT NULL DEFAULT true
);
INSERT INTO @schema@.wallet (wallet, name) VALUES (1, 'points');
COMMENT ON TABLE @schema@.wallet IS 'the kinds of points that there are: when they become available, and when they expire, of those that are earned from now on; rules that name none give theirs to wallet 1';
COMMENT ON COLUMN @schema@.wallet.wallet IS 'its number, which the lots of points have; null in an INSERT: the next one';
COMMENT ON COLUMN @schema@.wallet.name IS 'its name, by which calls name it';
COMMENT ON COLUMN @schema@.wallet.available_after IS 'so long after the order points wait, counted in the time zone of the program; null: they are available at once';
COMMENT ON COLUMN @schema@.wallet.expires IS 'SQL expression over earned_on, the day of the order: the first moment, or day, at which the points are gone; null: never';
COMMENT ON COLUMN @schema@.wallet.extended IS 'SQL expression over active_on, the day of an order that counts: until then all points of the wallet are kept that have not expired; null: orders extend nothing';
COMMENT ON COLUMN @schema@.wallet.redeem_order IS 'a call that names no wallet takes points from the wallet of the lowest number here first, and of the same from the one whose own number is lower';
COMMENT ON COLUMN @schema@.wallet.redeemable IS 'can its points be spent? false: status points, which are shown apart, and cannot be redeemed, held or transferred; fixed once there are entries';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE OR DELETE ON @schema@.wallet
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_wallet');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
CREATE TRIGGER keep_row BEFORE TRUNCATE ON @schema@.wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
