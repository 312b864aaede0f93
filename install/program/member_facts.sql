-- kind: view
-- What metrics are about, of each customer at this moment: posted sums, with the entries that are not posted, and what metrics
-- ask of the customer's row.  What the function opens is named with the program, as in members.
CREATE OR REPLACE VIEW @schema@.member_facts AS
SELECT c.customer AS @key@, p.terms, p.reader,
       coalesce((j.state).spend, a.spend, 0) AS spend,
       coalesce((j.state).orders, a.orders, 0) AS orders,
       coalesce((j.state).points_earned, a.points_earned, 0) AS points_earned,
       c.joined_at,
       CASE WHEN j.state IS NULL THEN a.first_order_at ELSE (j.state).first_order_at END AS first_order_at,
       CASE WHEN j.state IS NULL THEN a.last_order_at ELSE (j.state).last_order_at END AS last_order_at,
       coalesce((j.state).purchases, a.purchases) AS purchases, coalesce((j.state).events, a.events) AS events,
       r.customer_row
  FROM (SELECT terms, reader FROM @schema@.program WHERE true OR EXISTS (SELECT FROM @schema@.journal, @schema@.ledger) LIMIT 1) p
 CROSS JOIN @schema@.customer c
  LEFT JOIN @schema@.customer_rows r ON r.customer @eq@ c.customer
  LEFT JOIN @schema@.account a ON a.customer @eq@ c.customer
 CROSS JOIN LATERAL (SELECT _loyalty.state_of(@settings@::regclass, p.terms, c.customer,
                                              a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at,
                                              a.points, a.lots, p.reader, a.merged, a.purchases, a.events) AS state
                     OFFSET 0) j
 WHERE a.merged_into IS NULL;
COMMENT ON VIEW @schema@.member_facts IS 'what metrics are about: sums and histories of each customer at this moment, and what they ask of the customer''s row';
