"""Random queries over the tables of data.py, of every shape that analysis accepts.

Which functions may stand beside rows is read from src/pg/analyze/functions.c, so a
row that is added there is asked for here.  A query is a Query: its text, its
settings, and the shapes that it has, for the count of what was covered.
"""
import re
from collections import defaultdict

from data import TYPES

NUMBERS = ("int2", "int4", "int8", "numeric", "float4", "float8")
DISTINCT = NUMBERS + ("bool", "text", "bpchar", "char", "name", "date", "time", "timestamp", "timestamptz", "uuid", "mood")
BY_TYPE = defaultdict(list)
for _column, _type in TYPES.items():
    BY_TYPE[re.sub(r"\(\d.*", "", _type).strip('"')].append(_column)

CONSTANTS = {
    "int2": ["1::int2", "7::int2"], "int4": ["1", "3", "-2"], "int8": ["5::int8", "-9::int8"],
    "numeric": ["2.5", "0.1::numeric"], "float4": ["1.5::float4"], "float8": ["0.5::float8", "-3::float8"],
    "bool": ["true", "false"], "text": ["'a'::text", "''::text"], "bpchar": ["'a'::bpchar"],
    "char": ["'x'::\"char\""], "name": ["'n'::name"], "date": ["date '2020-02-29'"], "time": ["time '12:00'"],
    "timestamp": ["timestamp '2020-02-29 12:00'"], "timestamptz": ["timestamptz '2020-02-29 12:00+00'"],
    "interval": ["interval '1 month'", "interval '-3 days'"],
    "uuid": ["uuid '12345678-1234-1234-1234-123456789abc'"], "oid": ["1::oid"], "anyenum": [], "mood": ["'ok'::mood"],
}
FIELDS = ["year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "epoch", "decade"]


# FROM clauses: shape, text, the owner's key (None: none to count), what is seen under which alias.
SOURCES = (
    ("people", "{s}.people p", "p.id", "p:people"),
    ("events", "{s}.events e", "e.pid", "e:events"),
    ("events", "{s}.events e", "e.pid", "e:events"),
    ("notes", "{s}.notes n", "n.pid", "n:notes"),
    ("path", "{s}.labs l", None, "l:labs"),
    ("owned JOIN", "{s}.people p JOIN {s}.events e ON p.id = e.pid", "e.pid", "p:people e:events"),
    ("owned JOIN", "{s}.notes n JOIN {s}.events e ON e.pid = n.pid", "n.pid", "n:notes e:events"),
    ("owned comma", "{s}.people p, {s}.notes n, {s}.events e WHERE p.id = n.pid AND e.pid = p.id", "p.id", "p:people n:notes e:events"),
    ("owned self", "{s}.events e JOIN {s}.events f ON e.pid = f.pid AND e.k = f.k", "e.pid", "e:events f:events"),
    ("owned LEFT", "{s}.people p LEFT JOIN {s}.notes n ON p.id = n.pid AND n.x > 0", "p.id", "p:people n:notes"),
    ("owned LEFT", "{s}.events e LEFT JOIN {s}.people p ON p.id = e.pid", "e.pid", "p:people e:events"),
    ("owned RIGHT", "{s}.notes n RIGHT JOIN {s}.people p ON p.id = n.pid", "p.id", "p:people n:notes"),
    ("path JOIN", "{s}.labs l JOIN {s}.events e ON l.event_id = e.event_id", "e.pid", "l:labs e:events"),
    ("path LEFT", "{s}.events e LEFT JOIN {s}.labs l ON l.event_id = e.event_id", "e.pid", "l:labs e:events"),
    ("path JOIN owned", "{s}.labs l JOIN {s}.events e ON l.event_id = e.event_id JOIN {s}.people p ON p.id = e.pid", "p.id", "l:labs e:events p:people"),
    ("public JOIN", "{s}.events e JOIN {s}.depts d ON d.k = e.k", "e.pid", "e:events d:depts"),
    ("public LEFT", "{s}.events e LEFT JOIN {s}.depts d ON d.k = e.k AND d.wing < 2", "e.pid", "e:events d:depts"),
    ("public fan-out", "{s}.events e JOIN {s}.rates r ON r.k = e.k", "e.pid", "e:events r:rates"),
    ("public two", "{s}.events e JOIN {s}.depts d USING (k) JOIN {s}.rates r ON r.k = d.k AND r.year = 1", "e.pid", "e:events d:depts r:rates"),
    ("public cross", "{s}.notes n CROSS JOIN {s}.depts d", "n.pid", "n:notes d:depts"),
    ("VALUES", "{s}.events e JOIN (VALUES (0, 'zero'), (3, 'three')) v(k, t) ON v.k = e.k", "e.pid", "e:events"),
    ("view", "{s}.v_events e", "e.pid", "e:events"),
    ("view of path", "{s}.v_labs l", "l.pid", "l:labs"),
    ("view of join", "{s}.v_people n", "n.id", "n:viewed"),
    ("view JOIN", "{s}.v_events e JOIN {s}.people p ON p.id = e.pid", "p.id", "e:events p:people"),
    ("CTE", "c e", "e.pid", "e:events"),
    ("CTE twice", "c e JOIN c f ON e.pid = f.pid", "e.pid", "e:events"),
    ("CTE MATERIALIZED", "m e", "e.pid", "e:events"),
    ("subquery", "(SELECT * FROM {s}.events WHERE k <> 1) e", "e.pid", "e:events"),
    ("subquery two", "(SELECT * FROM (SELECT *, k + 1 AS k1 FROM {s}.v_events) i WHERE k1 > 1) e JOIN {s}.people p ON p.id = e.pid", "e.pid", "e:events p:people"),
    ("LATERAL", "{s}.people p, LATERAL (SELECT * FROM {s}.notes) n WHERE n.pid = p.id", "p.id", "p:people n:notes"),
)
SQUARES = ("owned self", "CTE twice")


class Query:
    def __init__(self, sql, settings, shapes, constant=None):
        self.sql, self.settings, self.shapes = sql, settings, shapes
        self.constant = constant    # a column of the result that is public: noise of a count or sum

    def __str__(self):
        return "".join(f"SET {k} = '{v}'; " for k, v in self.settings.items()) + self.sql


def read_functions(source, session):
    """The rows of the function table: (macro, rule, call name, operator, argument types, result)."""
    text = open(source).read()
    table = text[text.index("function_table[] = {"):text.index("bool\neps_analyze_rule")]
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    six = ("EQ", "NE", "LT", "LE", "GT", "GE")
    rules = {}
    for p in re.findall(r"EPS_COMPARE_PLAIN\((\w+)\)", table):
        rules.update({f"F_{p}{x}": "TOTAL" for x in six})
    for p in re.findall(r"EPS_COMPARE_UNDER\((\w+)\)", table):
        rules.update({f"F_{p}_{x}": "TOTAL" for x in six})
    for a, b in re.findall(r"EPS_COMPARE_CROSS\((\w+), (\w+)\)", table):
        rules.update({f"F_{a}_{x}_{b}": "TOTAL" for x in six})
    for p, rest in re.findall(r"EPS_COMPARE\((\w+), ([\w, ]+)\)", table):
        rules.update({f"F_{p}{x.strip()}": "TOTAL" for x in rest.split(",")})
    for p in re.findall(r"EPS_INTEGER_ARITHMETIC\((\w+)\)", table):
        rules.update({f"F_{p}{x}": r for x, r in (("PL", "ADD"), ("MI", "SUB"), ("MUL", "MUL"), ("DIV", "DIV"))})
    rules.update(dict(re.findall(r"\{(F_\w+), EPS_RULE_(\w+)\}", table)))
    known = {}
    for macro, name, arguments, result, operator in session.run("""
SELECT 'F_' || upper(proname) || CASE WHEN count(*) OVER (PARTITION BY proname) > 1
		THEN coalesce('_' || nullif(upper(array_to_string(ARRAY(SELECT typname FROM unnest(proargtypes) WITH ORDINALITY a(t, n)
		JOIN pg_type ON pg_type.oid = a.t ORDER BY n), '_')), ''), '') ELSE '' END,
	proname, array_to_string(ARRAY(SELECT typname FROM unnest(proargtypes) WITH ORDINALITY a(t, n) JOIN pg_type ON pg_type.oid = a.t ORDER BY n), ','),
	prorettype::regtype::text, (SELECT oprname FROM pg_operator WHERE oprcode = p.oid AND oprnamespace = 'pg_catalog'::regnamespace LIMIT 1)
FROM pg_proc p WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 10000"""):
        known[macro] = (name, arguments.split(",") if arguments else [], result, operator)
    missing = [m for m in rules if m not in known]
    if missing:
        raise SystemExit(f"functions.c names functions that the server does not have: {missing}")
    names = {"smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double precision": "float8",
             "boolean": "bool", "character": "bpchar", '"char"': "char", "timestamp without time zone": "timestamp",
             "timestamp with time zone": "timestamptz", "time without time zone": "time"}
    return [(m, r, known[m][0], known[m][3], known[m][1], names.get(known[m][2], known[m][2])) for m, r in rules.items()]


class Generator:
    """large: some owners have so many rows that the square of them is left out.  (Where
    one owner's rows do not fit memory a reservoir keeps some; the tape of the test build
    has no order for that: sql/release_truncate_exact.sql counts what it keeps.)
    """

    def __init__(self, rng, functions, s, large):
        self.rng, self.functions, self.s, self.large = rng, functions, s, large
        self.by_result = defaultdict(list)
        for f in functions:
            self.by_result[f[5]].append(f)
        self.turn = list(functions)     # those that have their turn next
        self.distinct = DISTINCT

    # --- expressions -------------------------------------------------------------------

    def leaf(self, kind):
        columns = self.columns.get(kind, ())
        if columns and (self.rng.random() < 0.85 or not CONSTANTS.get(kind)):
            return self.rng.choice(columns)
        if kind == "anyenum":
            return self.leaf("mood")
        return self.rng.choice(CONSTANTS[kind])

    def expression(self, kind, depth):
        """An expression of that type over a row."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.3:
            return self.leaf(kind)
        form = rng.random()
        if form < 0.1:
            self.shapes.add("CASE")
            return f"CASE WHEN {self.condition(depth - 1)} THEN {self.expression(kind, depth - 1)} ELSE {self.leaf(kind)} END"
        if form < 0.17:
            self.shapes.add("COALESCE")
            return f"COALESCE({self.leaf(kind)}, {self.expression(kind, depth - 1)})"
        if form < 0.22 and kind not in ("interval",):
            self.shapes.add("NULLIF")
            return f"NULLIF({self.expression(kind, depth - 1)}, {self.leaf(kind)})"
        if form < 0.27 and kind not in ("interval", "oid"):
            self.shapes.add("GREATEST")
            return f"{rng.choice(('GREATEST', 'LEAST'))}({self.leaf(kind)}, {self.expression(kind, depth - 1)})"
        if form < 0.35 and kind in ("int4", "int8", "numeric", "float8"):
            self.shapes.add("dp.clamp")
            low = rng.choice((-3, 0, 1))
            return f"dp.clamp({self.expression(kind, depth - 1)}, {low}, {low + rng.choice((0, 2, 40))})"
        if self.by_result[kind]:
            return self.call(rng.choice(self.by_result[kind]), depth)
        return self.leaf(kind)

    def divisor(self, kind):
        constant = {"int2": "3::int2", "int4": "3", "int8": "-7::int8", "numeric": "0.25", "float8": "2.5::float8"}[kind]
        if kind in ("int4", "int8", "numeric", "float8") and self.rng.random() < 0.4:
            return f"dp.clamp({self.leaf(kind)}, 1, 100)"
        return constant

    def call(self, function, depth):
        """A call of a row of the function table, as its rule wants the arguments."""
        macro, rule, name, operator, kinds, _ = function
        rng = self.rng
        self.shapes.add(macro)
        args = [self.expression("mood" if k == "anyenum" else k, depth - 1) for k in kinds]
        if rule in ("ADD", "SUB", "MUL", "DIV", "MOD", "NEG", "ABS"):
            args = [self.leaf(k) for k in kinds]
        if rule in ("DIV", "MOD"):
            args[1] = self.divisor(kinds[1])
        elif rule == "NARROW":
            args[0] = f"dp.clamp({self.leaf(kinds[0])}, -99, 99)" if kinds[0] in ("int4", "int8", "numeric", "float8") else self.leaf(kinds[0])
        elif rule == "LIKE":
            args[1] = rng.choice(("'a%'", "'_'", "'%\\\\%'", "'%'"))
            args[0] = self.leaf(kinds[0])
        elif rule == "SUBSTR":
            args[1:] = [rng.choice(("1", "2", "-1")), "3"][:len(kinds) - 1]
        elif rule in ("EXTRACT", "DATE_TRUNC"):
            fields = FIELDS if rule == "EXTRACT" else ["month", "week", "day", "hour", "century"]
            args[0] = f"'{rng.choice(fields)}'"
        elif rule == "WIDTH_BUCKET":
            args[1:] = ["-4", "4", "3"]
        elif rule == "DATE_DIFF" and kinds[1] == "int4":
            args[1] = self.leaf("int4")
        elif rule == "TOTAL" and kinds[0] == "name" and name == "text":
            args[0] = self.leaf("name")
        if operator and len(args) == 2 and rng.random() < 0.7:
            return f"({args[0]} {operator} {args[1]})"
        if operator and len(args) == 1 and operator in ("-", "@"):
            return f"({operator} {args[0]})"
        return f'pg_catalog."{name}"({", ".join(args)})'

    def condition(self, depth):
        rng = self.rng
        form = rng.random()
        if depth <= 0 or form < 0.45:
            compare = [f for f in self.by_result["bool"]]
            return self.call(rng.choice(compare), depth)
        if form < 0.6:
            self.shapes.add("AND/OR/NOT")
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            return rng.choice((f"({a} AND {b})", f"({a} OR {b})", f"(NOT {a})"))
        kind = rng.choice(("int4", "text", "numeric", "float8", "date", "uuid"))
        x = self.expression(kind, depth - 1)
        if form < 0.7:
            self.shapes.add("IS NULL")
            return f"({x} IS {rng.choice(('', 'NOT '))}NULL)"
        if form < 0.8:
            self.shapes.add("IN list")
            return f"({x} {rng.choice(('', 'NOT '))}IN ({self.rng.choice(CONSTANTS[kind])}, {self.leaf(kind)}))"
        if form < 0.88:
            self.shapes.add("BETWEEN")
            return f"({x} BETWEEN {self.leaf(kind)} AND {self.rng.choice(CONSTANTS[kind])})"
        if form < 0.94:
            self.shapes.add("IS DISTINCT FROM")
            return f"({x} IS {rng.choice(('', 'NOT '))}DISTINCT FROM {self.leaf(kind)})"
        self.shapes.add("IS TRUE")
        return f"({self.leaf('bool')} IS {rng.choice(('TRUE', 'NOT TRUE', 'UNKNOWN', 'FALSE'))})"

    # --- what is read ---------------------------------------------------------------------

    def see(self, alias, table):
        """Columns of a table under an alias join those that expressions are made of."""
        a = alias + "."
        add = self.columns
        if table == "events":
            for kind, names in BY_TYPE.items():
                add["mood" if kind == "mood" else kind] += [a + n for n in names]
            self.keys += [a + "k", a + "c_bool", a + "c_enum", a + "c_int2 % 3::int2"]
            self.rare += [a + "tag", a + "c_text", a + "c_float8", a + "c_numeric", a + "c_date", a + "c_uuid", a + "c_bpchar", a + "c_timestamptz"]
        elif table == "people":
            add["int2"].append(a + "age")
            add["float8"].append(a + "w")
            self.keys += [a + "g", a + "sex", a + f"w > 50"]
            self.rare += [a + "w", a + "age"]
        elif table == "notes":
            add["int4"].append(a + "x")
            add["numeric"].append(a + "s")
            self.keys += [a + "x", f"({a}s IS NULL)"]
            self.rare += [a + "label", a + "s"]
        elif table == "labs":
            add["float8"].append(a + "v")
            add["int2"].append(a + "q")
            self.keys += [a + "q", f"width_bucket({a}v, 0, 50, 4)"]
            self.rare += [a + "v"]
        elif table == "depts":
            add["int4"].append(a + "wing")
            add["text"].append(a + "name")
            self.rare += [a + "name", a + "wing"]
        elif table == "rates":
            add["int4"].append(a + "price")
            self.rare += [a + "year"]

    def sources(self):
        return [f for f in SOURCES if not (self.large and f[0] in SQUARES)]

    def source(self):
        """FROM: text, and the owner key's name."""
        rng, s = self.rng, self.s
        shape, text, owner, seen = rng.choice(self.sources())
        self.shapes.add("FROM " + shape)
        for item in seen.split():
            alias, table = item.split(":")
            if table == "viewed":
                self.columns["int4"].append("n.x")
                self.keys += ["n.g", "n.sex"]
                self.rare += ["n.label"]
            else:
                self.see(alias, table)
        head = ""
        if shape.startswith("CTE"):
            name = "m AS MATERIALIZED" if "MATERIALIZED" in shape else "c AS"
            head = f"WITH {name} (SELECT * FROM {s}.events WHERE {rng.choice(('k > 0', 'true', 'c_bool'))}) "
        return head, text.replace("{s}", s), owner

    def where(self, text):
        rng, s = self.rng, self.s
        conditions = []
        if rng.random() < 0.45:
            self.shapes.add("WHERE")
            conditions.append(self.condition(2))
        if " e" in text and rng.random() < 0.15:
            shape, condition = rng.choice((
                ("IN subquery", "e.k IN (SELECT d.k FROM {s}.depts d WHERE d.wing > 0)"),
                ("NOT IN subquery", "e.k NOT IN (SELECT d.k FROM {s}.depts d)"),
                ("= ANY subquery", "e.k = ANY (SELECT r.k FROM {s}.rates r WHERE r.price > 5)"),
                ("IN join subquery", "e.k IN (SELECT d.k FROM {s}.depts d JOIN {s}.rates r ON r.k = d.k)"),
                ("= ANY array", "e.k = ANY ('{0,2}')")))
            self.shapes.add(shape)
            conditions.append(condition.replace("{s}", s))
        if not conditions:
            return ""
        return (" AND " if " WHERE " in text.split(") e")[-1] else " WHERE ") + " AND ".join(conditions)

    # --- aggregates and keys ------------------------------------------------------------------

    def aggregate(self, owner):
        rng = self.rng
        form = rng.random()
        if form < 0.25:
            self.shapes.add("count(*)")
            text = "count(*)"
        elif form < 0.4:
            self.shapes.add("count(x)")
            kind = rng.choice([k for k, v in self.columns.items() if v])
            text = f"count({self.expression(kind, 1)})"
        elif form < 0.5 and rng.random() < 0.6:
            kind = rng.choice([k for k in self.distinct if self.columns.get(k)])
            self.shapes.add(f"count(DISTINCT {kind})")
            text = f"count(DISTINCT {self.expression(kind, rng.choice((0, 0, 1)))})"
        elif form < 0.5 and owner:
            self.shapes.add("count(DISTINCT owner)")
            text = f"count(DISTINCT {owner})"
        else:
            name = "sum" if form < 0.75 else "avg"
            kind = rng.choice([k for k in NUMBERS if self.columns.get(k)])
            self.shapes.add(f"{name}({kind})")
            text = f"{name}({self.expression(kind, rng.choice((0, 0, 1, 2)))})"
        if rng.random() < 0.2:
            self.shapes.add("FILTER")
            text += f" FILTER (WHERE {self.condition(1)})"
        return text

    def group_keys(self):
        rng = self.rng
        form = rng.random()
        if form < 0.4:
            self.shapes.add("no keys")
            return []
        keys = []
        for _ in range(rng.choice((1, 1, 2, 3)) if form < 0.95 else 1):
            if rng.random() < 0.55 and self.keys:
                self.shapes.add("key with a domain")
                keys.append(rng.choice(self.keys))
            elif rng.random() < 0.3:
                self.shapes.add("key expression")
                keys.append(rng.choice((self.condition(0), self.expression("int4", 1), self.expression("text", 1),
                                        f"CASE WHEN {self.condition(0)} THEN 'a' ELSE 'b' END")))
            elif self.rare:
                self.shapes.add("key without a domain")
                keys.append(rng.choice(self.rare))
        if len(set(keys)) > 1:
            self.shapes.add("several keys")
        return sorted(k for k in set(keys) if re.search(r"\b[a-z]\.", k))  # a constant would be a position

    def settings(self, keys):
        rng = self.rng
        if self.s == "pu":
            out = {"dp.epsilon": f"{10 ** rng.uniform(-3, -1.3):.5f}"}
        else:
            out = {"dp.epsilon": f"{10 ** rng.uniform(-2.3, -0.1):.5f}" if rng.random() > 0.02 else "3"}
        if rng.random() < 0.3 and self.s != "pu":
            out = {"dp.rho": f"{10 ** rng.uniform(-7, -3):.9f}"}
        if rng.random() < 0.25:
            out["dp.rows_per_owner"] = str(rng.choice((1, 2, 3, 5)))
        if keys and rng.random() < 0.35:
            out["dp.groups_per_owner"] = str(rng.choice((1, 2, 3)))
        if self.s != "pu":
            out["dp.noise"] = rng.choice(("auto", "gaussian", "laplace"))
            if keys and rng.random() < 0.2:
                out["dp.groups"] = "seen"
            # an owner must afford all queries of a batch in all its databases
            out["dp.delta"] = rng.choice(("1e-13", "5e-13"))
        elif keys and rng.random() < 0.3:
            out["dp.noise"] = "laplace"
        for k, v in out.items():
            if k not in ("dp.epsilon", "dp.rho", "dp.delta"):
                self.shapes.add(k if k not in ("dp.noise", "dp.groups") else f"{k} = {v}")
        return out

    def level(self):
        """One release: WITH clause, select items, the rest."""
        self.columns, self.keys, self.rare = defaultdict(list), [], []
        head, text, owner = self.source()
        text += self.where(text)
        keys = self.group_keys()
        if self.s == "pu":
            keys = [k for k in keys if k in self.keys]
        aggregates = [self.aggregate(owner) for _ in range(self.rng.choice((1, 1, 2, 3)))]
        return head, keys, aggregates, text

    def above(self, aggregates):
        """Arithmetic, error bars, HAVING, ORDER BY, LIMIT over the answers."""
        rng = self.rng
        items = list(aggregates)
        form = rng.random()
        if form < 0.1:
            self.shapes.add("arithmetic above")
            items.append(f"round(({items[0]})::numeric / nullif(count(*), 0), 3) + 1")
        elif form < 0.18:
            self.shapes.add("division above")
            items.append(f"count(*) / ({items[0]})")
        elif form < 0.28:
            self.shapes.add("error bars")
            bar = rng.choice(("dp.interval_low", "dp.interval_high", "dp.stddev_of_noise"))
            items.append(f"{bar}({items[0]})")
            if bar == "dp.stddev_of_noise" and not items[0].startswith("avg"):
                self.constant = len(items) - 1
        tail = ""
        if rng.random() < 0.1:
            self.shapes.add("HAVING")
            tail += f" HAVING {items[0]} > 2"
        return items, tail

    def query(self):
        """One statement; every function of the table has its turn in a FILTER."""
        rng = self.rng
        self.shapes, self.constant = set(), None
        head, keys, aggregates, text = self.level()
        for _ in range(2 if rng.random() < 0.7 and self.columns.get("date") else 0):
            self.turn.append(self.turn.pop(0))
            aggregates.append(f"count({self.call(self.turn[-1], 1)})")
        items, having = self.above(aggregates)
        settings = self.settings(keys)
        body = f"SELECT {', '.join(keys + items)} FROM {text}"
        if keys:
            body += f" GROUP BY {', '.join(keys)}"
        body += having
        plain = body
        form = rng.random()
        if form < 0.06 and keys:
            self.shapes.add("LIMIT above")
            body += " ORDER BY " + ", ".join(str(i + 1) for i in range(len(keys) + len(items))) + " LIMIT 3"
        elif form < 0.1:
            self.shapes.add("window above")
            body = f"SELECT *, row_number() OVER () FROM ({body}) q({', '.join(f'o{i}' for i in range(len(keys) + len(items)))})"
        elif form < 0.14:
            self.shapes.add("aggregate above")
            body = f"SELECT count(*), max(q::text) FROM ({body}) q({', '.join(f'o{i}' for i in range(len(keys) + len(items)))})"
        elif form < 0.2:
            self.shapes.add("two releases")
            _, keys2, aggregates2, text2 = self.level_without_with()
            body = f"SELECT (SELECT count(*) FROM ({body}) q({', '.join(f'o{i}' for i in range(len(keys) + len(items)))})), (SELECT {aggregates2[0]} FROM {text2})"
        elif form < 0.23 and not keys and not head:
            self.shapes.add("UNION ALL above")
            body = f"{body} UNION ALL {body}"
        constant = self.constant is not None and body.startswith(plain)
        return Query(head + body, settings, self.shapes, len(keys) + self.constant if constant else None)

    def level_without_with(self):
        saved = (self.columns, self.keys, self.rare)
        while True:
            shapes = set(self.shapes)
            level = self.level()
            if not level[0]:
                break
            self.shapes = shapes
        self.columns, self.keys, self.rare = saved
        return level
