-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.rating_step (
	rating text,
	reason text,
	condition text NOT NULL,
	steps int NOT NULL CHECK (steps <> 0),
	bound text,
	priority int NOT NULL DEFAULT 0,
	PRIMARY KEY (rating, reason)
);
COMMENT ON TABLE @schema@.rating_step IS 'what moves a rating up or down from the grade that qualifies, and why';
COMMENT ON COLUMN @schema@.rating_step.rating IS 'name of the rating';
COMMENT ON COLUMN @schema@.rating_step.reason IS 'why, as explain_rating tells';
COMMENT ON COLUMN @schema@.rating_step.condition IS 'SQL condition over all that metrics know of a customer, and over metrics by name: when it holds, the rating is moved';
COMMENT ON COLUMN @schema@.rating_step.steps IS 'by how many grades: up, or with less than 0 down';
COMMENT ON COLUMN @schema@.rating_step.bound IS 'the grade beyond which it does not move: the lowest one down, or the highest one up; null: the last one there is';
COMMENT ON COLUMN @schema@.rating_step.priority IS 'steps of a higher priority come first; then in the order of their reasons';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.rating_step
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_rating_step');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.rating_step
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
