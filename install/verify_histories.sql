-- verify(): histories of orders and events ----------------------------------------------
--
-- An order that counts is in the history of its customer once, on the day of its time, and so is an event in that of its kind.
-- So days, and what they come to, are made of the newest entries in plain SQL, of those that are posted for the account, and of
-- all for the view.  Nothing of the type is used for that but its days as rows.

-- The newest entries of orders that count, each with its day: of those that are posted, and of all.
CREATE FUNCTION _loyalty.order_days_sql(program name, unposted boolean, repeated boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		WITH entry AS MATERIALIZED (
			SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.terms, l.at, l.counts, l.amount, l.event, true AS posted FROM %1$I.ledger l WHERE l.tracked_table > 0
			%3$s),
		order_day AS (
			SELECT coalesce(m.survivor, e.customer) AS customer, e.event, (e.at AT TIME ZONE t.time_zone)::date AS day, CASE WHEN scale(e.amount) > 12 THEN round(e.amount, 12) ELSE e.amount END AS amount, %5$s AS is_posted, %6$s AS is_newest
			  FROM entry e
			  JOIN %1$I.terms t ON t.version = e.terms
			  LEFT JOIN %1$I.merged m ON m.customer %2$s e.customer
			  %4$s
			 WHERE e.counts AND e.at >= '4714-11-25 00:00:00+00 BC' AND e.at < '294276-12-31 00:00:00+00') $sql$,
		program, _loyalty.customer_equality(program),
		CASE WHEN unposted THEN format('UNION ALL SELECT u.customer, u.tracked_table, u.order_key, u.revision, u.terms, u.at, u.counts, u.amount, u.event, false FROM %I.unposted u WHERE u.tracked_table > 0', program) END,
		CASE WHEN repeated THEN format('LEFT JOIN (SELECT x.customer, x.tracked_table, x.order_key, max(x.revision) AS newest, max(x.revision) FILTER (WHERE x.posted) AS newest_posted FROM entry x WHERE x.revision > 1 GROUP BY 1, 2, 3) n
			    ON n.customer %s e.customer AND n.tracked_table = e.tracked_table AND n.order_key = e.order_key', _loyalty.customer_equality(program)) END,
		CASE WHEN repeated THEN 'e.posted AND e.revision >= coalesce(n.newest_posted, 1)' ELSE 'e.posted' END,
		CASE WHEN repeated THEN 'e.revision >= coalesce(n.newest, 1)' ELSE 'true' END)
$$;
COMMENT ON FUNCTION _loyalty.order_days_sql(name, boolean, boolean) IS 'the orders and events that count with their days, as SQL for verify()';

-- "unposted": are there entries in the journal that can be read; "repeated": do orders come more than once; "shown": can the
-- view be read.  Whose account has nothing in the journal must be shown what the account has.
CREATE FUNCTION _loyalty.verify_histories(program name, unposted boolean, repeated boolean, shown boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		%1$s,
		account_history AS (
			SELECT a.customer, NULL::text AS event, a.purchases AS history FROM %2$I.account a WHERE a.purchases IS NOT NULL
			UNION ALL
			SELECT a.customer, e.event, e.history FROM %2$I.account a CROSS JOIN LATERAL unnest(a.events) e),
		%3$s
		said AS (
			SELECT a.customer, a.event, h.day, h.times, h.amount, 'history of the account is not that of its orders' AS violation, false AS is_right
			  FROM account_history a CROSS JOIN LATERAL loyalty.unnest(a.history) h
			UNION ALL
			SELECT d.customer, d.event, d.day, count(*), sum(d.amount), 'history of the account is not that of its orders', true FROM order_day d WHERE d.is_posted GROUP BY d.customer, d.event, d.day
			%4$s),
		wrong AS (
			SELECT s.customer, s.event, s.day, s.violation, sum(s.times) FILTER (WHERE NOT s.is_right) AS times, sum(s.amount) FILTER (WHERE NOT s.is_right) AS amount,
			       sum(s.times) FILTER (WHERE s.is_right) AS right_times, sum(s.amount) FILTER (WHERE s.is_right) AS right_amount
			  FROM said s GROUP BY s.customer, s.event, s.day, s.violation
			HAVING sum(CASE WHEN s.is_right THEN s.times ELSE -s.times END) <> 0 OR sum(CASE WHEN s.is_right THEN s.amount ELSE -s.amount END) <> 0)
		SELECT w.violation, w.customer::text, NULL::text,
		       format('%%s on %%s: %%s times %%s, should be %%s times %%s', coalesce('event ' || quote_ident(w.event), 'orders'), w.day,
		              coalesce(w.times, 0), coalesce(trim_scale(w.amount), 0), coalesce(w.right_times, 0), coalesce(trim_scale(w.right_amount), 0))
		  FROM (SELECT DISTINCT ON (w.customer, w.event, w.violation) w.* FROM wrong w ORDER BY w.customer, w.event, w.violation, w.day) w
		UNION ALL
		SELECT 'histories of the account are not in their form', a.customer::text, NULL, 'an empty one must be null, and kinds of events are in their order, each once'
		  FROM %2$I.account a
		 WHERE loyalty.days(a.purchases) = 0 OR a.events = '{}'
		    OR (a.events IS NOT NULL
		        AND EXISTS (SELECT FROM (SELECT e.history, e.event, lag(e.event) OVER (ORDER BY e.n) AS before FROM unnest(a.events) WITH ORDINALITY e (event, history, n)) e
		                     WHERE e.event IS NULL OR e.history IS NULL OR loyalty.days(e.history) = 0 OR e.event <= e.before))
		%5$s $sql$,
		_loyalty.order_days_sql(program, unposted, repeated), program,
		CASE WHEN shown THEN format('shown AS MATERIALIZED (SELECT v.%2$I AS customer, v.event, v.history FROM %1$I.histories v), changed AS MATERIALIZED (%3$s),', program,
			(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.histories', program)::regclass AND a.attnum = 1),
			CASE WHEN unposted THEN format('SELECT DISTINCT u.account AS customer FROM %I.unposted u', program) ELSE format('SELECT a.customer FROM %I.account a WHERE false', program) END) END,
		CASE WHEN shown AND unposted THEN format('UNION ALL
			SELECT s.customer, s.event, h.day, h.times, h.amount, ''history that is shown is not that of all orders'', false FROM shown s JOIN changed c ON c.customer %1$s s.customer CROSS JOIN LATERAL loyalty.unnest(s.history) h
			UNION ALL
			SELECT d.customer, d.event, d.day, count(*), sum(d.amount), ''history that is shown is not that of all orders'', true FROM order_day d JOIN changed c ON c.customer %1$s d.customer
			 WHERE d.is_newest GROUP BY d.customer, d.event, d.day', _loyalty.customer_equality(program)) END,
		CASE WHEN shown THEN format('UNION ALL
			SELECT ''history that is shown is not that of the account'', coalesce(s.customer, a.customer)::text, NULL, format(''%%s: %%s, should be %%s'', coalesce(''event '' || quote_ident(coalesce(s.event, a.event)), ''orders''),
			       left(s.history::text, 100), left(a.history::text, 100))
			  FROM shown s FULL JOIN account_history a ON a.customer %1$s s.customer AND coalesce(a.event, '''') = coalesce(s.event, '''')
			 WHERE (s.history OPERATOR(loyalty.=) a.history) IS NOT TRUE AND NOT EXISTS (SELECT FROM changed c WHERE c.customer %1$s coalesce(s.customer, a.customer))', _loyalty.customer_equality(program)) END);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_histories(name, boolean, boolean, boolean) IS
'histories of orders and events, in accounts and as they are shown, that are not those of the orders and events that count';
