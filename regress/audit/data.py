"""Tables, random owners, and neighbouring databases made of them."""
import random

# Bounds that a steward has declared; values lie inside, at, and far beyond them.
BOUNDS = {"c_int2": (-100, 100), "c_int4": (-1000, 1000), "c_int8": (-10 ** 6, 10 ** 6),
          "c_numeric": (-1000, 1000), "c_num2": (0, 500), "c_float4": (-50, 50), "c_float8": (-8, 8)}

TYPES = {"c_int2": "int2", "c_int4": "int4", "c_int8": "int8", "c_numeric": "numeric",
         "c_num2": "numeric(10,2)", "c_float4": "float4", "c_float8": "float8", "c_bool": "bool",
         "c_text": "text", "c_bpchar": "bpchar(4)", "c_char": '"char"', "c_name": "name",
         "c_date": "date", "c_time": "time", "c_timestamp": "timestamp",
         "c_timestamptz": "timestamptz", "c_interval": "interval", "c_uuid": "uuid",
         "c_oid": "oid", "c_enum": "mood"}

FLOATS = ["NaN", "Infinity", "-Infinity", "-0", "0", "1e-30", "-2.5", "2.5", "7.999", "3e38", "0.1"]
VALUES = {
    "c_int2": ["-32768", "32767", "0", "1", "2", "-7", "99", "100", "101"],
    "c_int4": ["-2147483648", "2147483647", "0", "1", "2", "3", "-999", "1000", "1001"],
    "c_int8": ["-9223372036854775808", "9223372036854775807", "0", "1", "5", "-123456", "1000000"],
    "c_numeric": ["NaN", "Infinity", "-Infinity", "9" * 1000, "-" + "8" * 1000, "0." + "3" * 1000,
                  "0", "0.000", "1.0", "1.00", "-999.999999", "12.5", "1000"],
    "c_num2": ["NaN", "-99999999.99", "99999999.99", "0", "0.01", "12.50", "499.99", "500"],
    "c_float4": FLOATS, "c_float8": FLOATS + ["5e-324", "-1.7e308"],
    "c_bool": ["t", "f"],
    "c_text": ["", " ", "a", "a ", "A", "ä", "month", "%_\\", "x" * 300],
    "c_bpchar": ["", "a", "a  ", "ab", "ABCD"], "c_char": ["", "x", "y"], "c_name": ["", "n", "name"],
    "c_date": ["-infinity", "infinity", "4713-01-01 BC", "2020-02-29", "2020-03-01", "5874897-12-31"],
    "c_time": ["00:00", "24:00", "12:34:56.789"],
    "c_timestamp": ["-infinity", "infinity", "4713-01-01 00:00:00 BC", "2020-02-29 12:00", "294276-12-31 23:59:59"],
    "c_timestamptz": ["-infinity", "infinity", "4713-01-02 00:00:00+00 BC", "2020-02-29 12:00+00", "2020-03-29 01:30+00"],
    "c_interval": ["0", "1 mon", "30 days", "-178000000 years", "1 microsecond"],
    "c_uuid": ["00000000-0000-0000-0000-000000000000", "12345678-1234-1234-1234-123456789abc"],
    "c_oid": ["0", "1", "4294967295"], "c_enum": ["sad", "ok", "happy"],
}

# Of a data set: accountant, types of the owner key in people, events, notes.
DATASETS = {"zi": ("zcdp", "int4", "int8", "int4"), "zt": ("zcdp", "text", "text", "text"),
            "pu": ("pure", "uuid", "uuid", "uuid")}

COLUMNS = {
    "people": ["id", "g", "sex", "age", "w"],
    "events": ["event_id", "pid", "k", "tag"] + list(TYPES),
    "notes": ["pid", "x", "label", "s"],
    "labs": ["lab_id", "event_id", "v", "q"],
}


def schema_sql(s, role):
    """One data set: four protected tables, views over them, public tables beside."""
    accountant, people, events, notes = DATASETS[s]
    typed = ", ".join(f"{c} {t}" for c, t in TYPES.items())
    epsilon, delta = ("7", "0") if accountant == "pure" else ("30", "1e-9")
    return f"""
CREATE SCHEMA {s};
CREATE TABLE {s}.people (id {people} PRIMARY KEY, g int CHECK (g BETWEEN 0 AND 4), sex text, age int2, w float8);
CREATE TABLE {s}.events (event_id int8 PRIMARY KEY, pid {events}, k int NOT NULL CHECK (k BETWEEN 0 AND 3), tag text, {typed});
CREATE TABLE {s}.notes (pid {notes}, x int4, label text, s numeric);
CREATE TABLE {s}.labs (lab_id int8 PRIMARY KEY, event_id int8, v float8, q int2);
CREATE TABLE {s}.depts (k int PRIMARY KEY, name text NOT NULL, wing int NOT NULL);
INSERT INTO {s}.depts SELECT k, 'dept ' || k % 2, k % 3 FROM generate_series(0, 2) k;
CREATE TABLE {s}.rates (k int, year int, price int);
INSERT INTO {s}.rates SELECT k, y, 10 * k + y FROM generate_series(0, 3) k, generate_series(1, 2) y;
SELECT dp.create_dataset('{s}', {epsilon}, {delta}, '{accountant}', capacity => 50000, confirm_large_epsilon => true);
SELECT dp.protect('{s}.people', '{s}', 'id'), dp.protect('{s}.events', '{s}', 'pid', rows_per_owner => 8),
	dp.protect('{s}.notes', '{s}', 'pid', rows_per_owner => 5, groups_per_owner => 3),
	dp.protect('{s}.labs', '{s}', 'event_id -> {s}.events.event_id -> pid', rows_per_owner => 6);
SELECT dp.set_bounds('{s}.events', c, l, u, 'form') FROM (VALUES {", ".join(f"('{c}', {l}, {u})" for c, (l, u) in BOUNDS.items())}) b(c, l, u);
SELECT dp.set_bounds('{s}.people', 'age', 0, 120, 'form'), dp.set_bounds('{s}.people', 'w', 0, 100, 'form'),
	dp.set_bounds('{s}.notes', 'x', -5, 5, 'form'), dp.set_bounds('{s}.notes', 's', 0, 1, 'form'),
	dp.set_bounds('{s}.labs', 'v', 0, 50, 'form'), dp.set_bounds('{s}.labs', 'q', -3, 3, 'form');
SELECT dp.set_domain('{s}.people', 'sex', ARRAY['F', 'M'], 'form'),
	dp.set_domain('{s}.events', 'c_enum', ARRAY['sad', 'ok', 'happy'], 'form');
SELECT dp.declare_public('{s}.depts'), dp.declare_public('{s}.rates');
CREATE VIEW {s}.v_events WITH (security_invoker) AS SELECT * FROM {s}.events WHERE k < 3;
CREATE VIEW {s}.v_labs WITH (security_invoker) AS SELECT l.*, e.pid, e.k FROM {s}.labs l JOIN {s}.events e ON l.event_id = e.event_id;
CREATE VIEW {s}.v_people WITH (security_invoker) AS SELECT p.id, p.g, p.sex, p.age, n.x, n.label FROM {s}.people p LEFT JOIN {s}.notes n ON n.pid = p.id;
GRANT USAGE ON SCHEMA {s} TO {role};
GRANT SELECT ON {s}.depts, {s}.rates, {s}.v_events, {s}.v_labs, {s}.v_people TO {role};
CREATE SCHEMA stage_{s};
""" + "".join(f"CREATE TABLE stage_{s}.{t} (LIKE {s}.{t}, owner int);\n"
              f"ALTER TABLE stage_{s}.{t} DROP CONSTRAINT IF EXISTS {t}_pkey;\n" for t in COLUMNS)


def literal(value):
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def owner_key(s, n):
    """Owner number n of a data set. Never the same in two batches."""
    kind = DATASETS[s][1]
    if kind == "uuid":
        return f"{n:08x}-0000-4000-8000-{n:012x}"
    return f"owner {n}" if kind == "text" else str(n - 1000 if n % 2 else 2 ** 30 + n)


def owner_argument(s, n):
    """The same as an argument of dp.statement, dp.set_limit, dp.set_consent."""
    kind = DATASETS[s][1]
    return f"'{owner_key(s, n)}'::{'bigint' if kind == 'int4' else kind}"


class Owners:
    """Random owners of one batch, as rows of stage tables; large: some of 1000 rows."""

    def __init__(self, rng, s, first, count, large):
        self.rng, self.s, self.large = rng, s, large
        self.first = first
        self.rows = {t: [] for t in COLUMNS}
        self.event = first * 10000
        for i in range(count):
            self._owner(i, owner_key(s, first + i))
        self._nobody(count)
        self.nobody = count

    def _pick(self, column):
        r = self.rng.random()
        if r < 0.12:
            return None
        pool = VALUES[column]
        return pool[0] if r < 0.3 else self.rng.choice(pool)

    def _event(self, key):
        self.event += 1
        return [str(self.event), key, str(self.rng.randint(0, 3)), self.rng.choice([None, "", "a", "b", f"t{self.event % 7}"])] + \
            [self._pick(c) for c in TYPES]

    def _note(self, key):
        rng = self.rng
        return [key, rng.choice([None, "-5", "0", "5", "2147483647", "-2147483648"]), rng.choice([None, "", "l", f"l{rng.randint(0, 5)}"]),
                rng.choice([None, "NaN", "Infinity", "0.5", "0." + "1" * 1000, "1"])]

    def _repeat(self, n, make):
        """n rows, many of them alike."""
        rows = []
        for _ in range(n):
            rows.append(list(rows[self.rng.randrange(len(rows))]) if rows and self.rng.random() < (0.5 if n < 50 else 0.98) else make())
        return rows

    def _owner(self, i, key):
        rng = self.rng
        rows = self.rows
        if rng.random() < 0.8:
            rows["people"].append((i, [key, rng.choice([None] + list("01234")), rng.choice([None, "F", "M", "X", ""]),
                                       rng.choice([None, "0", "77", "120", "32767", "-32768"]), rng.choice([None, "NaN", "-Infinity", "50", "99.5"])]))
        n = rng.choice([0, 1, 1, 2, 3, 5, 8, 9, 12, 20] + ([1000] * 3 if self.large else []))
        for row in self._repeat(n, lambda: self._event(key)):
            self.event += 1
            row[0] = str(self.event)
            rows["events"].append((i, row))
            for _ in range(rng.choice([0, 0, 1, 2]) if n < 50 or rng.random() < 0.05 else 0):
                rows["labs"].append((i, [str(self.event * 4 + _), row[0], rng.choice([None, "NaN", "0", "50", "Infinity", "12.25", "-0"]),
                                         rng.choice([None, "-32768", "0", "1", "3"])]))
        for row in self._repeat(rng.choice([0, 0, 1, 2, 4, 5, 7, 15]), lambda: self._note(key)):
            rows["notes"].append((i, row))

    def _nobody(self, i):
        """Rows without an owner, of which none may count."""
        for row in self._repeat(5, lambda: self._event(None)):
            self.event += 1
            row[0] = str(self.event)
            self.rows["events"].append((i, row))
            self.rows["labs"].append((i, [str(self.event * 4), row[0], "7", "1"]))
        self.rows["labs"].append((i, [str(self.event * 4 + 1), None, "7", "1"]))
        self.rows["labs"].append((i, [str(self.event * 4 + 2), "-1", "7", "1"]))
        for row in self._repeat(4, lambda: self._note(None)):
            self.rows["notes"].append((i, row))

    def argument(self, i):
        return owner_argument(self.s, self.first + i)

    def stage_sql(self):
        parts = []
        for table, rows in self.rows.items():
            parts.append(f"TRUNCATE stage_{self.s}.{table};")
            if rows:
                values = ", ".join("(" + ", ".join(map(literal, row)) + f", {i})" for i, row in rows)
                parts.append(f"INSERT INTO stage_{self.s}.{table} VALUES {values};")
        return "\n".join(parts)


def load_sql(s, owners, salt):
    """Puts the rows of these owners, and no others, into the protected tables, in an order
    of their own."""
    members = "{" + ",".join(map(str, owners)) + "}"
    return "".join(
        f"TRUNCATE {s}.{t}; INSERT INTO {s}.{t} SELECT {', '.join(c)} FROM stage_{s}.{t} x"
        f" WHERE owner = ANY ('{members}') ORDER BY hashtextextended(x::text, {salt});" for t, c in COLUMNS.items())
