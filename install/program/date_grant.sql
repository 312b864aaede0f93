-- kind: table
-- read: SELECT
-- What was decided of a day of a member.  Where points were given, an entry of the ledger has the same customer and
-- reference.  The period is that of the day by which nothing is given twice: see install/dates.sql.
CREATE TABLE @schema@.date_grant (
	customer @column_type@ NOT NULL,
	rule text COLLATE "C" NOT NULL,
	period text COLLATE "C" NOT NULL,
	day date NOT NULL,
	time_zone text NOT NULL,
	points numeric NOT NULL,
	times int,
	reference text COLLATE "C" NOT NULL,
	PRIMARY KEY (customer, rule, period)
);
COMMENT ON TABLE @schema@.date_grant IS 'what members got by rules of the table date_rule, and what not, for each day; written by maintain';
COMMENT ON COLUMN @schema@.date_grant.rule IS 'name of the rule';
COMMENT ON COLUMN @schema@.date_grant.period IS 'the year, or month, in which the rule gives the member no more points than these; or once';
COMMENT ON COLUMN @schema@.date_grant.day IS 'the day that was due';
COMMENT ON COLUMN @schema@.date_grant.time_zone IS 'where that day began';
COMMENT ON COLUMN @schema@.date_grant.points IS 'the points; 0: the condition of the rule did not hold';
COMMENT ON COLUMN @schema@.date_grant.times IS 'how often a member might get points by the rule, then; null: no limit';
COMMENT ON COLUMN @schema@.date_grant.reference IS 'names the grant among the calls for the customer';

CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.date_grant
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON @schema@.date_grant
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.append_only();
