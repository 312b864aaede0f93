-- kind: view
-- read: SELECT
-- Everybody is in it who has orders or events that count.  Who is one of them is in the account or in the journal, so it needs no customer table.
-- As in members, what is called opens tables that are named with the program, so that they are locked before the snapshot is taken.
CREATE OR REPLACE VIEW @schema@.histories AS
SELECT s.customer AS @key@, s.event, s.history
  FROM (SELECT c.customer, h.event, h.history
          FROM (SELECT terms, reader FROM @schema@.program WHERE true OR EXISTS (SELECT FROM @schema@.journal, @schema@.ledger) LIMIT 1) p
         CROSS JOIN (SELECT customer FROM @schema@.account UNION SELECT customer FROM @schema@.journal) c
          LEFT JOIN @schema@.account a ON a.customer @eq@ c.customer
         CROSS JOIN LATERAL (SELECT _loyalty.histories_of(@settings@::regclass, p.terms, c.customer,
                                                          a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at,
                                                          a.points, a.lots, p.reader, a.merged, a.purchases, a.events) AS changes
                             OFFSET 0) j
         CROSS JOIN LATERAL (SELECT NULL::text COLLATE "C" AS event, _loyalty.add_histories(a.purchases, (j.changes).purchases) AS history
                             UNION ALL
                             SELECT e.event, e.history FROM unnest(_loyalty.add_event_histories(a.events, (j.changes).events)) e) h
         WHERE a.merged_into IS NULL AND h.history IS NOT NULL) s;
COMMENT ON VIEW @schema@.histories IS 'what each customer bought on which day, and the same of each kind of events, at this moment';
COMMENT ON COLUMN @schema@.histories.event IS 'the kind of the events; null: orders';
COMMENT ON COLUMN @schema@.histories.history IS 'for each day, in the time zone of the terms of the orders, how many of them count, and their amount: of orders in the currency of the program, of events in the unit of their amount';
