# Build of the server library and the install script, by PGXS.
#
#   make -f pgxs.mk [all|install|uninstall|installcheck|clean]
#
#   PG_CONFIG=...       the PostgreSQL to build for
#   CC=clang            another compiler
#   EPS_TEST_BUILD=1    the test flavour: never install it where real data is
#   BUILD=folder        where objects go (default: build/release or build/test)
#
# Nothing is compiled beside its source: started in the source tree, this file
# calls itself in the build folder, so that flavours never mix.

EPS_VERSION = 0.1.0
PG_CONFIG ?= pg_config
EPS_TOP := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))

ifeq ($(CURDIR),$(EPS_TOP))

BUILD ?= build/$(if $(EPS_TEST_BUILD),test,release)

.PHONY: all install uninstall installcheck clean
all install uninstall installcheck clean:
	@mkdir -p $(BUILD)
	@$(MAKE) --no-print-directory -C $(BUILD) -f $(EPS_TOP)/pgxs.mk $@

else

MODULE_big = pg_epsilon
EXTENSION = extension/pg_epsilon
DATA_built = extension/pg_epsilon--$(EPS_VERSION).sql

# --- objects, room by room ---------------------------------------------------

OBJS_CORE = \
	src/core/base/base.o \
	src/core/crypto/crypto.o \
	src/core/crypto/sha256.o \
	src/core/crypto/sign.o \
	src/core/crypto/stream.o \
	src/core/noise/noise.o \
	src/core/mechanism/calibrate.o \
	src/core/mechanism/conversion.o \
	src/core/mechanism/loss.o \
	src/core/mechanism/selection.o \
	src/core/mechanism/tail.o \
	src/core/accountant/accountant.o \
	src/core/accountant/filter.o \
	src/core/accountant/ladder.o \
	src/core/ledger/bitmap.o \
	src/core/ledger/bitmap_write.o \
	src/core/ledger/checkpoint.o \
	src/core/ledger/entry.o \
	src/core/ledger/field.o \
	src/core/ledger/map.o \
	src/core/ledger/note.o \
	src/core/ledger/proof.o \
	src/core/ledger/text.o \
	src/core/ledger/tree.o

OBJS_PG = \
	src/pg/common/common.o \
	src/pg/policy/book.o \
	src/pg/policy/cache.o \
	src/pg/policy/ddl.o \
	src/pg/policy/derived.o \
	src/pg/policy/facts.o \
	src/pg/policy/key.o \
	src/pg/policy/opening.o \
	src/pg/policy/policy.o \
	src/pg/policy/relation.o \
	src/pg/policy/session.o \
	src/pg/policy/reach.o \
	src/pg/policy/sql.o \
	src/pg/policy/value.o \
	src/pg/release/accuracy.o \
	src/pg/release/canonical.o \
	src/pg/release/plan_list.o \
	src/pg/release/price.o \
	src/pg/release/sensitivity.o \
	src/pg/release/settings.o \
	src/pg/release/text.o \
	src/pg/analyze/aggregates.o \
	src/pg/analyze/calls.o \
	src/pg/analyze/coordinates.o \
	src/pg/analyze/distinct.o \
	src/pg/analyze/expr.o \
	src/pg/analyze/facts.o \
	src/pg/analyze/fanout.o \
	src/pg/analyze/free.o \
	src/pg/analyze/functions.o \
	src/pg/analyze/guarded.o \
	src/pg/analyze/interval.o \
	src/pg/analyze/joins.o \
	src/pg/analyze/level.o \
	src/pg/analyze/pattern.o \
	src/pg/analyze/source.o \
	src/pg/analyze/twins.o \
	src/pg/analyze/verdict.o \
	src/pg/budget/admit.o \
	src/pg/budget/answers.o \
	src/pg/budget/bitmap.o \
	src/pg/budget/book.o \
	src/pg/budget/commit.o \
	src/pg/budget/directory.o \
	src/pg/budget/fold.o \
	src/pg/budget/init.o \
	src/pg/budget/key.o \
	src/pg/budget/known.o \
	src/pg/budget/left_out.o \
	src/pg/budget/load.o \
	src/pg/budget/merge.o \
	src/pg/budget/owner_changes.o \
	src/pg/budget/query.o \
	src/pg/budget/quota.o \
	src/pg/budget/rekey.o \
	src/pg/budget/ring.o \
	src/pg/budget/sql_audit.o \
	src/pg/budget/sql_owner.o \
	src/pg/budget/start.o \
	src/pg/budget/verify.o \
	src/pg/budget/wait.o \
	src/pg/budget/writer.o \
	src/pg/exec/accuracy.o \
	src/pg/exec/answer.o \
	src/pg/exec/pilot.o \
	src/pg/exec/bound.o \
	src/pg/exec/candidates.o \
	src/pg/exec/collect.o \
	src/pg/exec/emit.o \
	src/pg/exec/entries.o \
	src/pg/exec/content.o \
	src/pg/exec/distinct.o \
	src/pg/exec/explain.o \
	src/pg/exec/groups.o \
	src/pg/exec/keyform.o \
	src/pg/exec/left_out.o \
	src/pg/exec/node.o \
	src/pg/exec/numeric.o \
	src/pg/exec/owner.o \
	src/pg/exec/pad.o \
	src/pg/exec/partition.o \
	src/pg/exec/repeat.o \
	src/pg/exec/run.o \
	src/pg/exec/single.o \
	src/pg/exec/stored.o \
	src/pg/exec/values.o \
	src/pg/rewrite/above.o \
	src/pg/rewrite/blank.o \
	src/pg/rewrite/fingerprint.o \
	src/pg/rewrite/path.o \
	src/pg/rewrite/placeholder.o \
	src/pg/rewrite/postprocess.o \
	src/pg/rewrite/preview.o \
	src/pg/rewrite/rights.o \
	src/pg/rewrite/statement.o \
	src/pg/rewrite/transform.o \
	src/pg/guard/doors.o \
	src/pg/guard/guard.o \
	src/pg/guard/session.o \
	src/pg/guard/stack.o \
	src/pg/guard/expression.o \
	src/pg/module/module.o

OBJS = $(OBJS_CORE) $(OBJS_PG) $(if $(EPS_TEST_BUILD),$(OBJS_TEST))

# Only in the test flavour
OBJS_TEST = \
	src/pg/budget/test_points.o \
	src/pg/exec/test_tape.o

# The program for auditors, witnesses and owners; it shares the core's objects
OBJS_CLI = \
	src/cli/answers.o \
	src/cli/audit.o \
	src/cli/boots.o \
	src/cli/bundle.o \
	src/cli/bytes.o \
	src/cli/check.o \
	src/cli/epochs.o \
	src/cli/export.o \
	src/cli/files.o \
	src/cli/fold.o \
	src/cli/fsck.o \
	src/cli/keys.o \
	src/cli/ladder.o \
	src/cli/main.o \
	src/cli/openings.o \
	src/cli/policy.o \
	src/cli/program.o \
	src/cli/prove.o \
	src/cli/report.o \
	src/cli/report_chart.o \
	src/cli/report_html.o \
	src/cli/report_sections.o \
	src/cli/report_words.o \
	src/cli/show.o \
	src/cli/statement.o \
	src/cli/text.o \
	src/cli/tiles.o \
	src/cli/tree.o \
	src/cli/util.o \
	src/cli/verify.o \
	src/cli/witness.o

# --- flags -------------------------------------------------------------------

# PostgreSQL 15 leaves PGDLLEXPORT empty, which -fvisibility=hidden needs.
PG_CPPFLAGS = -I$(EPS_TOP)/src \
	-isystem $(shell $(PG_CONFIG) --includedir-server) \
	-isystem $(shell $(PG_CONFIG) --includedir) \
	-D'PGDLLEXPORT=__attribute__((visibility("default")))' \
	-DEPS_VERSION='"$(EPS_VERSION)"'
ifdef EPS_TEST_BUILD
PG_CPPFLAGS += -DEPS_TEST_BUILD
endif

# -ffp-contract=off: contraction would change what calibration computes from one
# machine to the next.
PG_CFLAGS = -std=gnu11 -Wall -Wextra -Werror \
	-Wno-declaration-after-statement -Wno-unused-parameter \
	-fvisibility=hidden -ffp-contract=off \
	-ffile-prefix-map=$(EPS_TOP)=.
ifneq (,$(findstring clang,$(CC)))
# PostgreSQL's own flags were chosen for gcc.
PG_CFLAGS += -Wno-unknown-warning-option -Wno-ignored-optimization-argument
endif

EPS_CORE_LIBS = -lsodium -lcrypto -lgsl -lgslcblas -lm
SHLIB_LINK = $(EPS_CORE_LIBS)

# --- PGXS --------------------------------------------------------------------

NO_INSTALLCHECK = 1

# Bitcode would be compiled without PG_CFLAGS and inlined by JIT.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# --- rules -------------------------------------------------------------------

# V=1 shows the whole command lines.
EPS_QUIET = $(if $(V),,@)

# -MMD -MP: a changed header rebuilds what includes it.
$(OBJS) $(OBJS_CLI): %.o: $(EPS_TOP)/%.c $(EPS_TOP)/pgxs.mk
	@mkdir -p $(@D)
	@echo "  CC      $*.c"
	$(EPS_QUIET)$(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

-include $(OBJS:.o=.d) $(OBJS_CLI:.o=.d)

EPS_PROGRAM = bin/pg_epsilon
EPS_MAN = $(EPS_TOP)/docs/man/pg_epsilon.1

$(EPS_PROGRAM): $(OBJS_CLI) $(OBJS_CORE) $(EPS_TOP)/pgxs.mk
	@mkdir -p $(@D)
	@echo "  LD      $@"
	$(EPS_QUIET)$(CC) $(CFLAGS) -o $@ $(OBJS_CLI) $(OBJS_CORE) -L$(libdir) -lpq -ljansson $(EPS_CORE_LIBS)

all: $(EPS_PROGRAM)

install: install-program
.PHONY: install-program uninstall-program
install-program: $(EPS_PROGRAM)
	$(MKDIR_P) '$(DESTDIR)$(bindir)' '$(DESTDIR)$(mandir)/man1'
	$(INSTALL_PROGRAM) $(EPS_PROGRAM) '$(DESTDIR)$(bindir)/pg_epsilon'
	$(INSTALL_DATA) $(EPS_MAN) '$(DESTDIR)$(mandir)/man1/pg_epsilon.1'

uninstall: uninstall-program
uninstall-program:
	rm -f '$(DESTDIR)$(bindir)/pg_epsilon' '$(DESTDIR)$(mandir)/man1/pg_epsilon.1'

# A list that has changed must link again, though no object is newer.
$(shlib): $(EPS_TOP)/pgxs.mk

EPS_PARTS := $(sort $(wildcard $(EPS_TOP)/extension/parts/*.sql))

$(DATA_built): $(EPS_PARTS) $(EPS_TOP)/extension/parts
	@mkdir -p $(@D)
	cat $(EPS_PARTS) > $@

EXTRA_CLEAN = $(OBJS:.o=.d) $(OBJS_CLI) $(OBJS_CLI:.o=.d) $(EPS_PROGRAM)

# The tests of sql/ against the running server that PGHOST, PGPORT and PGUSER
# name, each in a database of its own (pg_regress drops and creates it).  Those
# that need the test flavour are left to `make check`.
EPS_REGRESS := $(filter-out %_exact,$(basename $(notdir $(wildcard $(EPS_TOP)/sql/*.sql))))

.PHONY: installcheck $(EPS_REGRESS:%=installcheck-%)
installcheck: $(EPS_REGRESS:%=installcheck-%)

$(EPS_REGRESS:%=installcheck-%): installcheck-%:
	@mkdir -p regress-$*
	$(pg_regress_installcheck) --outputdir=regress-$* --dbname=eps_$* $*

endif
