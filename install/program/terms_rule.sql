-- kind: table
-- read: SELECT
CREATE TABLE @schema@.terms_rule (
	version int, award int NOT NULL, name text, points text, multiplier text, applies_when text NOT NULL, per text NOT NULL DEFAULT 'order',
	starts timestamptz, ends timestamptz, minimum_order numeric, every numeric, gives numeric, at_most numeric, rounding text,
	priority int NOT NULL DEFAULT 0, stacking text NOT NULL DEFAULT 'add', stacking_group text,
	for_members text, bonus boolean NOT NULL DEFAULT false,
	member_limit numeric, limit_unit text NOT NULL DEFAULT 'points', limit_period text,
	budget text,
	event text,
	campaign text, is_campaign boolean NOT NULL DEFAULT false, gate int,
	wallet text,
	PRIMARY KEY (version, name)
);
COMMENT ON TABLE @schema@.terms_rule IS 'earning rules of each version of the terms';
COMMENT ON COLUMN @schema@.terms_rule.campaign IS 'the campaign that the rule belongs to, or that it stands for';
COMMENT ON COLUMN @schema@.terms_rule.is_campaign IS 'does it stand for a campaign? Then it gives nothing, and rules of the campaign count only where it does';
COMMENT ON COLUMN @schema@.terms_rule.gate IS 'of a rule of a campaign: the award that stands for the campaign';
COMMENT ON COLUMN @schema@.terms_rule.wallet IS 'the wallet that the points of the rule go into, by its name in terms_wallet; null: wallet 1';
COMMENT ON COLUMN @schema@.terms_rule.award IS 'number of the column award_... that has its points in the views of tracked tables';

CREATE TRIGGER changed AFTER UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_values BEFORE UPDATE ON @schema@.terms_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_earning_rule');
CREATE TRIGGER new_views AFTER UPDATE ON @schema@.terms_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('correct_rule');
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.terms_rule
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_terms');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.terms_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.terms_rule
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
