-- kind: view
-- read: SELECT
-- Who is deleted from the customer table keeps the points.
CREATE OR REPLACE VIEW @schema@.former_members AS
SELECT s.customer AS @key@,
       _loyalty.tier_for(@settings@::regclass, (SELECT p.terms FROM @schema@.program p), s.spend, s.orders, s.points_earned,
                         s.joined_at, s.first_order_at, s.last_order_at, now(), (SELECT p.reader FROM @schema@.program p)) AS tier,
       s.points::numeric(38, @points_scale@) AS points, s.spend::numeric(38, @amount_scale@) AS lifetime_value, s.orders,
       s.first_order_at, s.last_order_at, s.joined_at,
       _loyalty.tenure(s.joined_at, now(), (SELECT p.time_zone FROM @schema@.program p)) AS tenure,
       (s.spend / nullif(s.orders, 0))::numeric(38, @amount_scale@) AS average_order
  FROM (SELECT c.customer, NULL::timestamptz AS joined_at,
               coalesce(a.points, 0) + coalesce((j.state).points, 0) AS points,
               coalesce((j.state).points_earned, a.points_earned, 0) AS points_earned,
               coalesce((j.state).spend, a.spend, 0) AS spend,
               coalesce((j.state).orders, a.orders, 0) AS orders,
               CASE WHEN j.state IS NULL THEN a.first_order_at ELSE (j.state).first_order_at END AS first_order_at,
               CASE WHEN j.state IS NULL THEN a.last_order_at ELSE (j.state).last_order_at END AS last_order_at
          FROM (SELECT customer FROM @schema@.account UNION SELECT customer FROM @schema@.journal) c
          LEFT JOIN @schema@.account a ON a.customer @eq@ c.customer
         CROSS JOIN LATERAL (SELECT _loyalty.state_of(@settings@::regclass, j.customer, a.spend, a.orders, a.points_earned, a.first_order_at, a.last_order_at,
                                                      j.tracked_table, j.order_key, j.revision, j.at, j.recorded_at, j.terms, j.counts, j.amount,
                                                      j.awards, j.joined_at, j.multiplier, j.tier, (SELECT p.reader FROM @schema@.program p)) AS state
                               FROM @schema@.journal j WHERE j.customer @eq@ c.customer) j
         WHERE NOT EXISTS (SELECT FROM @schema@.customer x WHERE x.customer @eq@ c.customer)) s;
COMMENT ON VIEW @schema@.former_members IS 'the same as members of who has entries, and is not in the customer table, or not any more';
