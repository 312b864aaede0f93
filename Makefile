# loyalty: points, tiers and lifetime value inside PostgreSQL
EXTENSION = loyalty
MODULE_big = loyalty
OBJS = src/account/accrual.o src/act/verify.o src/base/layout.o src/base/number.o src/base/owner.o \
	src/base/protect.o src/base/snapshot.o src/base/tenure.o src/base/watch.o \
	src/config/configuration.o src/config/key.o src/config/module.o src/config/program.o \
	src/config/terms.o src/expression/compile.o src/expression/definition.o src/expression/hint.o \
	src/expression/parse.o src/expression/refuse.o src/expression/trust.o src/post/post.o \
	src/record/batch.o src/record/brought.o src/record/current.o src/record/joined.o \
	src/record/moment.o src/record/order.o src/record/reconcile.o src/record/record.o \
	src/record/recorder.o src/record/restore.o src/store/append_only.o src/store/entries.o \
	src/store/journal.o src/store/writer.o

# The install script is assembled from parts that sit beside their topic; the
# order is the order of creation.
SQL_PARTS = install/head.sql install/ddl.sql install/tier.sql install/configuration.sql \
	install/views.sql install/comments.sql install/program.sql install/source.sql install/alter.sql install/post.sql \
	install/verify.sql install/access.sql install/tail.sql
DATA_built = install/loyalty--1.0.sql

REGRESS = program track trigger points types keys invalid mistakes verify security rights hostile lines currency partition ddl store failing breaking standing moment pinned moments customer_keys settings
ISOLATION = record_rc record_rr record_ser post lines_rc lines_rr lines_ser reindex loading joined moved
TAP_TESTS = 1
REGRESS_OPTS = --inputdir=. --load-extension=loyalty
ISOLATION_OPTS = --inputdir=. --load-extension=loyalty
EXTRA_CLEAN = install/loyalty--1.0.sql tmp_check output_iso

# tests written from what is promised rather than from the code
REGRESS += names parsing order_keys lines_refunds session_settings index_use replay replay_terms clashes corrections
ISOLATION += rules

PG_CPPFLAGS = $(patsubst %/,-I%,$(wildcard $(srcdir)/src/*/))
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)

# Debian's packages of 13 have no isolation tester.
ALL_ISOLATION := $(ISOLATION)
ifeq ($(wildcard $(dir $(PGXS))../test/isolation/pg_isolation_regress),)
undefine ISOLATION
endif

include $(PGXS)

# PGXS need not track headers; ours are few.
$(OBJS): $(wildcard $(srcdir)/src/*/*.h)

install/loyalty--1.0.sql: $(SQL_PARTS)
	cat $^ > $@

print-%: ; @echo $($*)
.PHONY: demo
