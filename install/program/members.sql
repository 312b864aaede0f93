-- kind: view
-- read: SELECT
-- What members are, from the view "customer".  It calls the key what the view "entries" does.
CREATE OR REPLACE VIEW @schema@.members AS
SELECT s.customer AS @key@,
       _loyalty.tier_for(@settings@::regclass, (SELECT p.terms FROM @schema@.program p), s.spend, s.orders, s.points_earned,
                        s.joined_at, s.first_order_at, s.last_order_at, now()) AS tier,
       s.points, s.spend AS lifetime_value, s.orders, s.first_order_at, s.last_order_at, s.joined_at,
       _loyalty.tenure(s.joined_at, now(), (SELECT p.time_zone FROM @schema@.program p)) AS tenure,
       round(s.spend / nullif(s.orders, 0), 2) AS average_order
  FROM (SELECT c.customer, c.joined_at,
               coalesce(a.points, 0) + coalesce(u.points_earned - coalesce(a.points_earned, 0), 0) AS points,
               coalesce(u.points_earned, a.points_earned, 0) AS points_earned,
               coalesce(u.spend, a.spend, 0) AS spend,
               coalesce(u.orders, a.orders, 0) AS orders,
               CASE WHEN u.customer IS NULL THEN a.first_order_at ELSE u.first_order_at END AS first_order_at,
               CASE WHEN u.customer IS NULL THEN a.last_order_at ELSE u.last_order_at END AS last_order_at
          FROM @schema@.customer c
          LEFT JOIN @schema@.account a ON a.customer @eq@ c.customer
          LEFT JOIN (SELECT DISTINCT ON (customer) customer, points_earned, spend, orders, first_order_at, last_order_at
                       FROM @schema@.unposted ORDER BY customer, entry DESC) u ON u.customer @eq@ c.customer) s;
COMMENT ON VIEW @schema@.members IS 'one row per customer: tier, points, lifetime value and purchase history at this moment';
