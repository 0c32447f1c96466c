# flavour: test
"""T1 and T2: what one owner does to answers, and whether the charge covers it.

For random databases D1 and D2, owners x outside both, and queries q, without noise
(dp_test.noise = off) and with coins from a tape (dp_test.seed):

T1  For every cell (group, coordinate) of every release of q,
        f(D1 + x) - f(D1) = f(D2 + x) - f(D2) = z(x),
    but in a count of distinct values, where 0 <= f(D + x) - f(D) <= z(x) in both, z(x)
    being the number of values that x offers, at most L (rule 7), and f(D) is the size
    of the union of what the owners offer;
    nobody else's charge changes, x is charged the same in both, and what comes out as
    rows is a function of the cells.  Rows without an owner change nothing.
T2  x's charge, a ladder level, is at least what z(x) costs by docs/privacy.md, exactly
    in integers, and at most that rounded up; the worst case of public bounds is at
    least any charge and at most the quoted one; delta likewise; no part, no charge.

All is deterministic: a failure is never a false alarm.

    EPS_AUDIT_PAIRS  (query, owner) pairs (default 10000)
    EPS_AUDIT_SEED   seed (default 1)
    EPS_AUDIT_BATCH  run only this batch of the seed
"""
import json
import math
import os
import random
import sys
import time
from collections import Counter
from fractions import Fraction

import data
import formulas
from libpq import ServerError, Session
from queries import Generator, read_functions

PAIRS = int(os.environ.get("EPS_AUDIT_PAIRS", "10000"))
SEED = int(os.environ.get("EPS_AUDIT_SEED", "1"))
BATCH = os.environ.get("EPS_AUDIT_BATCH")
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
SOURCE = os.environ.get("EPS_AUDIT_FUNCTIONS", os.path.join(TOP, "src/pg/analyze/functions.c"))
ANALYST, DATABASE = "regress_audit", "eps_audit"
OWNERS, QUERIES, OUTSIDE = 14, 40, 5    # of a batch: owners, queries, owners outside D1 and D2
PLANS = ("", "SET enable_hashjoin = off;", "SET enable_mergejoin = off; SET enable_hashjoin = off;",
         "SET enable_nestloop = off;", "SET enable_hashjoin = off; SET enable_nestloop = off; SET work_mem = '64kB';")


def set_up():
    admin = Session("postgres")
    for sql in (f"DROP DATABASE IF EXISTS {DATABASE}", f"DROP ROLE IF EXISTS {ANALYST}",
                f"CREATE DATABASE {DATABASE}", f"CREATE ROLE {ANALYST} LOGIN"):
        admin.run(sql)
    admin.close()
    admin = Session(DATABASE)
    admin.run("SET client_min_messages = error; CREATE EXTENSION pg_epsilon; SELECT dp.harden(apply => true); CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');")
    for s in data.DATASETS:
        admin.run(data.schema_sql(s, ANALYST))
        admin.run(f"SELECT dp.grant_analyst('{ANALYST}', '{s}', 7)")
    admin.run("CREATE FUNCTION public.trace() RETURNS text LANGUAGE c AS 'pg_epsilon', 'eps_exec_sql_test_trace'")
    return admin


def ask(session, query):
    """The outcome of a query: ("rows", rows, releases) or ("error", report)."""
    settings = "".join(f"SELECT set_config('{k}', '{v}', true);" for k, v in query.settings.items())
    results = session.results(f"{settings} {query.sql}; SELECT public.trace()")
    if not results:
        return ("error", ("FATAL", "", "the session ended"))
    if isinstance(results[-1], ServerError):
        return ("error", results[-1].parts)
    trace = results[-1][0][0]
    return ("rows", results[-2], json.loads(trace) if trace else [])


def cells(release):
    return {(json.dumps(row[0]), j): t for row in release["totals"] for j, t in enumerate(row[1:]) if t}


def is_union(release, cell):
    return release["coords"][cell[1]]["kind"] == formulas.VALUES


def offers(release):
    """By owner: what they offer to counts of distinct values, as (group, coordinate, value)."""
    out = {}
    for owner, group, j, value in release["offers"]:
        mine = out.setdefault(owner, set())
        check((json.dumps(group), j, value) not in mine, "an owner offers a value twice", owner, group, value)
        mine.add((json.dumps(group), j, value))
    return out


def offered(release, values):
    """Cells of values that are offered."""
    out = Counter((group, j) for group, j, _ in values)
    return {(g, j): formulas.steps(n, release["coords"][j]["shift"]) for (g, j), n in out.items()}


def check_union(release):
    """What is added up is the union of what those who take part offer."""
    part = {o[0] for o in release["owners"] if o[3]}
    union = set().union(*(v for k, v in offers(release).items() if k in part))
    found = {k: v for k, v in cells(release).items() if is_union(release, k)}
    check(found == offered(release, union), "a count of distinct values is not the size of the union", found, offered(release, union))


def effect(r_x, r, key):
    """z(x): from the cells where they are sums, from what x offers where they are unions, of
    which f(D + x) - f(D) is a part."""
    check_union(r)
    check_union(r_x)
    z = difference(cells(r_x), cells(r))
    change = {k: z.pop(k) for k in list(z) if is_union(r, k)}
    after, before = offers(r_x), offers(r)
    mine = offered(r, after.pop(key, set()))
    check(after == before, "T1: what others offer changes", after, before)
    check(all(0 <= v <= mine.get(k, 0) for k, v in change.items()), "rule 7: |f(D + x) - f(D)| is above what x offers", change, mine)
    check(all(v <= formulas.bounds(r["coords"][k[1]], r["rows_per_owner"], r["groups_per_owner"])[1] for k, v in mine.items()), "rule 7: more values than L", mine)
    return {**z, **mine}, change


def difference(a, b):
    out = {k: a.get(k, 0) - b.get(k, 0) for k in a.keys() | b.keys()}
    return {k: v for k, v in out.items() if v}


def public(release):
    """What must not depend on rows. The dictionary of a thresholded release may."""
    return {k: v for k, v in release.items() if k not in ("owners", "offers", "totals") and not (k == "ngroups" and release["thresholded"])}


unions = Counter()      # pairs in which x offers values; of these, in which some were there before


class Failure(Exception):
    pass


def check(condition, message, *details):
    if not condition:
        raise Failure(message + "".join(f"\n      {d}" for d in details))


def newcomer(with_x, without):
    """x's key and charge (level, delta level) in a release, None if x takes no part; all
    others' charges are as they were."""
    before = {o[0]: o[1:] for o in without["owners"]}
    after = {o[0]: o[1:] for o in with_x["owners"]}
    check(len(after) == len(with_x["owners"]), "an owner is charged twice")
    changed = {k: (v, after.get(k)) for k, v in before.items() if after.get(k) != v}
    check(not changed, "T1: charges of others change", changed)
    new = [(k, v) for k, v in after.items() if k not in before]
    check(len(new) <= 1, "T1: several owners appear with x", new)
    return (new[0][0], new[0][1][:2]) if new else (None, None)


def check_charge(release, z, charged, nobody):
    """T2 for one owner's effect z on the cells of a release."""
    pure, rows, groups = release["pure"], release["rows_per_owner"], release["groups_per_owner"]
    if charged is None:
        check(not z, "T2: an owner who is not charged has an effect", z)
        return
    check(not nobody, "rows without an owner are charged", charged)
    exact = Fraction(0)
    rounded = slack = limit = 0
    for j, c in enumerate(release["coords"]):
        mine = [v for (_, i), v in z.items() if i == j]
        cost, worst = formulas.charge(c, pure, mine), formulas.worst(c, pure, rows, groups)
        l1, linf = formulas.bounds(c, rows, groups)
        check(sum(map(abs, mine)) <= l1 and max(map(abs, mine), default=0) <= linf,
              "T2: a contribution is above its public bound", c, mine, (l1, linf))
        check(cost <= worst, "T2: the worst case is not the worst", c, mine)
        exact += cost
        limit += formulas.ceil(worst)
        rounded += formulas.ceil(cost)
        if not c["gaussian"] and not pure:      # read from a table of steps of 1/64, rounded up
            slack += formulas.ceil(cost) // 30 + 4 * len(mine) + 2
    units = formulas.ladder(charged[0])
    check(units >= exact, "T2: the charge does not cover the effect", f"level {charged[0]} is {units} units, the effect costs {float(exact)}", z, release["coords"])
    check(charged[0] <= formulas.level_up(rounded + slack), "T2: the charge is above the effect rounded up", charged, float(exact), z, release["coords"])
    check(charged[0] <= release["worst_level"], "T2: the charge is above the quoted worst case", charged)
    check(formulas.ladder(release["worst_level"]) >= limit - limit // 10 ** 9, "T2: the quoted worst case is below that of the bounds", release["worst_level"], limit)
    check(len({g for g, _ in z}) <= groups, "T2: more groups than groups_per_owner", z)
    check_delta(release, z, charged[1])


def check_delta(release, z, level):
    if not release["thresholded"]:
        check(level == 0 and release["worst_delta_level"] == 0, "delta is charged though nothing is chosen", level)
        return
    j = release["owners_coord"]
    c = release["coords"][j]
    mine = [v for (_, i), v in z.items() if i == j]
    p = max((formulas.tail(c["gaussian"], c["variance"], c["num"], c["den"], release["tau"] - v) for v in mine), default=0)
    wanted = -math.expm1(len(mine) * math.log1p(-p)) * formulas.UNIT
    check(formulas.ladder(level) >= 0.999 * wanted, "T2: delta does not cover choosing groups", level, wanted, mine)
    check(level <= release["worst_delta_level"], "T2: delta is above the quoted worst case", level)


def check_pair(a, ax, b, bx, nobody):
    """T1 and T2 for outcomes on D1, D1 + x, D2, D2 + x; x's charges if accepted."""
    kinds = {o[0] for o in (a, ax, b, bx)}
    check(len(kinds) == 1, "whether a query is refused depends on rows", *(o[1] for o in (a, ax, b, bx) if o[0] == "error"))
    if a[0] == "error":
        check(len({o[1] for o in (a, ax, b, bx)}) == 1, "the text of a refusal depends on rows", a[1], ax[1], b[1], bx[1])
        return None
    counts = {len(o[2]) for o in (a, ax, b, bx)}
    check(len(counts) == 1, "the number of releases depends on rows", counts)
    charges = []
    for ra, rax, rb, rbx in zip(a[2], ax[2], b[2], bx[2]):
        check(public(ra) == public(rax) == public(rb) == public(rbx), "price or noise depends on rows", *map(public, (ra, rax, rb, rbx)))
        check(all(o[3] for r in (ra, rax, rb, rbx) for o in r["owners"]), "an owner is left out: the budget of the audit's data set does not suffice")
        key, charged = newcomer(rax, ra)
        check((key, charged) == newcomer(rbx, rb), "T1: an owner's charge depends on the others", charged, newcomer(rbx, rb))
        (z, change), (z2, change2) = effect(rax, ra, key), effect(rbx, rb, key)
        check(z == z2, "T1: an owner's effect depends on the others", z, z2)
        check_charge(ra, z, charged, nobody)
        unions.update(["cells", "less than offered"] if any(change.get(k) != v for k, v in z.items() if is_union(ra, k)) else
                      ["cells"] if any(is_union(ra, k) for k in z) else [])
        unions["depends on the others"] += change != change2
        charges.append(charged)
    return charges


class Audit:
    def __init__(self):
        self.admin = set_up()
        self.analyst = self.connect()
        self.functions = read_functions(SOURCE, self.admin)
        self.shapes, self.accepted, self.refusals = Counter(), Counter(), Counter()
        self.pairs = self.queries = self.refused = self.effects = self.failures = 0

    @staticmethod
    def connect():
        session = Session(DATABASE, ANALYST)
        session.run("SET dp.repeats = off; SET dp_test.noise = off; SET dp_test.trace = on; SET DateStyle = iso; SET TimeZone = 'Europe/Paris'; SET client_min_messages = error")
        return session

    def batch(self, number):
        """One random set of owners, of which every query of the batch is asked in every
        database: D1, D2, and each with each x."""
        rng = random.Random(f"{SEED} {number}")
        s, large = rng.choice(("zi", "zi", "zt", "pu")), rng.random() < 0.3
        owners = data.Owners(rng, s, number * 100 + 1, OWNERS, large)
        self.admin.run(owners.stage_sql())
        xs = list(range(OUTSIDE)) + [owners.nobody]
        rest = range(OUTSIDE, OWNERS)
        d1 = [o for o in rest if rng.random() < 0.6]
        d2 = [o for o in rest if rng.random() < 0.5] if rng.random() < 0.8 else []
        generator = Generator(rng, self.functions, s, large)
        first = number * QUERIES % len(self.functions)
        generator.turn = self.functions[first:] + self.functions[:first]
        queries = [generator.query() for _ in range(QUERIES)]
        outcomes = {}
        for name, members in self.states(d1, d2, xs):
            self.admin.run(data.load_sql(s, members, rng.randrange(1 << 30)) + (f"ANALYZE {s}.events, {s}.people;" if rng.random() < 0.3 else ""))
            self.analyst.run("RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_nestloop; RESET work_mem;" + rng.choice(PLANS[:4 if large else 5]))
            for i, query in enumerate(queries):
                self.analyst.run(f"SET dp_test.seed = 'audit {SEED} {number} {i}'")
                outcomes[name, i] = ask(self.analyst, query)
                if outcomes[name, i][0] == "error" and outcomes[name, i][1][0] in ("FATAL", "PANIC"):
                    self.analyst = self.connect()
        booked = self.judge(number, s, queries, outcomes, xs, owners.nobody)
        self.check_book(number, s, owners.argument(xs[0]), booked)

    @staticmethod
    def states(d1, d2, xs):
        for d, members in (("D1", d1), ("D2", d2)):
            yield (d, None), members
            for x in xs:
                yield (d, x), members + [x]

    def judge(self, number, s, queries, outcomes, xs, nobody):
        booked = []
        for i, query in enumerate(queries):
            self.queries += 1
            first = outcomes[("D1", None), i]
            self.shapes.update(query.shapes)
            if first[0] == "rows":
                self.accepted.update(query.shapes)
            else:
                self.refused += 1
                self.refusals[first[1][1], first[1][2]] += 1
            try:
                if first[0] == "error":
                    check(first[1][1].startswith("PV"), "an error that is no refusal", first[1])
                self.check_post_processing(i, outcomes, query.constant)
            except Failure as failure:
                self.report(number, s, query, None, failure)
            for x in xs:
                try:
                    charges = check_pair(*(outcomes[k, i] for k in (("D1", None), ("D1", x), ("D2", None), ("D2", x))), x == nobody)
                except Failure as failure:
                    self.report(number, s, query, x, failure)
                    continue
                if charges is not None:
                    self.pairs += 1
                    self.effects += any(c is not None for c in charges)
                    booked += 2 * [c for c in charges if c and any(c)] if x == xs[0] else []
        return booked

    def check_book(self, number, s, owner, booked):
        """What the book says of an owner is what the releases charged, in D1 and in D2."""
        wanted = sorted(tuple(float(formulas.ladder(v)) / formulas.UNIT for v in c) for c in booked)
        found = sorted((float(r), float(d)) for r, d in self.admin.run(f"SELECT rho, delta FROM dp.statement('{s}', {owner})"))
        if found != wanted and not self.failures:
            self.report(number, s, f"dp.statement('{s}', {owner})", None, Failure(f"the book differs from the charges: {found[:5]} and {wanted[:5]}"))

    @staticmethod
    def check_post_processing(i, outcomes, constant):
        """Equal cells, equal rows: what comes out depends on the noisy cells alone; and
        the constant column on nothing."""
        seen = {}
        values = {row[constant] for (_, j), o in outcomes.items() if constant is not None and j == i and o[0] == "rows" for row in o[1]}
        check(len(values) <= 1, "the noise of a count or sum depends on rows", values)
        for (state, j), outcome in outcomes.items():
            if j != i or outcome[0] != "rows":
                continue
            key = json.dumps([sorted(map(json.dumps, r["totals"])) for r in outcome[2]])
            rows = sorted(map(repr, outcome[1]))
            check(seen.setdefault(key, rows) == rows, "rows differ where all cells agree", state, seen[key], rows)

    def report(self, number, s, query, x, failure):
        self.failures += 1
        if self.failures <= 20:
            print(f"FAILED: {failure}\n      query: {query}\n      data set {s}, owner {x}, batch {number} of seed {SEED}; to run it again:"
                  f"\n      EPS_AUDIT_SEED={SEED} EPS_AUDIT_BATCH={number} scripts/check audit", flush=True)

    def coverage(self):
        print(f"queries {self.queries}, of which {self.refused} refused ({100 * self.refused // max(self.queries, 1)} %)")
        for (state, message), n in self.refusals.most_common(12 if not os.environ.get("EPS_AUDIT_VERBOSE") else None):
            print(f"    {n:5} {state} {message}")
        shapes = sorted(k for k in self.shapes if not k.startswith("F_"))
        print("accepted by shape: " + ", ".join(f"{k} {self.accepted[k]}" for k in shapes))
        names = [f[0] for f in self.functions]
        print(f"functions of the table: {sum(self.accepted[n] > 0 for n in names)} of {len(names)} accepted and audited"
              f" ({sum(self.accepted[n] for n in names)} uses)")
        never = [k for k in shapes + names if not self.accepted[k]]
        print(f"distinct values: {unions['cells']} pairs, in {unions['less than offered']} the union grew by less than what x offers,"
              f" in {unions['depends on the others']} by what depends on the others")
        print("never accepted: " + (", ".join(never) or "none"))
        return never

    def run(self):
        start, number = time.time(), 0
        print(f"T1, T2: seed {SEED}, {PAIRS} pairs of query and owner")
        while self.pairs < PAIRS or BATCH:
            if BATCH and number:
                break
            self.batch(int(BATCH) if BATCH else number)
            number += 1
        never = self.coverage()
        print(f"pairs {self.pairs} ({self.effects} with the owner taking part), batches {number}, {time.time() - start:.0f} s; failures {self.failures}")
        if PAIRS >= 10000 and not BATCH and (never or self.refused > self.queries // 5):
            print("FAILED: not every accepted shape was asked, or more than a fifth was refused")
            self.failures += 1
        if PAIRS >= 10000 and not BATCH and not unions["depends on the others"]:
            print("FAILED: no union was audited in which owners share values")
            self.failures += 1
        return self.failures == 0


if __name__ == "__main__":
    sys.exit(0 if Audit().run() else 1)
