-- kind: view
-- read: SELECT
-- Who is deleted from the customer table keeps the points.
CREATE OR REPLACE VIEW @schema@.former_members AS
SELECT s.customer AS @key@,
       _loyalty.tier_for(@settings@::regclass, s.terms, s.spend, s.orders, s.points_earned,
                         s.joined_at, s.first_order_at, s.last_order_at, now(), s.reader, s.purchases, s.events, NULL) AS tier,
       (CASE WHEN s.lots IS NULL THEN s.points ELSE s.points - loyalty.total(s.lots) + loyalty.available(_loyalty.spendable_lots(s.lots, @settings@::regclass, s.terms, s.reader), now()) END)::numeric(38, @points_scale@) AS points,
       s.spend::numeric(38, @amount_scale@) AS lifetime_value, s.orders,
       s.first_order_at, s.last_order_at, s.joined_at,
       _loyalty.tenure(s.joined_at, now(), s.time_zone) AS tenure,
       (s.spend / nullif(s.orders, 0))::numeric(38, @amount_scale@) AS average_order, s.held::numeric(38, @points_scale@) AS held,
       (CASE WHEN s.lots IS NULL THEN 0 ELSE loyalty.pending(_loyalty.spendable_lots(s.lots, @settings@::regclass, s.terms, s.reader), now()) END)::numeric(38, @points_scale@) AS pending,
       CASE WHEN s.lots IS NOT NULL THEN loyalty.next_expiry(_loyalty.spendable_lots(s.lots, @settings@::regclass, s.terms, s.reader), now()) END AS next_expiry,
       (CASE WHEN s.lots IS NOT NULL THEN loyalty.expiring(_loyalty.spendable_lots(s.lots, @settings@::regclass, s.terms, s.reader), now(), loyalty.next_expiry(_loyalty.spendable_lots(s.lots, @settings@::regclass, s.terms, s.reader), now())) END)::numeric(38, @points_scale@) AS expiring
  FROM (SELECT p.terms, p.reader, p.time_zone, c.customer, NULL::timestamptz AS joined_at,
               coalesce((j.state).points, a.points, 0) + coalesce((j.released).points, 0) AS points, coalesce(a.held, 0) - coalesce((j.released).points, 0) AS held,
               CASE WHEN (j.released).lots IS NULL THEN coalesce((j.state).lots, a.lots) ELSE coalesce((j.state).lots OPERATOR(loyalty.+) (j.released).lots, a.lots OPERATOR(loyalty.+) (j.released).lots, (j.released).lots) END AS lots,
               coalesce((j.state).points_earned, a.points_earned, 0) AS points_earned,
               coalesce((j.state).spend, a.spend, 0) AS spend,
               coalesce((j.state).orders, a.orders, 0) AS orders,
               CASE WHEN j.state IS NULL THEN a.first_order_at ELSE (j.state).first_order_at END AS first_order_at,
               CASE WHEN j.state IS NULL THEN a.last_order_at ELSE (j.state).last_order_at END AS last_order_at,
               coalesce((j.state).purchases, a.purchases) AS purchases, coalesce((j.state).events, a.events) AS events
          FROM (SELECT terms, reader, time_zone FROM @schema@.program WHERE true OR EXISTS (SELECT FROM @schema@.journal, @schema@.ledger, @schema@.held) LIMIT 1) p
         CROSS JOIN (SELECT customer FROM @schema@.account UNION SELECT customer FROM @schema@.journal) c
          LEFT JOIN @schema@.account a ON a.customer @eq@ c.customer
         CROSS JOIN LATERAL (SELECT _loyalty.state_of(@settings@::regclass, p.terms, c.customer,
                                                      a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at,
                                                      a.points, a.lots, p.reader, a.merged, a.purchases, a.events) AS state,
                                    CASE WHEN a.next_release <= now() THEN _loyalty.released(@settings@::regclass, p.terms, c.customer, p.reader) END AS released
                             OFFSET 0) j
         WHERE NOT EXISTS (SELECT FROM @schema@.customer x WHERE x.customer @eq@ c.customer) AND a.merged_into IS NULL) s;
COMMENT ON VIEW @schema@.former_members IS 'the same as members of who has entries, and is not in the customer table, or not any more';
