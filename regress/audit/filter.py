# flavour: test
"""T3: an owner whose budget is spent has no effect on anything that can be seen.

Two databases, one with an owner u and one without, are asked the same scripts, which
do not look at answers.  Coins and noise come from a tape that is the same in both
(dp_test.seed).  Wherever u is not admitted to any release of a step, every byte is the
same: rows, tags, errors, notices, EXPLAIN, dp.preview, dp.describe, dp.quota; and
always: how many releases ran, their prices, everybody else's charge and admission, the
entries of the ledger but for their charges.  u's budget goes by a limit, by spending
rho or delta, or by consent withdrawn, and then u is not admitted; steps go through
rollback, savepoint, cursor, prepared statement, exception, cancel, timeout, parallel
workers, answers given again.

All is deterministic: a failure is never a false alarm.

    EPS_AUDIT_SCRIPTS  number of scripts (default 100)
    EPS_AUDIT_SEED     seed (default 1)
    EPS_AUDIT_SCRIPT   run only this script of the seed
"""
import json
import os
import random
import sys
import time
from collections import Counter

import data
import formulas
from libpq import ServerError, Session
from queries import DISTINCT, Generator, read_functions
from separability import SOURCE, Failure, cells, check, public

SCRIPTS = int(os.environ.get("EPS_AUDIT_SCRIPTS", "100"))
SEED = int(os.environ.get("EPS_AUDIT_SEED", "1"))
ONLY = os.environ.get("EPS_AUDIT_SCRIPT")
ANALYST = "regress_audit_filter"
WITH, WITHOUT = "eps_audit_with", "eps_audit_without"
SETS = ("zi", "pu")
OWNERS = 9                      # of a script; the first one is u
SEEN = """SELECT seq - {after}, dataset_id, kind, analyst, purpose, statement, mechanism, level, delta_level
FROM dp_book.entry WHERE seq > {after} ORDER BY seq"""

# Levels that use up any delta below 2^-30, largest first: what does not fit is left out.
DELTA = [formulas.level_up(1 << k) for k in range(29, -1, -1)]
PARALLEL = ("SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
            " SET min_parallel_table_scan_size = 0")


class World:
    """One of the two databases."""

    def __init__(self, name):
        self.name = name
        admin = Session("postgres")
        admin.run(f"DROP DATABASE IF EXISTS {name}")
        admin.run(f"CREATE DATABASE {name}")
        admin.close()
        self.admin = Session(name)
        self.admin.run("SET client_min_messages = error; CREATE EXTENSION pg_epsilon; SELECT dp.harden(apply => true); CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');")
        for s in SETS:
            self.admin.run(data.schema_sql(s, ANALYST))
            self.admin.run(f"SELECT dp.add_purpose('{s}', 'study')")
            self.grant(s)
        self.admin.run(f"CREATE FUNCTION public.trace() RETURNS text LANGUAGE c AS 'pg_epsilon', 'eps_exec_sql_test_trace';"
                       f" CREATE FUNCTION public.admit(text, bigint[], int, int, int) RETURNS int LANGUAGE c AS 'pg_epsilon', 'eps_budget_sql_test_admit';"
                       f" GRANT TEMPORARY ON DATABASE {name} TO {ANALYST}")
        self.analyst = None

    def grant(self, s, little=False):
        """Without a quota, or with one that is used up."""
        most, quota = ("0.05", "0.05") if little else ("7", "NULL")
        self.admin.run(f"SELECT dp.grant_analyst('{ANALYST}', '{s}', {most}, {quota}, '{{study}}')")

    def begin(self, seed, repeats):
        if self.analyst:
            self.analyst.close()
        self.analyst = Session(self.name, ANALYST)
        self.analyst.run(f"SET dp_test.seed = '{seed}'; SET dp_test.trace = on; SET dp.purpose = 'study'; SET dp.repeats = {repeats}")
        self.after = self.admin.value("SELECT coalesce(max(seq), 0) FROM dp_book.entry")

    def step(self, statements):
        """What is seen of a step, and what its releases knew."""
        seen = []
        for sql in statements:
            self.analyst.notices.clear()
            try:
                results = [r.parts if isinstance(r, ServerError) else r for r in self.analyst.results(sql)]
            except ConnectionError as lost:
                raise Failure(f"the session ended: {seen[-1:]} {lost}") from lost
            seen.append((sql, results, list(self.analyst.notices)))
        trace = self.analyst.value("SELECT public.trace()")
        return seen, json.loads(trace) if trace else []

    def ledger(self):
        return self.admin.run(SEEN.format(after=self.after))


# --- steps: what is done with a query ---------------------------------------------------------

def exception(q):
    return [f"DO $do$ BEGIN EXECUTE $q$ {q} $q$; RAISE EXCEPTION 'undone'; EXCEPTION WHEN raise_exception THEN RAISE NOTICE 'caught'; END $do$"]


def cancelled(point):
    return lambda q: [f"SET dp_test.cancel = '{point}'", q, "RESET dp_test.cancel"]


STEPS = {
    "plain": lambda q: [q],
    "twice": lambda q: [q, q],
    "rollback": lambda q: ["BEGIN", q, "ROLLBACK"],
    "savepoint": lambda q: ["BEGIN", "SAVEPOINT s", q, "ROLLBACK TO s", q, "RELEASE s", "COMMIT"],
    "repeatable read": lambda q: ["BEGIN ISOLATION LEVEL REPEATABLE READ", q, "COMMIT"],
    "serializable": lambda q: ["BEGIN ISOLATION LEVEL SERIALIZABLE", q, "COMMIT"],
    "cursor": lambda q: ["BEGIN", f"DECLARE c SCROLL CURSOR FOR {q}", "FETCH 2 c", "FETCH ALL c", "MOVE ABSOLUTE 0 c", "FETCH ALL c", "COMMIT"],
    "unfetched cursor": lambda q: ["BEGIN", f"DECLARE c CURSOR FOR {q}", "CLOSE c", "COMMIT"],
    "held cursor": lambda q: [f"DECLARE c CURSOR WITH HOLD FOR {q}", "FETCH 1 c", "CLOSE c"],
    "prepared": lambda q: [f"PREPARE p AS {q}", "EXECUTE p", "EXECUTE p", "DEALLOCATE p"],
    "generic plan": lambda q: ["SET plan_cache_mode = force_generic_plan", f"PREPARE p AS {q}", "EXECUTE p", "DEALLOCATE p", "RESET plan_cache_mode"],
    "exception": exception,
    "error above": lambda q: [f"SELECT sqrt(-1 - abs(n::float8)) FROM (SELECT count(*) FROM ({q}) q) o(n)", f"SELECT 1 / (n - n) FROM (SELECT count(*) FROM ({q}) q) o(n)"],
    "limit 0": lambda q: [f"SELECT * FROM ({q}) q LIMIT 0", f"SELECT * FROM ({q}) q WHERE false"],
    "temporary table": lambda q: [f"CREATE TEMP TABLE kept AS SELECT count(*) AS n FROM ({q}) q", "TABLE kept", "DROP TABLE kept"],
    "EXPLAIN": lambda q: [f"EXPLAIN {q}", f"EXPLAIN (VERBOSE, FORMAT json) {q}", f"EXPLAIN ANALYZE {q}"],
    "preview": lambda q: [f"SELECT to_jsonb(p) - 'answered_at' FROM dp.preview({data.literal(q)}) p"],
    "rows": lambda q: ["SELECT * FROM zi.events", "TABLE pu.people"],
    **{f"cancel {p}": cancelled(p) for p in ("read", "charge", "noise", "emit")},
    **{f"timeout {p}": cancelled(p + ":timeout") for p in ("charge", "noise", "emit")},
}


def answer_in_where(s):
    return f"SELECT count(*) FROM {s}.people WHERE age > (SELECT count(*) FROM {s}.notes)"


# Closed by dp.harden, or the same in both worlds.
STATISTICS = ("SELECT pg_current_wal_lsn()", "SELECT pg_current_wal_insert_lsn()", "SELECT * FROM pg_stat_database", "SELECT * FROM pg_stat_wal",
              "SELECT relname, n_tup_ins FROM pg_stat_user_tables", "SELECT relname, idx_tup_fetch FROM pg_stat_xact_user_tables",
              "SELECT relname, reltuples, relpages FROM pg_class WHERE relname = 'events'", "SELECT * FROM pg_stats WHERE tablename = 'events'",
              "SELECT pg_relation_size('zi.events')", "SELECT pg_database_size(current_database())", "SELECT * FROM pg_sequences")


def facts(s):
    """What an analyst may read at any time."""
    return list(STATISTICS) + ["SELECT * FROM dp.quota()", f"SELECT * FROM dp.describe('{s}.events')",
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'dp'::regnamespace ORDER BY 1",
            "SELECT count(*) FROM dp_book.entry", f"SELECT * FROM {s}.depts ORDER BY 1"]


# --- one script -----------------------------------------------------------------------------------

class Script:
    def __init__(self, number, functions):
        self.rng = random.Random(f"filter {SEED} {number}")
        self.number, self.s = number, self.rng.choice(SETS)
        self.owners = data.Owners(self.rng, self.s, number * 20 + 1, OWNERS, False)
        self.generator = Generator(self.rng, functions, self.s, False)
        # a value of an enum is an oid, which is another one in the other database
        self.generator.distinct = [k for k in DISTINCT if k != "mood"]
        self.how = self.rng.choice(("limit", "spent", "consent", "delta" if self.s == "zi" else "limit"))
        self.parallel = self.rng.random() < 0.1
        # an answer that is given again may hold what u gave to it: then u is out from the start
        self.repeats = self.how != "spent" and self.rng.random() < 0.3
        self.end = 0 if self.repeats else 2

    def steps(self):
        for _ in range(7):
            query = self.generator.query()
            name = self.rng.choice(list(STEPS))
            # a question that depends on an answer: only where u had no part in any before
            if self.repeats and self.how != "delta" and self.rng.random() < 0.3:
                query.sql = answer_in_where(self.s)
            settings = dict(query.settings)
            if name != "preview" and self.rng.random() < 0.2:
                settings["dp.epsilon" if "dp.epsilon" in settings else "dp.rho"] = "2" if self.s == "zi" else "0.5"
            yield name, [f"SET {k} = '{v}'" for k, v in settings.items()] + STEPS[name](query.sql) + [f"RESET {k}" for k in settings]
        yield "facts", facts(self.s)

    def load(self, world):
        members = list(range(0 if world.name == WITH else 1, OWNERS + 1))
        world.admin.run(self.owners.stage_sql())
        world.admin.run(data.load_sql(self.s, members, self.number if world.name == WITH else -self.number))
        world.begin(f"filter {SEED} {self.number}", "on" if self.repeats else "off")
        if self.parallel:
            world.analyst.run(PARALLEL)
        # others run out too, in both
        for i in (2, 3):
            world.admin.run(f"SELECT dp.set_limit('{self.s}', {self.owners.argument(i)}, {0.01 * i})")
        if world.name == WITH and self.how == "spent":
            world.admin.run(f"SELECT dp.set_limit('{self.s}', {self.owners.argument(0)}, 0.02)")

    def exhaust(self, world):
        """u's budget ends: in u's own world, by nobody's answer.  (Spending delta without
        a query makes entries, in both.)"""
        if self.how == "delta":
            u = data.owner_key(self.s, self.owners.first)
            for level in DELTA:
                world.admin.run(f"SELECT public.admit('{self.s}', '{{{u}}}', 0, {level}, -1)")
        if world.name == WITHOUT or self.how == "spent":
            return
        if self.how == "limit":
            world.admin.run(f"SELECT dp.set_limit('{self.s}', {self.owners.argument(0)}, 1e-9)")
        elif self.how == "consent":
            world.admin.run(f"SELECT dp.set_consent('{self.s}', {self.owners.argument(0)}, 'study', false)")


def is_barred(how, level, delta_level):
    """Must u, whose budget has gone this way, be left out with this charge?"""
    return how == "consent" or (how == "limit" and level > 0) or (how == "delta" and delta_level > 0)


class Audit:
    def __init__(self):
        admin = Session("postgres")
        for name in (WITH, WITHOUT):
            admin.run(f"DROP DATABASE IF EXISTS {name}")
        admin.run(f"DROP ROLE IF EXISTS {ANALYST}")
        admin.run(f"CREATE ROLE {ANALYST} LOGIN")
        self.functions = read_functions(SOURCE, admin)
        admin.close()
        self.with_u, self.without = World(WITH), World(WITHOUT)
        self.kinds, self.seen = Counter(), Counter()
        self.failures = self.left_out = self.took_part = self.releases = 0

    def compare(self, name, how, a, b):
        """One step in the world with u and in that without."""
        (seen, releases), (seen_b, releases_b) = a, b
        check(len(releases) == len(releases_b), "the number of releases depends on an owner", len(releases), len(releases_b))
        took_part = False
        for r, q in zip(releases, releases_b):
            self.releases += 1
            check(public(r) == public(q), "prices or noise depend on an owner", public(r), public(q))
            owners, others = ({o[0]: o[1:] for o in x["owners"]} for x in (r, q))
            u = [owners.pop(k) for k in list(owners) if k not in others]
            check(owners == others and len(u) <= 1, "charges or admission of others depend on an owner",
                  {k: (owners.get(k), others.get(k)) for k in owners.keys() | others.keys() if owners.get(k) != others.get(k)})
            admitted = bool(u) and u[0][2] == 1
            check(not (admitted and is_barred(how, *u[0][:2])), "an owner without budget or consent is admitted", how, u)
            took_part = took_part or admitted
            self.left_out += bool(u) and not admitted
            check(admitted or cells(r) == cells(q), "an owner who is left out counts", cells(r), cells(q))
        self.took_part += took_part
        self.kinds[name] += not took_part
        if not took_part:
            for x, y in zip(seen, seen_b):
                self.seen.update("error" if isinstance(r, tuple) else "rows" for r in x[1])
                check(x == y, "what is seen depends on an owner who has no part", *(f"{p}\n      {q}" for p, q in zip(x, y) if p != q))

    def script(self, number):
        script = Script(number, self.functions)
        worlds = (self.with_u, self.without)
        for world in worlds:
            script.load(world)
        quota = script.rng.random() < 0.1
        done = []
        try:
            for i, (name, statements) in enumerate(script.steps()):
                for world in worlds:
                    if i == script.end:
                        script.exhaust(world)
                    if quota and i in (3, 6):
                        world.grant(script.s, i == 3)
                done.append((name, statements))
                self.compare(name, script.how if i >= script.end else None, *(world.step(statements) for world in worlds))
            check(self.with_u.ledger() == self.without.ledger(), "the ledger's entries depend on an owner", self.with_u.ledger(), self.without.ledger())
        except Failure as failure:
            self.report(script, done, failure)
        for world in worlds:
            world.grant(script.s)

    def report(self, script, done, failure):
        self.failures += 1
        print(f"FAILED: {failure}\n      step {len(done)}, {done[-1][0]}: {'; '.join(done[-1][1])}\n      data set {script.s}, u {script.owners.argument(0)}, {script.how}"
              f"\n      EPS_AUDIT_SEED={SEED} EPS_AUDIT_SCRIPT={script.number} scripts/check audit", flush=True)

    def run(self):
        start = time.time()
        print(f"T3: seed {SEED}, {SCRIPTS} scripts")
        for number in [int(ONLY)] if ONLY else range(SCRIPTS):
            self.script(number)
        print("compared by kind of step: " + ", ".join(f"{k} {n}" for k, n in sorted(self.kinds.items())))
        print(f"releases {self.releases}; u left out of {self.left_out}; steps in which u took part {self.took_part}; results compared: {dict(self.seen)}")
        bad = [w.admin.run("SELECT check_name, detail FROM dp.verify() WHERE NOT ok") for w in (self.with_u, self.without)]
        if bad != [[], []]:
            print(f"FAILED: dp.verify(): {bad}")
            self.failures += 1
        if not ONLY and (self.left_out < SCRIPTS or set(self.kinds) < set(STEPS) and SCRIPTS >= 100):
            print("FAILED: too little was compared")
            self.failures += 1
        print(f"scripts {SCRIPTS}, {time.time() - start:.0f} s; failures {self.failures}")
        return self.failures == 0


if __name__ == "__main__":
    sys.exit(0 if Audit().run() else 1)
