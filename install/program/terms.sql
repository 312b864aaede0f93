-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms (
	version int PRIMARY KEY,
	since timestamptz NOT NULL DEFAULT clock_timestamp(),
	points_scale int NOT NULL,
	rounding text NOT NULL,
	time_zone text NOT NULL,
	xact xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	refunds_take text NOT NULL DEFAULT 'pending',
	refund_shortfall text NOT NULL DEFAULT 'owe',
	returns_paid_points text NOT NULL DEFAULT 'never'
);
COMMENT ON TABLE @schema@.terms IS 'versions of the terms; every order keeps the version it was first recorded under';
COMMENT ON COLUMN @schema@.terms.xact IS 'the transaction that made it';

CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON @schema@.terms
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.terms
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.terms
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.terms
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
