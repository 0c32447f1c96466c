# Dispatcher.  It must not include PGXS, which defines `check` as a target that
# does nothing and succeeds: building is pgxs.mk's, testing is scripts/check's.

.DEFAULT_GOAL := all

.PHONY: all install uninstall installcheck
all install uninstall installcheck:
	@$(MAKE) --no-print-directory -f pgxs.mk $@

# A private cluster with real data, an analyst's session on it; it keeps running.
.PHONY: demo demo-stop
demo:
	@scripts/demo
demo-stop:
	@scripts/demo stop

# All tests.  check-policy, check-release, check-core, ...: one group of them.
.PHONY: check
check:
	@scripts/check
check-%:
	@scripts/check $*

# Long runs by hand: more rounds, larger samples; and speed beside plain SQL.
.PHONY: audit mutants bench
audit:
	@scripts/audit
# Seeded bugs, each of which a test must find.
mutants:
	@scripts/mutants
bench:
	@bench/run

# The packages that demo and check need, from the distribution.
.PHONY: deps
deps:
	@scripts/deps check

.PHONY: clean
clean:
	@scripts/clean
