-- kind: table
-- read: SELECT
CREATE TABLE @schema@.tracked_table (
	tracked_table int PRIMARY KEY,
	kind text NOT NULL CHECK (kind IN ('orders', 'lines', 'refunds', 'credits', 'events')),
	relation regclass NOT NULL,
	of_tracked_table int,
	without_order text NOT NULL DEFAULT 'skip' CHECK (without_order IN ('error', 'skip', 'customer')),
	terms int NOT NULL,
	active boolean NOT NULL DEFAULT true,
	definition jsonb,
	event text,
	CHECK ((event IS NOT NULL) = (kind = 'events')),
	UNIQUE (relation, kind, event)
);
COMMENT ON TABLE @schema@.tracked_table IS 'tracked tables; the views orders_..., lines_... and refunds_... say what their rows mean; written by loyalty.track_orders, loyalty.track_refunds, loyalty.track_events and loyalty.untrack';
COMMENT ON COLUMN @schema@.tracked_table.kind IS 'orders, lines or refunds of orders, or credits: refunds that name no order, to which only rules over the purchase apply; or events, which are no orders';
COMMENT ON COLUMN @schema@.tracked_table.event IS 'the kind of the events, by which earning rules name them; null: no events';
COMMENT ON COLUMN @schema@.tracked_table.of_tracked_table IS 'the tracked table of the orders that lines and refunds belong to';
COMMENT ON COLUMN @schema@.tracked_table.terms IS 'those in force when it was first tracked: no order of it has older ones';
COMMENT ON COLUMN @schema@.tracked_table.definition IS 'what its views said, while it is not tracked and has none';

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.tracked_table
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration_changed();
CREATE TRIGGER check_change BEFORE INSERT OR UPDATE ON @schema@.tracked_table
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_tracked_table');
CREATE TRIGGER new_views AFTER UPDATE OF relation ON @schema@.tracked_table
	FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('replace_tracked_table');
CREATE TRIGGER keep_row BEFORE DELETE OR TRUNCATE ON @schema@.tracked_table
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.configuration('keep_settings');
CREATE TRIGGER owner_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @schema@.tracked_table
	FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.owner_only();
