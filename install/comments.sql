-- Comments on what a program is made of -------------------------------------------

-- \d+ and \dd of psql, and every tool that shows comments, say what a column, a
-- constraint, an index or a trigger of a program is for.  What bears the same name
-- means the same everywhere; what has a comment of its own keeps it.
CREATE FUNCTION _loyalty.comment_program(program name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN
		WITH relation AS MATERIALIZED (
			SELECT c.oid, c.relname, c.relkind FROM pg_class c
			 WHERE c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind IN ('r', 'v', 'c')),
		-- relation is null where a column means the same in all
		said (relation, name, text) AS (VALUES
			('program', 'only_row', 'true: there is one row'),
			('program', 'customers', 'the table that has one row per customer'),
			('program', 'customer_key', 'its column that identifies a customer'),
			('program', 'joined_at', 'SQL expression over its row: since when somebody is a customer; null: not known'),
			('program', 'terms', 'version of the terms in force; written when rules, tiers or settings change'),
			(NULL, 'time_zone', 'where days, and times without zone, are counted'),
			('program', 'reader', 'by this, which they read with the rights of the owner, the views of the program prove themselves to the functions that they call'),
			('program', 'card_prefix', 'digits that the numbers of new cards begin with'),
			('program', 'card_length', 'how many digits the numbers of new cards have, the check digit included'),
			(NULL, 'points_scale', 'decimals of points'),
			(NULL, 'refunds_take', 'what a refund takes back after the points that its order gave, of the same customer: pending or available ones first'),
			(NULL, 'refund_shortfall', 'points that a refund is to take back and that are not there: owe, forgive, or reject, which fails the statement with LY007'),
			(NULL, 'returns_paid_points', 'points that an order was paid with come back: never, when it is returned in full, or in proportion to what was refunded (proportional)'),
			(NULL, 'pays_for', 'of points that were spent, and of those that come back of them: key of the order that they pay for; null: none was named'),
			(NULL, 'pays_table', 'number of the tracked table of that order'),
			(NULL, 'forgiven', 'points of the order that refunds were to take back and that were not there, so that they are forgiven: the order stands with them; null: none'),
			(NULL, 'amount_scale', 'decimals of amounts of money as the views for readers show them, which are exact in the ledger and the account'),
			(NULL, 'rounding', 'how points are rounded to them: floor, half_even, half_up or ceil, of the magnitude'),
			(NULL, 'on_invalid', 'an order that cannot be counted with: error, or skip with a line in the log'),
			('tracked_table', 'without_order', 'a refund that names no order: error, skip, or customer if it is an order of less than nothing'),
			(NULL, 'active', 'is it tracked? false after loyalty.untrack()'),
			(NULL, 'relation', 'the tracked table'),
			('archived', 'since', 'when it was archived'),
			('set_aside', 'tracked_table', 'of the first entry that could not be posted: number of the table that its order is in; null if the error is of no single entry'),
			('set_aside', 'order_key', 'of that entry: key of its order'),
			('set_aside', 'revision', 'of that entry: its revision'),
			('set_aside', 'sqlstate', 'SQLSTATE of the error'),
			('set_aside', 'error', 'why it could not be posted'),
			('set_aside', 'since', 'when that was seen first'),
			('terms', 'since', 'when this version came into force'),
			('exchange_rate', 'valid_from', 'from when on, until the next row of the currency'),
			('earning_rule', 'name', 'name of the rule'),
			('terms_rule', 'name', 'name of the rule'),
			(NULL, 'applies_when', 'SQL condition over the order row (new) and its purchase: does the rule apply?'),
			('terms_rule', 'points', 'SQL expression over the order row (new) and its purchase (customer, at, amount, rate)'),
			('terms_rule', 'multiplier', 'SQL expression, in place of points: by what the points of other rules are multiplied'),
			('terms_rule', 'per', 'order, or line: then it is evaluated for each line'),
			(NULL, 'starts', 'from when on the rule is in force, by the time of the order; null: it always was'),
			(NULL, 'ends', 'from when on it is not in force any more; null: it stays'),
			(NULL, 'minimum_order', 'the amount that an order must have at least; null: any'),
			(NULL, 'every', 'the points of the rule are counted in full steps of this size'),
			(NULL, 'gives', 'so many points for each full step'),
			(NULL, 'at_most', 'the rule gives at most so many points to an order; null: no limit'),
			('earning_rule', 'rounding', 'how the points of the rule are rounded before others are added; null: only the sum is rounded'),
			('terms_rule', 'rounding', 'how the points of the rule are rounded before others are added; null: only the sum is rounded'),
			(NULL, 'priority', 'rules of a higher priority come first'),
			(NULL, 'stacking', 'add, multiply, best_of or exclusive: how the rule goes with others'),
			(NULL, 'stacking_group', 'the group of rules that it goes with; null: none'),
			(NULL, 'for_members', 'SQL condition over what the customer had just before the order: does the rule count? null: for all'),
			(NULL, 'bonus', 'points that no multiplier of orders and no tier multiplies'),
			(NULL, 'member_limit', 'the rule gives at most so many points to a member, or points to so many orders of a member, in each limit_period; null: no limit'),
			(NULL, 'limit_unit', 'what member_limit counts: points, or times, which are orders or events that the rule gives points to'),
			(NULL, 'limit_period', 'day, week, month, quarter or year, in the time zone of the program; null: ever'),
			(NULL, 'rooms', 'what was left of the limits of rules when the order began, by their number in terms_rule; null: no rule has a member_limit'),
			(NULL, 'apart', 'what rules give whose points are rounded by themselves, since they have a member_limit or a wallet, by their number in terms_rule; null: nothing'),
			(NULL, 'budget', 'the budget out of which the rule gives points to all members; null: it has none'),
			(NULL, 'allotted', 'what rules with a budget give, by their number in terms_rule; null: no rule has one'),
			('kept', 'parts', 'what the lines add to what each rule gives, before refunds; null: nothing'),
			(NULL, 'parts', 'what each earning rule gives, by its number in terms_rule, where rules are for some members or bonuses; null: awards has what they come to'),
			(NULL, 'held_rules', 'numbers of the rules whose for_members held just before the order; null: its terms have no rules that stack when entries are folded'),
			(NULL, 'came_from', 'of the entry by which an order begins under this key or for this customer: the key that it had just before; null: it began, or goes on'),
			(NULL, 'came_revision', 'how often the order was recorded under the key that it had just before'),
			(NULL, 'came_over', 'was it another customer''s just before?'),
			(NULL, 'event', 'the kind of the event, which counts as no order; null: it is an order, or a call'),
			('terms_rule', 'event', 'the kind of events that the rule is for; null: it is for orders'),
			(NULL, 'member', 'the columns of the customer''s row that rules of its terms use, as text, as they were when the order was first recorded; null: rules use none'),
			('tier', 'name', 'name of the tier'),
			('terms_tier', 'name', 'name of the tier'),
			('terms_wallet', 'wallet', 'number of the wallet'),
			('terms_wallet', 'name', 'name of the wallet'),
			('terms_wallet', 'redeem_order', 'place of the wallet among those that points are taken from'),
			('terms_wallet', 'redeemable', 'can its points be spent?'),
			(NULL, 'available_after', 'so long after the order points wait; null: they are available at once'),
			(NULL, 'expires', 'SQL expression over earned_on, the day of the order: when the points are gone; null: never'),
			(NULL, 'extended', 'SQL expression over active_on, the day of an order that counts: until when it keeps points from expiring; null: not at all'),
			(NULL, 'rank', 'the tier of highest rank that qualifies is held'),
			(NULL, 'qualifies', 'SQL condition over spend, orders, points_earned, tenure, joined_at, first_order_at, last_order_at, today, at, purchases, kinds of events and metrics'),
			('metric', 'name', 'name of the metric, and of its column in the view "metrics"'),
			(NULL, 'purchases', 'history of the orders that count'),
			(NULL, 'events', 'histories of the events that count, one for each kind, which conditions know by the name of the kind'),
			(NULL, 'customer_row', 'the columns of the customer''s row that metrics use, which they know as member'),
			('member_facts', 'reader', 'by this the views of the program prove themselves to the functions that they call'),
			('account', 'version', 'how often it was posted to'),
			('account', 'entries', 'how many entries are posted'),
			('account', 'spend', 'amounts of the orders that count, as posted'),
			('account', 'orders', 'orders that count, as posted'),
			('account', 'last_recorded_at', 'when the newest of the posted entries was recorded'),
			(NULL, 'customer', 'key of the customer'),
			('tracked_table', 'tracked_table', 'number of the table: the first one in the names of its views, and part of the key of each entry'),
			('ledger', 'tracked_table', 'number of the table that the order is in, which the table tracked_table explains; 0: a call'),
			('entries', 'tracked_table', 'number of the table that the order is in, which the table tracked_table explains; 0: a call'),
			(NULL, 'tracked_table', 'number of the table that the order is in, which the table tracked_table explains'),
			('ledger', 'order_key', 'key of the order, as text; of a call, its reference'),
			('entries', 'order_key', 'key of the order, as text; of a call, its reference'),
			(NULL, 'order_key', 'key of the order, as text'),
			(NULL, 'revision', 'how often the order was recorded, this time included'),
			('ledger', 'at', 'when the order was made, or the transaction of the call began; of points by date, when the day did'),
			(NULL, 'at', 'when the order was made'),
			('entries', 'ordered_at', 'when the order was made, by its latest entry, or the transaction of the call began; of points by date, when the day did'),
			(NULL, 'ordered_at', 'when the order was made, by its latest entry'),
			(NULL, 'effective_at', 'from when on the entry has effect: the time of the order or call, or when a change of it was recorded, if that is later'),
			('facts', 'at', 'the moment: the time of the order that earns, now for members, or the one that was asked'),
			('facts', 'today', 'the day of the moment in the time zone of the program; null if it is infinite'),
			('rule_facts', 'today', 'the day of the order in the time zone of the program; null if its time is infinite'),
			(NULL, 'recorded_at', 'when it was recorded'),
			(NULL, 'version', 'number of this version of the terms'),
			(NULL, 'terms', 'version of the terms; an order keeps that of its first recording; a call has 0, or if it took points from several wallets, that by whose order it did'),
			('ledger', 'counts', 'does the order count, from this revision on? of a call, false'),
			('entries', 'counts', 'does the order count, from this revision on? of a call, false'),
			(NULL, 'counts', 'does the order count, from this revision on?'),
			(NULL, 'amount', 'what the order is worth, in the currency of the program; of an event, its amount, which is no money'),
			(NULL, 'awards', 'points before the multiplier of the tier and before rounding; 0 where parts has them'),
			('exchange_rate', 'currency', 'a currency other than that of the program, as the expression currency of a tracked table gives it'),
			(NULL, 'currency', 'currency of the order; empty if it is that of the program'),
			(NULL, 'rate', 'what one unit of the currency is worth in that of the program'),
			(NULL, 'counterpart', 'of a transfer or merge: the other customer'),
			('unposted', 'kind', 'return: points come back by the entry that an order was paid with; null: an order, or an event'),
			('unposted', 'account', 'whose account the entry changes: the customer''s own, or that of who the customer was merged into'),
			('entries', 'recorded_for', 'the customer for whom the entry is recorded: another one than the account''s if they were merged before'),
			(NULL, 'available_at', 'when the points of the order are available, as the order says itself; infinity: not known yet; null: as the wallet says'),
			(NULL, 'lots', 'what the entry does to dated points: those that wait or expire; null: nothing'),
			(NULL, 'pending', 'points that are not available yet'),
			(NULL, 'next_expiry', 'when the next points expire; null: none do'),
			(NULL, 'expiring', 'how many points expire then'),
			(NULL, 'entry', 'number of the entry among those of the customer'),
			('members', 'tier', 'the tier held now; null: none'),
			('former_members', 'tier', 'the tier held now; null: none, or one that takes a joining date'),
			('former_members', 'joined_at', 'null: the customer table does not say it any more'),
			('former_members', 'tenure', 'null, as the joining date is not known'),
			('order_points', 'points', 'the points that the order is worth'),
			(NULL, 'tier', 'the tier that the customer held just before the order; null: none'),
			('terms_tier', 'multiplier', 'multiplies the points of an order that is made while the tier is held'),
			(NULL, 'multiplier', 'by what the awards of the order are multiplied: the multiplier of its tier, or 1'),
			('ledger', 'order_points', 'what the order earns, from this revision on; of a call, by how much it changes the points'),
			('entries', 'kind', 'order, event, redemption, grant, adjustment, reversal, hold, capture, release, transfer, merge or merged; expiry or vesting'),
			('members', 'held', 'points of open holds, which are not among the others'),
			('former_members', 'held', 'points of open holds, which are not among the others'),
			('entries', 'until', 'of a hold: when it times out'),
			(NULL, 'reverses', 'of a reversal: the reference of what it takes back'),
			(NULL, 'reason', 'why, as the caller said'),
			(NULL, 'actor', 'the role that called; null: an order'),
			('unposted', 'order_points', 'what the order earns, from this revision on'),
			(NULL, 'orders_change', 'by how many orders the entry changes the total'),
			(NULL, 'amount_change', 'by how much the entry changes what the customer spent; of an event, 0'),
			(NULL, 'points_change', 'by how much the entry changes the points'),
			('entries', 'points', 'by how much the entry changes the points'),
			('entries', 'balance', 'points after the entry'),
			(NULL, 'posted', 'is the entry in the ledger?'),
			('journal', 'joined_at', 'since when the customer is one, as known when the order was first recorded; null if its terms have no tier that uses the tenure'),
			('ledger', 'joined_at', 'since when the customer is one, as known when the order was first recorded; null if its terms have no tier that uses the tenure'),
			('unposted', 'joined_at', 'since when the customer is one, as known when the order was first recorded; null if its terms have no tier that uses the tenure'),
			(NULL, 'joined_at', 'since when the customer is one'),
			(NULL, 'moved', 'the order came from another customer or key in one statement, and kept its terms, rate, joining date and tier'),
			(NULL, 'spend', 'amounts of the orders that count'),
			(NULL, 'lifetime_value', 'amounts of the orders that count'),
			(NULL, 'orders', 'how many orders count'),
			('account', 'points_earned', 'points that orders made, as posted'),
			(NULL, 'points_earned', 'points that all orders have made, less what refunds and changes took back'),
			(NULL, 'points', 'points at this moment'),
			(NULL, 'first_order_at', 'time of the first order that counts'),
			(NULL, 'last_order_at', 'time of the last order that counts'),
			(NULL, 'tenure', 'years, months and days since joining'),
			(NULL, 'average_order', 'lifetime value by orders'))
		SELECT DISTINCT ON (r.oid, a.attnum)
		       format('COMMENT ON COLUMN %I.%I.%I IS %L', program, r.relname, a.attname, s.text)
		  FROM relation r
		  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
		  JOIN said s ON coalesce(s.relation, r.relname) = r.relname
		             AND s.name = CASE WHEN r.relkind = 'v' AND a.attnum = 1 THEN 'customer' ELSE a.attname END
		 WHERE NOT EXISTS (SELECT FROM pg_description d WHERE d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = a.attnum)
		 ORDER BY r.oid, a.attnum, s.relation IS NULL
	LOOP
		EXECUTE command;
	END LOOP;
	FOR command IN
		SELECT format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, t.tgrelid::regclass, s.text)
		  FROM pg_trigger t
		  JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = to_regnamespace(quote_ident(program))
		  JOIN (VALUES ('append_only', 'entries are not changed or deleted, but by posting'),
		               ('restore_begin', 'nobody records while a restore inserts entries'),
		               ('restore_entry', 'an entry that is restored replaces what was recorded of its order without it'),
		               ('check_values', 'checks what is written'),
		               ('new_views', 'makes views anew when what they say was corrected'),
		               ('new_customers', 'makes the view of the customers anew when the settings say something else'),
		               ('check_change', 'refuses changes by hand of what functions write'),
		               ('new_terms', 'writes a new version of the terms when rules, tiers or settings changed'),
		               ('show_scales', 'makes the views anew that declare how many decimals points and amounts have'),
		               ('changed', 'tells every session that the configuration changed'),
		               ('owner_only', 'lets only the owner write, whatever was granted'),
		               ('keep_row', 'refuses to delete what the program is built on')) s (name, text) ON s.name = t.tgname
		 WHERE NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL
		UNION ALL
		SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, k.conrelid::regclass,
		              CASE k.contype WHEN 'p' THEN 'one row for each ' || x.columns
		                             WHEN 'u' THEN 'no two rows have the same ' || x.columns
		                             ELSE 'checks ' || coalesce(x.columns, 'the row') END)
		  FROM pg_constraint k
		  JOIN pg_class c ON c.oid = k.conrelid AND c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'r'
		 CROSS JOIN LATERAL (SELECT string_agg(a.attname, ', ' ORDER BY u.n) AS columns
		                       FROM unnest(k.conkey) WITH ORDINALITY u (attnum, n)
		                       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) x
		 WHERE k.contype IN ('p', 'u', 'c') AND obj_description(k.oid, 'pg_constraint') IS NULL
		UNION ALL
		SELECT format('COMMENT ON INDEX %s IS %L', i.indexrelid::regclass,
		              CASE WHEN i.indisprimary THEN 'rows by ' ELSE 'look-ups by ' END || x.columns)
		  FROM pg_index i
		  JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = to_regnamespace(quote_ident(program)) AND c.relkind = 'r'
		 CROSS JOIN LATERAL (SELECT string_agg(pg_get_indexdef(i.indexrelid, n, true), ', ' ORDER BY n) AS columns
		                       FROM generate_series(1, i.indnkeyatts) n) x
		 WHERE obj_description(i.indexrelid, 'pg_class') IS NULL
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.comment_program(name) IS
'say what each column, constraint, index and trigger of a program is for, where nothing is said yet';
