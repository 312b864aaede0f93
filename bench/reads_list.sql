-- pgbench: a page of a list of orders
SELECT o.order_id, p.points
  FROM (SELECT * FROM shop.orders ORDER BY order_id DESC LIMIT 50) o
  LEFT JOIN club.order_points p ON p.customer_id = o.customer_id AND p.tracked_table = 1 AND p.order_key = o.order_id::text;
