# loyalty: points, tiers and lifetime value inside PostgreSQL
EXTENSION = loyalty
MODULE_big = loyalty
OBJS = $(patsubst $(srcdir)/%.c,%.o,$(sort $(wildcard $(srcdir)/src/*/*.c)))

# The install script is assembled from parts that sit beside their topic; the
# order is the order of creation.
SQL_PARTS = install/head.sql install/ddl.sql install/lots.sql install/history.sql install/tier.sql install/as_of.sql install/campaign.sql install/configuration.sql \
	install/stacking.sql install/views.sql install/discount.sql install/member_row.sql install/member_rules.sql install/metric.sql install/parts.sql install/rating.sql install/customer_card.sql install/ranking.sql install/budget.sql install/wallet.sql install/comments.sql install/template.sql install/loyalty--templates.sql install/program.sql install/lock.sql install/track.sql install/keep.sql \
	install/alter.sql install/post.sql install/call.sql install/calling.sql install/try.sql install/card.sql install/erase.sql install/dates.sql install/maintain.sql install/accounting.sql install/conversion.sql install/voucher.sql install/reward.sql install/benefit.sql install/tier_history.sql install/write_back.sql install/failing.sql install/explain.sql install/simulate.sql \
	install/verify_orders.sql install/verify_rules.sql install/verify_limits.sql install/verify_campaigns.sql install/verify_entries.sql install/verify_histories.sql install/verify_calls.sql install/verify_merges.sql install/verify_lots.sql install/verify_wallets.sql install/verify_refunds.sql install/verify_cards.sql install/verify_rewards.sql install/verify_dates.sql install/verify.sql install/access.sql install/upgrade.sql install/tail.sql

# What a program is made of, in the order of creation.
TEMPLATES = $(patsubst %,install/program/%.sql,tracked_table archived kept exchange_rate budget campaign earning_rule tier metric rating rating_step wallet \
	terms terms_rule terms_tier terms_metric terms_wallet posted_terms purchase facts rule_facts journal ledger account merged held set_aside member_card \
	conversion reward reward_price benefit write_back reward_stock reward_redemption voucher_batch voucher voucher_entry date_rule date_grant program \
	unposted entries recorded_orders order_points member_facts members former_members histories lots wallet_balances unmatched_payments movements points_flow holdings liability liability_by_expiry breakage balance balances tier_at member_at lots_at liability_at redeem grant_points adjust reverse hold capture release transfer merge \
	try card by_card try_by_card quote redeem_reward rewards_for issue_voucher issue_vouchers voucher_status redeem_voucher void_voucher voucher_campaigns campaigns erase explain explain_tier explain_rating price_for customer_card ranking tier_history simulate_order rules_at dates_due)
# What brings programs of older layouts to each one since.
UPGRADES = $(patsubst $(srcdir)/%,%,$(wildcard $(srcdir)/install/program/upgrade/*.sql))

# The version is that of the control file, and nowhere else in what is built.
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'$$/\1/p" $(dir $(firstword $(MAKEFILE_LIST)))loyalty.control)
EXTENSION_SQL = install/$(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(EXTENSION_SQL)

REGRESS = program track lacking parallel trigger points types keys invalid mistakes hints verify security rights hostile lines currency partition ddl store failing breaking standing moment pinned moments customer_keys settings definitions
ISOLATION = record_rc record_rr record_ser post lines_rc lines_rr lines_ser reindex loading joined moved
TAP_TESTS = 1
REGRESS_OPTS = --inputdir=. --load-extension=loyalty
ISOLATION_OPTS = --inputdir=. --load-extension=loyalty
EXTRA_CLEAN = install/loyalty--*.sql tmp_check output_iso

# tests written from what is promised rather than from the code
REGRESS += names parsing order_keys lines_refunds session_settings index_use replay replay_terms clashes corrections corrected
REGRESS += jit metrics ratings explain_tier customer_card ranking write_back tier_history tier_examples earning_examples rerate stacking explain member_rules member_row discount limits budgets campaigns simulate events event_amounts dates budget_rounding rule_values
REGRESS += upgrade reads calls holds try cards
REGRESS += rewards vouchers quote variants
REGRESS += lots refunds refunds2 rekeyed rekeyed2 returned
REGRESS += history histories wallets wallets2 transfers available as_of accounting flows
REGRESS += erase erase_merged equal_keys given merge2 wallets3 rule_wallets
REGRESS += api archive kept probe nested lost reassigned paused altered dropped verified merge
ISOLATION += written refunding refunding_merged rules first_order migration locks calling passing trying issuing redeeming rewritten merging erasing erasing_merged changing limited budgeted old_snapshot customer_moves dating

PG_CPPFLAGS = $(patsubst %/,-I%,$(wildcard $(srcdir)/src/*/))
# The layout of programs is said in one place, too, and the library knows it.
LAYOUT := $(shell sed -n '/^CREATE FUNCTION _loyalty.layout()/,/^COMMENT/s/^\tSELECT \([0-9]*\)$$/\1/p' $(dir $(firstword $(MAKEFILE_LIST)))install/upgrade.sql)
PG_CPPFLAGS += -DLOYALTY_LAYOUT=$(LAYOUT)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers

# Functions of ours are ours, whatever other libraries of the process call theirs: libedit, which comes with
# PostgreSQL's compiler of queries, has a history_init, too.  Bitcode would look for them by name again.
SHLIB_LINK += $(if $(filter linux freebsd netbsd openbsd,$(PORTNAME)),-Wl$(comma)-Bsymbolic)
comma := ,
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# Debian's packages of 13 have no isolation tester.
ALL_ISOLATION := $(ISOLATION)
ifeq ($(wildcard $(dir $(PGXS))../test/isolation/pg_isolation_regress),)
undefine ISOLATION
endif

include $(PGXS)

src/config/version.o src/config/version.bc: install/upgrade.sql

# PGXS need not track headers; ours are few.
$(OBJS): $(wildcard $(srcdir)/src/*/*.h)

install/loyalty--templates.sql: $(TEMPLATES) $(UPGRADES) tools/templates
	$(srcdir)/tools/templates $(filter %.sql,$^) > $@ || { rm -f $@; exit 1; }

$(EXTENSION_SQL): $(SQL_PARTS) loyalty.control
	cat $(filter %.sql,$^) > $@

# The C code as PostgreSQL formats its own.
format: ; @$(srcdir)/tools/format

print-%: ; @echo $($*)
.PHONY: demo format
