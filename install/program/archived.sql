-- kind: table
-- read: SELECT
CREATE TABLE @schema@.archived (
	tracked_table int, order_key text COLLATE "C", since timestamptz NOT NULL DEFAULT now(),
	customer @column_type@ NOT NULL,
	at timestamptz NOT NULL,
	amount numeric NOT NULL,
	awards numeric NOT NULL,
	currency text COLLATE "C" NOT NULL,
	rate numeric NOT NULL,
	refunded numeric NOT NULL,
	available_at timestamptz,
	terms int,
	parts numeric[],
	PRIMARY KEY (tracked_table, order_key)
);
COMMENT ON TABLE @schema@.archived IS 'orders that have left their table and keep their points, as they were then; written by loyalty.reconcile';
COMMENT ON COLUMN @schema@.archived.amount IS 'what the order was worth, less refunds, in the currency of the program; of an event, its amount';
COMMENT ON COLUMN @schema@.archived.terms IS 'the version of the terms that the parts are of';
COMMENT ON COLUMN @schema@.archived.refunded IS 'what was refunded of it by then, in its own currency';

CREATE TRIGGER keep_row BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.archived
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.archived
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
