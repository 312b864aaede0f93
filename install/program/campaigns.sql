-- kind: view
-- read: SELECT
-- The newest entry of each order under terms that have the campaign, where one of its rules gave something: what the order is worth, less what
-- it would be worth without these rules.
CREATE OR REPLACE VIEW @schema@.campaigns AS
SELECT coalesce(c.name, r.campaign) AS campaign, c.starts, c.ends,
       coalesce(r.members, 0) AS members, coalesce(r.orders, 0) AS orders, coalesce(r.events, 0) AS events,
       coalesce(r.revenue, 0)::numeric(38, @amount_scale@) AS revenue,
       coalesce(r.points, 0)::numeric(38, @points_scale@) AS points,
       c.budget, (CASE WHEN b.points > b.given THEN trunc(b.points - b.given, @points_scale@) WHEN b.points IS NOT NULL THEN 0 END)::numeric(38, @points_scale@) AS budget_left,
       (CASE WHEN c.cost_per_point IS NOT NULL THEN coalesce(r.points, 0) * c.cost_per_point
             ELSE coalesce(r.points, 0) * v.amount / nullif(v.points, 0) END)::numeric(38, @amount_scale@) AS cost
  FROM @schema@.campaign c
  FULL JOIN (SELECT d.campaign, count(DISTINCT d.account) AS members, count(*) FILTER (WHERE d.event IS NULL) AS orders,
                    count(*) FILTER (WHERE d.event IS NOT NULL) AS events, sum(d.amount) FILTER (WHERE d.event IS NULL) AS revenue, sum(d.points) AS points
               FROM (SELECT k.campaign, e.event, e.amount,
                            coalesce((SELECT m.survivor FROM @schema@.merged m WHERE m.customer @eq@ e.customer), e.customer) AS account,
                            _loyalty.points_by_rules(@settings@::regclass, e.terms, k.awards, e.parts, e.held_rules, e.multiplier, e.rooms, e.apart, e.allotted,
                                                     (SELECT p.reader FROM @schema@.program p)) AS points
                       FROM (SELECT t.version, t.campaign, array_agg(t.award ORDER BY t.award) AS awards
                               FROM @schema@.terms_rule t WHERE t.gate IS NOT NULL GROUP BY t.version, t.campaign) k
                       JOIN (SELECT customer, tracked_table, order_key, revision, terms, counts, amount, event, parts, held_rules, multiplier, rooms, apart, allotted FROM @schema@.ledger
                             UNION ALL
                             SELECT customer, tracked_table, order_key, revision, terms, counts, amount, event, parts, held_rules, multiplier, rooms, apart, allotted FROM @schema@.unposted) e
                         ON e.terms = k.version
                      WHERE e.tracked_table > 0 AND e.counts AND EXISTS (SELECT FROM unnest(k.awards) a (award) WHERE e.parts[a.award] IS NOT NULL)
                        AND NOT EXISTS (SELECT FROM @schema@.ledger n
                                         WHERE n.customer @eq@ e.customer AND n.tracked_table = e.tracked_table AND n.order_key = e.order_key AND n.revision > e.revision)
                        AND NOT EXISTS (SELECT FROM @schema@.journal n
                                         WHERE n.customer @eq@ e.customer AND n.tracked_table = e.tracked_table AND n.order_key = e.order_key AND n.revision > e.revision)) d
              WHERE d.points <> 0
              GROUP BY d.campaign) r ON r.campaign = c.name
  LEFT JOIN @schema@.budget b ON b.name = c.budget COLLATE "C"
  LEFT JOIN @schema@.conversion v ON true;
COMMENT ON VIEW @schema@.campaigns IS 'what came of each campaign: who and what has points by it now, posted or not, and what they cost';
COMMENT ON COLUMN @schema@.campaigns.campaign IS 'its name; of one that was deleted, as long as orders have points by it';
COMMENT ON COLUMN @schema@.campaigns.members IS 'how many customers have points by it; those who were merged are one';
COMMENT ON COLUMN @schema@.campaigns.orders IS 'how many orders have points by it';
COMMENT ON COLUMN @schema@.campaigns.events IS 'how many events have points by it';
COMMENT ON COLUMN @schema@.campaigns.revenue IS 'what these orders are worth, less what was refunded';
COMMENT ON COLUMN @schema@.campaigns.points IS 'how many points more these orders and events have than without its rules, after refunds';
COMMENT ON COLUMN @schema@.campaigns.budget_left IS 'how many points are left in its budget; null: it has none';
COMMENT ON COLUMN @schema@.campaigns.cost IS 'what the points cost, in the currency of the program; null: it is not said what a point is worth';
