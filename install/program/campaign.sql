-- kind: table
-- read: SELECT
-- admin: INSERT, UPDATE, DELETE
CREATE TABLE @schema@.campaign (
	name text PRIMARY KEY,
	starts timestamptz,
	ends timestamptz,
	applies_when text NOT NULL DEFAULT 'true',
	for_members text,
	budget text,
	cost_per_point numeric CHECK (cost_per_point >= 0),
	comment text
);
COMMENT ON TABLE @schema@.campaign IS 'campaigns: what earning rules that name one in their column campaign have in common';
COMMENT ON COLUMN @schema@.campaign.name IS 'what rules call it';
COMMENT ON COLUMN @schema@.campaign.starts IS 'from when on its rules are in force, by the time of the order; null: they always were';
COMMENT ON COLUMN @schema@.campaign.ends IS 'from when on they are not in force any more; null: they stay';
COMMENT ON COLUMN @schema@.campaign.applies_when IS 'SQL condition over the order row (new) and its purchase: do its rules apply? Exclusions are written here, too';
COMMENT ON COLUMN @schema@.campaign.for_members IS 'SQL condition over what the customer had just before the order: do its rules count? null: for all';
COMMENT ON COLUMN @schema@.campaign.budget IS 'the budget of its rules, unless they name one themselves; null: they have none';
COMMENT ON COLUMN @schema@.campaign.cost_per_point IS 'what a point costs that it gives, in the currency of the program; null: what points are worth by the table conversion';
COMMENT ON COLUMN @schema@.campaign.comment IS 'what it is for, in words';

CREATE TRIGGER check_values BEFORE INSERT OR UPDATE OR DELETE ON @schema@.campaign
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_campaign');
CREATE TRIGGER keep_row BEFORE TRUNCATE ON @schema@.campaign
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('check_campaign');
CREATE TRIGGER new_terms AFTER INSERT OR UPDATE OR DELETE ON @schema@.campaign
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('new_terms');
