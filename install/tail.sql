-- Privileges ------------------------------------------------------------------------

-- Nobody may call anything but for what is granted here, whatever the default
-- privileges of the database are: to everybody what changes nothing, and looks
-- itself at who asks.  All else is for those to whom the DBA grants it.
REVOKE ALL ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM PUBLIC;

-- readers: the views of programs call these
GRANT EXECUTE ON ROUTINE _loyalty.tier_for TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.accrual_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.state_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.histories_of, _loyalty.add_histories, _loyalty.add_event_histories, _loyalty.sum_events, _loyalty.uses_histories, _loyalty.metric_value, _loyalty.rating_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.released(regclass, int, anyelement, uuid) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.spendable_lots TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.points_by_rules TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.balance TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.balances TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.tier_at TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.state_at TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.states_as_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.keys_as_of TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.customer_equality TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.equality_operator, _loyalty.comparison_operator TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.tenure TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.moment_key TO PUBLIC;
GRANT USAGE ON TYPE _loyalty.accrual, _loyalty.returned, _loyalty.account_state, _loyalty.event_history, _loyalty.account_histories, _loyalty.released, loyalty.receipt, loyalty.outcome, loyalty.balances, _loyalty.state_as_of, loyalty.member, loyalty.lots, loyalty.history TO PUBLIC;
GRANT USAGE ON TYPE loyalty.quote, loyalty.reward_receipt, loyalty.reward_outcome, loyalty.reward_offer, loyalty.voucher_receipt, loyalty.voucher_outcome, loyalty.voucher_state, loyalty.explanation, loyalty.tier_explanation, loyalty.rating_explanation, loyalty.customer_card, loyalty.tier_period, loyalty.timeline_entry TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.verify TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.backlog TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.deferred_revenue TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_program TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_existing TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.require_layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.library_layout TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.left_triggers TO PUBLIC;

-- whoever makes a partition, for the event trigger and its triggers
GRANT EXECUTE ON ROUTINE _loyalty.record TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.descendants TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_name TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_command TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_comment TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.trigger_arguments TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.warn_of_left_parts TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.cannot_be_kept TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.is_definition TO PUBLIC;

-- types: their functions only compute
GRANT EXECUTE ON ROUTINE _loyalty.lots_in(cstring) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_out(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_recv(internal) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_send(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.lots_of(numeric, timestamptz, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_add(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_subtract(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_negate(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_cmp(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_lt(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_le(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_eq(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_ne(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_ge(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_gt(loyalty.lots, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_hash(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_hash_extended(loyalty.lots, bigint) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.redeemable_lots(loyalty.lots, int[]) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum(internal, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum_inverse(internal, loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum_combine(internal, internal) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum_serial(internal) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum_deserial(bytea, internal) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.lots_sum_final(internal) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.sum(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.total(loyalty.lots, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.available(loyalty.lots, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.pending(loyalty.lots, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.expired(loyalty.lots, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.expiring(loyalty.lots, timestamptz, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.next_expiry(loyalty.lots, timestamptz, int) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.unnest(loyalty.lots) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.take(loyalty.lots, numeric, timestamptz, int[]) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.take_from(loyalty.lots, loyalty.lots, numeric, timestamptz, boolean, int[]) TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.expire(loyalty.lots, timestamptz) TO PUBLIC;
-- prices of points: these only compute
GRANT EXECUTE ON ROUTINE loyalty.allocate_price, loyalty.revenue_recognized, _loyalty.price_of_points_sql, _loyalty.require_between TO PUBLIC;
-- whoever works with histories: these only compute
GRANT EXECUTE ON ROUTINE _loyalty.history_in, _loyalty.history_out, _loyalty.history_recv, _loyalty.history_send TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.history_of, _loyalty.history_plus, _loyalty.history_minus, _loyalty.history_negative TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.history_eq, _loyalty.history_ne, _loyalty.history_lt, _loyalty.history_le, _loyalty.history_gt,
	_loyalty.history_ge, _loyalty.history_cmp, _loyalty.history_hash, _loyalty.history_hash_extended TO PUBLIC;
GRANT EXECUTE ON ROUTINE _loyalty.history_take, _loyalty.history_take_back, _loyalty.history_sum_take, _loyalty.history_sum_take_back,
	_loyalty.history_combine, _loyalty.history_serialize, _loyalty.history_deserialize, _loyalty.history_final TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.history(date, numeric), loyalty.sum(loyalty.history) TO PUBLIC;
GRANT EXECUTE ON ROUTINE loyalty.total(loyalty.history, timestamp, timestamp), loyalty.times(loyalty.history, timestamp, timestamp),
	loyalty.during(loyalty.history, timestamp, timestamp), loyalty.first_day(loyalty.history), loyalty.last_day(loyalty.history),
	loyalty.days(loyalty.history), loyalty.gaps(loyalty.history), loyalty.unnest(loyalty.history) TO PUBLIC;
