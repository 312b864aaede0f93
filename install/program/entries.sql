-- kind: view
-- read: SELECT
-- An order counts from its time on, which is what its latest entry says: what was
-- said before was wrong.  What changes it later is effective when it is recorded,
-- but not before the order itself.
CREATE OR REPLACE VIEW @schema@.entries AS
SELECT customer AS @key@, entry, coalesce(kind, 'order') AS kind, tracked_table, order_key, revision,
       -- one that came from another customer or key counts there until it moved
       CASE WHEN revision = 1 AND NOT moved THEN ordered_at
            ELSE greatest(recorded_at, ordered_at) END AS effective_at, recorded_at,
       tier, multiplier, orders_change, amount_change, points_change AS points,
       sum(points_change) OVER (PARTITION BY customer ORDER BY entry) AS balance, posted,
       ordered_at, counts, terms, awards, currency, rate, reverses, reason, actor
  FROM (SELECT e.*, first_value(at) OVER (PARTITION BY customer, tracked_table, order_key ORDER BY revision DESC) AS ordered_at
          FROM (SELECT customer, entry, tracked_table, order_key, revision, moved, at, recorded_at, tier, multiplier,
                       orders_change, amount_change, points_change, true AS posted, counts, terms, awards, currency, rate,
                       kind, reverses, reason, actor FROM @schema@.ledger
                UNION ALL
                SELECT customer, entry, tracked_table, order_key, revision, moved, at, recorded_at, tier, multiplier,
                       orders_change, amount_change, points_change, false, counts, terms, awards, currency, rate,
                       NULL::text COLLATE "C" AS kind, NULL::text COLLATE "C" AS reverses, NULL::text AS reason, NULL::text AS actor FROM @schema@.unposted) e) e;
COMMENT ON VIEW @schema@.entries IS 'every entry, posted or not, with the balance after it';
