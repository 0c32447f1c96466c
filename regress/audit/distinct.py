# flavour: test
"""Rule 7: |f(D + x) - f(D)| <= min(k, L) for every count of distinct values.

For random databases D, owners x outside, and questions q, without noise
(dp_test.noise = off), from what comes out alone: f is the analyst's answer, k is what
the same question gives as plain SQL over x's rows and nobody else's, group by group, L is
rows_per_owner or the size of x's public domain.

    0 <= f(D + x) - f(D) <= min(k, L) in each group, and in all groups together at most
    rows_per_owner; in no more than groups_per_owner groups;
    where no owner has more rows, groups or values than count, f is the plain answer.

It does not read what releases know of themselves, as separability.py does, so it would
see a charge and an effect that are wrong alike.  Coins come from a tape (dp_test.seed),
so all is deterministic: a failure is never a false alarm.

    EPS_AUDIT_PAIRS  (question, owner) pairs (default 10000; a fifth of them are taken here)
    EPS_AUDIT_SEED   seed (default 1)
"""
import os
import random
import sys
import time

import data
from libpq import ServerError, Session
from separability import Failure, check

PAIRS = int(os.environ.get("EPS_AUDIT_PAIRS", "10000")) // 5
SEED = int(os.environ.get("EPS_AUDIT_SEED", "1"))
ANALYST, DATABASE, S = "regress_audit_distinct", "eps_audit_distinct", "zi"
OWNERS, QUERIES, OUTSIDE = 12, 20, 4

# FROM, rows of an owner that count, of an alias its columns
SOURCES = (("zi.events e", 8, "e"), ("zi.notes n", 5, "n"), ("zi.people p", 1, "p"), ("zi.people p JOIN zi.events e ON e.pid = p.id", 8, "pe"),
           ("zi.people p LEFT JOIN zi.notes n ON n.pid = p.id", 5, "pn"), ("zi.events e JOIN zi.rates r ON r.k = e.k", 16, "er"),
           ("zi.events e JOIN zi.depts d ON d.k = e.k", 8, "ed"))
# expression: size of its public domain, None if it has none
VALUES = {"e": {**{f"e.{c}": None for c in data.TYPES if c not in ("c_interval", "c_oid", "c_bool", "c_enum")}, "e.c_bool": 2, "e.c_enum": 3, "e.k": 4, "e.tag": None,
                "e.k * 2 + 1": None, "COALESCE(e.tag, e.c_text)": None, "CASE WHEN e.c_bool THEN 'a' ELSE e.tag END": None, "e.c_date + 0 * e.k": None},
          "n": {"n.x": None, "n.label": None, "n.s": None}, "p": {"p.g": 5, "p.sex": 2, "p.age": None, "p.w": None},
          "r": {"r.price": None, "r.year": None}, "d": {"d.name": None, "d.wing": None}}
KEYS = {"e": ["e.k", "e.c_bool", "e.c_enum"], "n": ["n.s IS NULL"], "p": ["p.g", "p.sex"], "r": [], "d": []}
FILTERS = {"e": ["e.k > 0", "e.c_bool", "e.c_text = 'a'", "e.c_float8 > 0", "false"], "n": ["n.x > 0", "n.label IS NOT NULL"], "p": ["p.g > 1", "p.sex = 'F'"],
           "r": ["r.year = 1"], "d": ["d.wing > 0"]}


class Question:
    def __init__(self, rng):
        source, self.rows, aliases = rng.choice(SOURCES)

        def pick(table):
            return rng.choice([x for a in aliases for x in table[a]] or ["true"])

        values = {k: v for a in aliases for k, v in VALUES[a].items()}
        self.keys = sorted({pick(KEYS) for _ in range(rng.choice((0, 0, 1, 1, 2)))} - {"true"})
        self.values, self.domains, items = [], [], []
        for _ in range(rng.choice((1, 1, 2, 3))):
            value = rng.choice(list(values))
            items.append(f"count(DISTINCT {value})" + (f" FILTER (WHERE {pick(FILTERS)})" if rng.random() < 0.3 else ""))
            self.domains.append(values[value])
        if rng.random() < 0.2:
            items.append(f"count(DISTINCT {aliases[0]}.{'id' if aliases[0] == 'p' else 'pid'})")
            self.domains.append(1)
        self.settings = {"dp.epsilon": "0.01"}
        if rng.random() < 0.6:
            self.settings["dp.rows_per_owner"] = rng.choice(("1", "2", "3", "5"))
            self.rows = min(self.rows, int(self.settings["dp.rows_per_owner"]))
        self.groups = self.rows
        if self.keys and rng.random() < 0.4:
            self.settings["dp.groups_per_owner"] = rng.choice(("1", "2", "3"))
            self.groups = min(self.groups, int(self.settings["dp.groups_per_owner"]))
        if "n" in aliases:
            self.groups = min(self.groups, 3)
        where = f" WHERE {pick(FILTERS)}" if rng.random() < 0.4 else ""
        self.sql = f"SELECT {', '.join(self.keys + items)} FROM {source}{where}" + (f" GROUP BY {', '.join(self.keys)}" if self.keys else "")
        owner = {"e": "e.pid", "n": "n.pid", "p": "p.id"}[aliases[0]]
        # per owner, plainly: rows and groups
        keys = f"count(DISTINCT ({', '.join(self.keys)}))" if self.keys else "1"
        self.most = f"SELECT coalesce(max(r), 0), coalesce(max(g), 0) FROM (SELECT count(*) AS r, {keys} AS g FROM {source}{where} GROUP BY {owner}) s"

    def table(self, rows):
        n = len(self.keys)
        return {(r[:n], j): int(v) for r in map(tuple, rows) for j, v in enumerate(r[n:])}


def set_up():
    admin = Session("postgres")
    for sql in (f"DROP DATABASE IF EXISTS {DATABASE}", f"DROP ROLE IF EXISTS {ANALYST}", f"CREATE DATABASE {DATABASE}", f"CREATE ROLE {ANALYST} LOGIN"):
        admin.run(sql)
    admin.close()
    admin = Session(DATABASE)
    admin.run("SET client_min_messages = error; CREATE EXTENSION pg_epsilon; SELECT dp.harden(apply => true); CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');")
    admin.run(data.schema_sql(S, ANALYST))
    admin.run(f"SELECT dp.grant_analyst('{ANALYST}', '{S}', 7)")
    analyst = Session(DATABASE, ANALYST)
    analyst.run("SET dp.repeats = off; SET dp_test.noise = off; SET dp.groups = 'all'; SET client_min_messages = error")
    return admin, analyst


class Audit:
    def __init__(self):
        self.admin, self.analyst = set_up()
        self.pairs = self.effects = self.smaller = self.capped = self.plain = self.failures = 0

    def ask(self, q):
        sets = "".join(f"SET LOCAL {k} = '{v}';" for k, v in q.settings.items())
        results = self.analyst.results(f"SET dp_test.seed = 'distinct {SEED}'; BEGIN; {sets} {q.sql}; COMMIT")
        refused = [r.parts for r in results if isinstance(r, ServerError)]
        if refused:
            self.analyst.run("ROLLBACK")
        check(not refused, "refused", *refused)
        return q.table(results[-2])

    def check_plain(self, q, f):
        """All of it, where nothing is cut off."""
        rows, groups = map(int, self.admin.run(q.most)[0])
        plain = q.table(self.admin.run(q.sql))
        if rows > q.rows or groups > q.groups:
            return
        self.plain += 1
        for cell, v in f.items():
            # outside a declared domain there is no group; of its values as many as it has may count
            n, domain = plain.pop(cell, 0), q.domains[cell[1]]
            check(v == n or (domain is not None and v <= n), "the answer is not the plain one", cell, v, n)

    def check_pair(self, q, f, fx, k):
        check(f.keys() == fx.keys(), "groups depend on rows", f.keys() ^ fx.keys())
        change = {c: fx[c] - f[c] for c in f if fx[c] != f[c]}
        for (group, j), v in change.items():
            most = min(k.get((group, j), 0), q.rows, q.domains[j] or q.rows)
            check(0 <= v <= most, "|f(D + x) - f(D)| > min(k, L)", (group, j), v, most)
        for j in range(len(q.domains)):
            mine = [v for (_, i), v in change.items() if i == j]
            check(sum(mine) <= q.rows and len(mine) <= q.groups, "more values than rows_per_owner, or more groups than groups_per_owner", mine)
        self.effects += any(k.values())
        self.smaller += any(v and change.get(c, 0) < v for c, v in k.items())
        self.capped += any(v > min(q.rows, q.domains[c[1]] or q.rows) for c, v in k.items())

    def batch(self, number):
        rng = random.Random(f"distinct {SEED} {number}")
        owners = data.Owners(rng, S, number * 100 + 1, OWNERS, False)
        self.admin.run(owners.stage_sql())
        questions = [Question(rng) for _ in range(QUERIES)]
        rest = [o for o in range(OUTSIDE, OWNERS) if rng.random() < 0.7] + [owners.nobody] * (rng.random() < 0.5)
        self.admin.run(data.load_sql(S, rest, number))
        before = []
        for q in questions:
            before.append({})
            self.judge(number, q, None, lambda: before[-1].update(self.ask(q)))
            if owners.nobody not in rest:
                self.judge(number, q, None, lambda: self.check_plain(q, before[-1]))
        for x in range(OUTSIDE):
            self.admin.run(data.load_sql(S, [x], number))
            alone = [q.table(self.admin.run(q.sql)) for q in questions]
            self.admin.run(data.load_sql(S, rest + [x], number + x))
            for q, f, k in zip(questions, before, alone):
                self.pairs += 1
                self.judge(number, q, x, lambda: self.check_pair(q, f, self.ask(q), k))

    def judge(self, number, q, x, step):
        try:
            step()
        except Failure as failure:
            self.failures += 1
            if self.failures <= 20:
                print(f"FAILED: {failure}\n      {q.sql} {q.settings}\n      owner {x}, batch {number} of seed {SEED}", flush=True)

    def run(self):
        start, number = time.time(), 0
        print(f"T1, rule 7: seed {SEED}, {PAIRS} pairs of question and owner")
        while self.pairs < PAIRS:
            self.batch(number)
            number += 1
        print(f"pairs {self.pairs} ({self.effects} with values of the owner; in {self.smaller} the union grew by less, in {self.capped} there were more than L), "
              f"{self.plain} questions answered as plain SQL would; {time.time() - start:.0f} s; failures {self.failures}")
        if PAIRS >= 1000 and min(self.effects, self.smaller, self.capped, self.plain) < PAIRS // 50:
            print("FAILED: too little was compared")
            self.failures += 1
        return self.failures == 0


if __name__ == "__main__":
    sys.exit(0 if Audit().run() else 1)
