-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms_metric (
	version int, number int, kind text NOT NULL, rating text, name text NOT NULL, expression text NOT NULL, place int, steps int, bound text,
	PRIMARY KEY (version, number)
);
COMMENT ON TABLE @schema@.terms_metric IS 'metrics of each version of the terms, and the conditions of ratings';
COMMENT ON COLUMN @schema@.terms_metric.kind IS 'metric; or of a rating a grade, or a step';
COMMENT ON COLUMN @schema@.terms_metric.rating IS 'of which rating; null: a metric';
COMMENT ON COLUMN @schema@.terms_metric.name IS 'name of the metric, the grade, or the reason of the step';
COMMENT ON COLUMN @schema@.terms_metric.expression IS 'SQL expression over what is known of a customer; of a grade or a step, a condition';
COMMENT ON COLUMN @schema@.terms_metric.place IS 'rank of the grade, or priority of the step';
COMMENT ON COLUMN @schema@.terms_metric.steps IS 'by how many grades the step moves the rating';
COMMENT ON COLUMN @schema@.terms_metric.bound IS 'the grade beyond which it does not';
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
