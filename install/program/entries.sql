-- kind: view
-- read: SELECT
-- An order counts from its time on, which is what its latest entry says: what was
-- said before was wrong.  What changes it later is effective when it is recorded,
-- but not before the order itself.
CREATE OR REPLACE VIEW @schema@.entries AS
SELECT customer AS @key@, entry, coalesce(kind, CASE WHEN event IS NULL THEN 'order' ELSE 'event' END) AS kind, tracked_table, order_key, revision,
       -- one that came from another customer or key counts there until it moved
       CASE WHEN tracked_table <= 0 THEN at WHEN revision = 1 AND NOT moved THEN ordered_at
            ELSE greatest(recorded_at, ordered_at) END AS effective_at, recorded_at,
       tier, multiplier, orders_change, amount_change, points_change AS points,
       sum(points_change) OVER (PARTITION BY customer ORDER BY entry, at, order_key) AS balance, posted,
       CASE WHEN tracked_table <= 0 THEN at ELSE ordered_at END AS ordered_at, counts, terms, awards, currency, rate, reverses, reason, actor, until, lots, counterpart, available_at, recorded_for, forgiven, pays_for, pays_table, came_from, event
  FROM (SELECT e.*, first_value(at) OVER (PARTITION BY customer, recorded_for, tracked_table, order_key ORDER BY revision DESC) AS ordered_at
          FROM (SELECT customer, entry, tracked_table, order_key, revision, moved, at, recorded_at, tier, multiplier,
                       orders_change, amount_change, points_change, true AS posted, counts, terms, awards, currency, rate,
                       kind, reverses, reason, actor, until, lots, counterpart, available_at, customer AS recorded_for, forgiven, pays_for, pays_table, came_from, event FROM @schema@.ledger WHERE account IS NULL
                UNION ALL
                -- what was recorded for who is merged into the customer
                SELECT a.customer, l.entry, l.tracked_table, l.order_key, l.revision, l.moved, l.at, l.recorded_at, l.tier, l.multiplier,
                       l.orders_change, l.amount_change, l.points_change, true, l.counts, l.terms, l.awards, l.currency, l.rate,
                       l.kind, l.reverses, l.reason, l.actor, l.until, l.lots, l.counterpart, l.available_at, l.customer, l.forgiven, l.pays_for, l.pays_table, l.came_from, l.event
                  FROM @schema@.account a CROSS JOIN LATERAL unnest(a.merged) k (customer) JOIN @schema@.ledger l ON l.customer @eq@ k.customer AND l.account @eq@ a.customer
                 WHERE a.merged IS NOT NULL
                UNION ALL
                SELECT account, entry, tracked_table, order_key, revision, moved, at, recorded_at, tier, multiplier,
                       orders_change, amount_change, points_change, false, counts, terms, awards, currency, rate,
                       kind, NULL::text COLLATE "C" AS reverses, NULL::text AS reason, NULL::text AS actor, NULL::timestamptz AS until, lots, NULL AS counterpart, available_at, customer, forgiven, pays_for, pays_table, came_from, event FROM @schema@.unposted
                UNION ALL
                -- a hold that has timed out is released, whether a call has said so in the ledger or not
                SELECT h.customer, NULL::bigint AS entry, 0 AS tracked_table, h.reference AS order_key, 2 AS revision, false AS moved, h.until AS at, h.until AS recorded_at,
                       NULL::text AS tier, 1::numeric AS multiplier, 0 AS orders_change, 0::numeric AS amount_change, h.points AS points_change, false AS posted,
                       false AS counts, 0 AS terms, 0::numeric AS awards, ''::text AS currency, 1::numeric AS rate,
                       'release'::text COLLATE "C" AS kind, NULL::text COLLATE "C" AS reverses, NULL::text AS reason, NULL::text AS actor, NULL::timestamptz AS until, h.lots, NULL AS counterpart, NULL::timestamptz AS available_at, h.recorded_for, NULL::numeric AS forgiven, NULL::text COLLATE "C" AS pays_for, NULL::int AS pays_table, NULL::text COLLATE "C" AS came_from, NULL::text COLLATE "C" AS event
                  FROM @schema@.held h WHERE h.until <= now()
                UNION ALL
                -- so are points that have expired
                SELECT x.customer, NULL::bigint AS entry, -1 AS tracked_table, _loyalty.moment_key(x.expires_at) COLLATE "C" AS order_key, NULL::int AS revision, false AS moved, x.expires_at AS at, x.expires_at AS recorded_at,
                       NULL::text AS tier, 1::numeric AS multiplier, 0 AS orders_change, 0::numeric AS amount_change, -sum(x.points) AS points_change, false AS posted,
                       false AS counts, 0 AS terms, 0::numeric AS awards, ''::text AS currency, 1::numeric AS rate,
                       'expiry'::text COLLATE "C" AS kind, NULL::text COLLATE "C" AS reverses, NULL::text AS reason, NULL::text AS actor, NULL::timestamptz AS until,
                       loyalty.sum(loyalty.lots_of(-x.points, x.available_at, x.expires_at, x.wallet)) AS lots, NULL AS counterpart, NULL::timestamptz AS available_at, x.customer AS recorded_for, NULL::numeric AS forgiven, NULL::text COLLATE "C" AS pays_for, NULL::int AS pays_table, NULL::text COLLATE "C" AS came_from, NULL::text COLLATE "C" AS event
                  FROM (SELECT a.customer, l.* FROM @schema@.account a CROSS JOIN LATERAL loyalty.unnest(a.lots) l WHERE a.lots IS NOT NULL
                        UNION ALL
                        SELECT u.account, l.* FROM @schema@.unposted u CROSS JOIN LATERAL loyalty.unnest(u.lots) l WHERE u.lots IS NOT NULL
                        UNION ALL
                        SELECT h.customer, l.* FROM @schema@.held h CROSS JOIN LATERAL loyalty.unnest(h.lots) l WHERE h.lots IS NOT NULL AND h.until <= now()) x
                 WHERE x.expires_at <= now() GROUP BY x.customer, x.expires_at HAVING sum(x.points) <> 0) e) e;
COMMENT ON VIEW @schema@.entries IS 'every entry, posted or not, with the balance after it';
