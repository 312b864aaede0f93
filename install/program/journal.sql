-- kind: table
-- operate: SELECT, DELETE
-- The columns of the journal are the first ones of the ledger, too, in this order:
-- recording reads and writes them by position (src/base/layout.h).
CREATE TABLE @schema@.journal (
	customer @column_type@ NOT NULL,
	tracked_table int NOT NULL,
	order_key text COLLATE "C" NOT NULL,
	revision int NOT NULL,
	at timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL,
	terms int NOT NULL,
	counts boolean NOT NULL,
	amount numeric NOT NULL,
	awards numeric NOT NULL,
	currency text COLLATE "C" NOT NULL,
	rate numeric NOT NULL,
	joined_at timestamptz,
	moved boolean NOT NULL,
	tier text,
	multiplier numeric,
	available_at timestamptz,
	parts numeric[],
	held_rules int[],
	came_from text COLLATE "C",
	came_revision int,
	came_over boolean,
	allotted numeric[],
	event text COLLATE "C",
	member jsonb,
	PRIMARY KEY (customer, tracked_table, order_key, revision)
) WITH (autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON TABLE @schema@.journal IS 'entries that are recorded but not yet posted: how an order stands from this revision on';
COMMENT ON COLUMN @schema@.journal.event IS 'the kind of the event, which counts as no order; null: it is an order';
COMMENT ON COLUMN @schema@.journal.currency IS 'currency of the order; empty if it is that of the program. Amount and awards are in that of the program always';
COMMENT ON COLUMN @schema@.journal.rate IS 'what one unit of the currency is worth';
COMMENT ON COLUMN @schema@.journal.tier IS 'the tier held just before an order that moved; of all others posting finds it';
COMMENT ON COLUMN @schema@.journal.multiplier IS 'the multiplier of that tier; null: posting finds it';
COMMENT ON COLUMN @schema@.journal.awards IS 'points before the multiplier of the tier and before rounding; 0 where parts has them';
COMMENT ON COLUMN @schema@.journal.held_rules IS 'of an order that moved: the rules whose for_members held just before it; of all others posting finds them';

CREATE TRIGGER restore_begin BEFORE INSERT ON @schema@.journal
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.restore_begin();
CREATE TRIGGER restore_entry BEFORE INSERT ON @schema@.journal
	FOR EACH ROW EXECUTE FUNCTION _loyalty.restore_entry();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON @schema@.journal
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.append_only();
