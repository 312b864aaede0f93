-- kind: table
-- read: SELECT
CREATE TABLE @schema@.kept (
	tracked_table int, order_key text COLLATE "C",
	amount numeric,
	refunded numeric NOT NULL DEFAULT 0,
	awards numeric NOT NULL DEFAULT 0,
	parts numeric[],
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (tracked_table, order_key)
);
COMMENT ON TABLE @schema@.kept IS 'what lines and refunds that have left their tables give to orders that are there; written by loyalty.reconcile';
COMMENT ON COLUMN @schema@.kept.amount IS 'what the lines add to the amount of the order, in its currency; null: nothing';
COMMENT ON COLUMN @schema@.kept.refunded IS 'what the refunds take off, in the currency of the order';
COMMENT ON COLUMN @schema@.kept.awards IS 'what the lines add to the points of the order, before refunds';
COMMENT ON COLUMN @schema@.kept.parts IS 'what the lines add to what each rule gives, before refunds, where the terms of the order have rules for some members or bonuses; null: nothing';
COMMENT ON COLUMN @schema@.kept.since IS 'when they left';

CREATE TRIGGER keep_row BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.kept
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.kept
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
