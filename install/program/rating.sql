-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.rating (
	rating text,
	grade text,
	rank int NOT NULL,
	qualifies text NOT NULL,
	comment text,
	PRIMARY KEY (rating, grade),
	UNIQUE (rating, rank)
);
COMMENT ON TABLE @schema@.rating IS 'ratings of customers: of the grades of each, the one of highest rank that qualifies is given, and then moved by rating_step';
COMMENT ON COLUMN @schema@.rating.rating IS 'name of the rating, and of its column in the view "ratings"';
COMMENT ON COLUMN @schema@.rating.grade IS 'what the customer is given, such as A, B and C, or 1 to 5';
COMMENT ON COLUMN @schema@.rating.rank IS 'the grade of highest rank that qualifies is given';
COMMENT ON COLUMN @schema@.rating.qualifies IS 'SQL condition over all that metrics know of a customer, and over metrics by name';
COMMENT ON COLUMN @schema@.rating.comment IS 'what the grade says, for people';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.rating
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_rating');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.rating
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
