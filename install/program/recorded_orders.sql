-- kind: view
-- read: SELECT
CREATE OR REPLACE VIEW @schema@.recorded_orders AS
SELECT DISTINCT ON (customer, tracked_table, order_key) *
  FROM (SELECT customer, tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, available_at, parts, allotted, event, member FROM @schema@.ledger WHERE tracked_table > 0
        UNION ALL
        SELECT customer, tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, available_at, parts, allotted, event, member FROM @schema@.journal) e
 ORDER BY customer, tracked_table, order_key, revision DESC;
COMMENT ON VIEW @schema@.recorded_orders IS 'how each order, and each event, stands, as recorded';
