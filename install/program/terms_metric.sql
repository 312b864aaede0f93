-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms_metric (
	version int, number int NOT NULL, name text, expression text NOT NULL,
	PRIMARY KEY (version, name)
);
COMMENT ON TABLE @schema@.terms_metric IS 'metrics of each version of the terms';
COMMENT ON COLUMN @schema@.terms_metric.number IS 'its column in the view metrics_<version>';

CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_metric
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_values BEFORE UPDATE ON @schema@.terms_metric
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_metric');
CREATE TRIGGER new_views AFTER UPDATE ON @schema@.terms_metric
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('correct_metric');
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.terms_metric
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.terms_metric
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_metric
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
