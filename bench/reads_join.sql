-- pgbench: members by a column of the customer table that has no index
\set day random(0, 3652)
SELECT sum(m.points) FROM shop.customers c JOIN club.members m USING (customer_id)
 WHERE c.created_at = timestamptz '2012-01-01' + :day * interval '1 day';
