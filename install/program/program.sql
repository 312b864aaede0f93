-- kind: table
-- read: SELECT
-- admin: UPDATE
-- The last one of the tables: what has this table with its trigger "changed" is a program.
CREATE TABLE @schema@.program (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	customers regclass NOT NULL,
	customer_key name NOT NULL,
	joined_at text,
	time_zone text NOT NULL,
	points_scale int NOT NULL CHECK (points_scale BETWEEN 0 AND 12),
	amount_scale int NOT NULL CHECK (amount_scale BETWEEN 0 AND 12),
	rounding text NOT NULL CHECK (rounding IN ('floor', 'half_even', 'half_up', 'ceil')),
	on_invalid text NOT NULL CHECK (on_invalid IN ('error', 'skip')),
	terms int NOT NULL,
	reader uuid NOT NULL DEFAULT gen_random_uuid(),
	layout int NOT NULL,
	card_prefix text COLLATE "C" NOT NULL DEFAULT '99' CHECK (card_prefix ~ '^[0-9]*$'),
	card_length int NOT NULL DEFAULT 16 CHECK (card_length BETWEEN 8 AND 19),
	refunds_take text NOT NULL DEFAULT 'pending' CHECK (refunds_take IN ('pending', 'available')),
	refund_shortfall text NOT NULL DEFAULT 'owe' CHECK (refund_shortfall IN ('owe', 'forgive', 'reject')),
	returns_paid_points text NOT NULL DEFAULT 'never' CHECK (returns_paid_points IN ('never', 'full', 'proportional'))
);
COMMENT ON TABLE @schema@.program IS 'settings of the program, one row';
COMMENT ON COLUMN @schema@.program.layout IS 'which version of its tables, views and functions the program has; written by loyalty.upgrade_program';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE ON @schema@.program
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_program');
CREATE TRIGGER new_customers AFTER UPDATE ON @schema@.program
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('new_customers');
CREATE TRIGGER new_terms AFTER UPDATE OF points_scale, rounding, time_zone, refunds_take, refund_shortfall, returns_paid_points ON @schema@.program
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
CREATE TRIGGER show_scales AFTER UPDATE OF points_scale, amount_scale ON @schema@.program
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('show_scales');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.program
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed(@schema_literal@);
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.program
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
