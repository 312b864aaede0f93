-- kind: view
-- read: SELECT
-- Reads: posted state and what is not yet posted, always together.  Whoever reads all of it gets the entries of one
-- customer after the other, which are folded together.  What folding opens is named here, so that it is locked before the snapshot is taken.
-- Entries of who was merged into another customer are folded with those of that one: so both the customer of
-- an entry and the account are found by an index.
CREATE OR REPLACE VIEW @schema@.unposted AS
SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.at, j.recorded_at, j.terms, j.counts,
       j.amount, j.awards, j.currency, j.rate, j.joined_at, j.moved, f.tier, f.multiplier,
       coalesce(a.entries, 0) + f.number AS entry, f.order_points, f.orders_change, f.amount_change,
       f.points_change, f.spend, f.orders, f.points_earned, f.first_order_at, f.last_order_at, f.lots, j.available_at, j.customer AS account, f.forgiven,
       NULL::text COLLATE "C" AS kind, NULL::text COLLATE "C" AS pays_for, NULL::int AS pays_table, j.parts, f.held_rules, j.came_from, j.came_revision, j.came_over, f.rooms, f.apart, j.allotted, j.event, j.member
  FROM (SELECT * FROM @schema@.journal ORDER BY customer) j
  LEFT JOIN @schema@.account a ON a.customer @eq@ j.customer
 CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, j.customer, j.customer, j.tracked_table, j.order_key, j.revision, j.terms,
                                        a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                        (SELECT p.reader FROM @schema@.program p WHERE true OR EXISTS (SELECT FROM @schema@.ledger)), a.merged, a.purchases, a.events) f
 WHERE f.number IS NOT NULL AND a.merged_into IS NULL
UNION ALL
SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.at, j.recorded_at, j.terms, j.counts,
       j.amount, j.awards, j.currency, j.rate, j.joined_at, j.moved, f.tier, f.multiplier,
       a.entries + f.number AS entry, f.order_points, f.orders_change, f.amount_change,
       f.points_change, f.spend, f.orders, f.points_earned, f.first_order_at, f.last_order_at, f.lots, j.available_at, m.survivor AS account, f.forgiven,
       NULL::text COLLATE "C" AS kind, NULL::text COLLATE "C" AS pays_for, NULL::int AS pays_table, j.parts, f.held_rules, j.came_from, j.came_revision, j.came_over, f.rooms, f.apart, j.allotted, j.event, j.member
  FROM @schema@.merged m
  JOIN @schema@.journal j ON j.customer @eq@ m.customer
  JOIN @schema@.account a ON a.customer @eq@ m.survivor
 CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, m.survivor, j.customer, j.tracked_table, j.order_key, j.revision, j.terms,
                                        a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                        (SELECT p.reader FROM @schema@.program p WHERE true OR EXISTS (SELECT FROM @schema@.ledger)), a.merged, a.purchases, a.events) f
 WHERE f.number IS NOT NULL
-- what comes back of points that orders were paid with, where some terms say so
UNION ALL
SELECT CASE WHEN r.payer = 0 THEN j.customer ELSE a.merged[r.payer] END AS customer, 0 AS tracked_table, r.reference COLLATE "C" AS order_key, r.revision, r.at, r.at AS recorded_at, 0 AS terms, false AS counts,
       0::numeric AS amount, 0::numeric AS awards, ''::text COLLATE "C" AS currency, 1::numeric AS rate, NULL::timestamptz AS joined_at, false AS moved, NULL::text AS tier, 1::numeric AS multiplier,
       coalesce(a.entries, 0) + r.number AS entry, r.net AS order_points, 0 AS orders_change, 0::numeric AS amount_change,
       r.points AS points_change, NULL::numeric AS spend, NULL::bigint AS orders, NULL::numeric AS points_earned, NULL::timestamptz AS first_order_at, NULL::timestamptz AS last_order_at, r.lots,
       NULL::timestamptz AS available_at, j.customer AS account, NULL::numeric AS forgiven, 'return'::text COLLATE "C" AS kind, j.order_key AS pays_for, j.tracked_table AS pays_table, NULL::numeric[] AS parts, NULL::int[] AS held_rules, NULL::text COLLATE "C" AS came_from, NULL::int AS came_revision, NULL::boolean AS came_over, NULL::numeric[] AS rooms, NULL::numeric[] AS apart, NULL::numeric[] AS allotted, NULL::text COLLATE "C" AS event, NULL::jsonb AS member
  FROM (SELECT * FROM @schema@.journal ORDER BY customer) j
  LEFT JOIN @schema@.account a ON a.customer @eq@ j.customer
 CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, j.customer, j.customer, j.tracked_table, j.order_key, j.revision, j.terms,
                                        a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                        (SELECT p.reader FROM @schema@.program p WHERE true OR EXISTS (SELECT FROM @schema@.ledger)), a.merged, a.purchases, a.events) f
 CROSS JOIN LATERAL unnest(f.returned) r
 WHERE (SELECT bool_or(t.returns_paid_points <> 'never') FROM @schema@.terms t) AND f.number IS NOT NULL AND a.merged_into IS NULL
UNION ALL
SELECT CASE WHEN r.payer = 0 THEN m.survivor ELSE a.merged[r.payer] END AS customer, 0 AS tracked_table, r.reference COLLATE "C" AS order_key, r.revision, r.at, r.at AS recorded_at, 0 AS terms, false AS counts,
       0::numeric AS amount, 0::numeric AS awards, ''::text COLLATE "C" AS currency, 1::numeric AS rate, NULL::timestamptz AS joined_at, false AS moved, NULL::text AS tier, 1::numeric AS multiplier,
       a.entries + r.number AS entry, r.net AS order_points, 0 AS orders_change, 0::numeric AS amount_change,
       r.points AS points_change, NULL::numeric AS spend, NULL::bigint AS orders, NULL::numeric AS points_earned, NULL::timestamptz AS first_order_at, NULL::timestamptz AS last_order_at, r.lots,
       NULL::timestamptz AS available_at, m.survivor AS account, NULL::numeric AS forgiven, 'return'::text COLLATE "C" AS kind, j.order_key AS pays_for, j.tracked_table AS pays_table, NULL::numeric[] AS parts, NULL::int[] AS held_rules, NULL::text COLLATE "C" AS came_from, NULL::int AS came_revision, NULL::boolean AS came_over, NULL::numeric[] AS rooms, NULL::numeric[] AS apart, NULL::numeric[] AS allotted, NULL::text COLLATE "C" AS event, NULL::jsonb AS member
  FROM @schema@.merged m
  JOIN @schema@.journal j ON j.customer @eq@ m.customer
  JOIN @schema@.account a ON a.customer @eq@ m.survivor
 CROSS JOIN LATERAL _loyalty.accrual_of(@settings@::regclass, m.survivor, j.customer, j.tracked_table, j.order_key, j.revision, j.terms,
                                        a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at, a.points, a.lots,
                                        (SELECT p.reader FROM @schema@.program p WHERE true OR EXISTS (SELECT FROM @schema@.ledger)), a.merged, a.purchases, a.events) f
 CROSS JOIN LATERAL unnest(f.returned) r
 WHERE (SELECT bool_or(t.returns_paid_points <> 'never') FROM @schema@.terms t) AND f.number IS NOT NULL;
COMMENT ON VIEW @schema@.unposted IS 'journal entries with what posting will make of them, and the entries by which points come back that orders were paid with';
