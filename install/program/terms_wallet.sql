-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms_wallet (
	version int, wallet int, name text NOT NULL, available_after interval, expires text, extended text,
	redeem_order int NOT NULL DEFAULT 0, redeemable boolean NOT NULL DEFAULT true,
	PRIMARY KEY (version, wallet)
);
COMMENT ON TABLE @schema@.terms_wallet IS 'wallets of each version of the terms';

CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.terms_wallet
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.terms_wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_wallet
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
