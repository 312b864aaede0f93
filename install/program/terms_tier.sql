-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms_tier (
	version int, name text, rank int NOT NULL, qualifies text NOT NULL, multiplier numeric NOT NULL,
	PRIMARY KEY (version, name)
);
COMMENT ON TABLE @schema@.terms_tier IS 'tiers of each version of the terms';

CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_tier
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_values BEFORE UPDATE ON @schema@.terms_tier
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_tier');
CREATE TRIGGER new_views AFTER UPDATE ON @schema@.terms_tier
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('correct_tier');
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.terms_tier
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.terms_tier
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_tier
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
