"""A session with the server, through libpq itself.

Nothing between: an answer, an error or a notice is what the server sent, and no
package is needed beyond the client library that PostgreSQL brings.
"""
import ctypes

_pq = ctypes.CDLL("libpq.so.5")
_text = ctypes.c_char_p
_handle = ctypes.c_void_p
for _name, _result, _arguments in (
        ("PQconnectdb", _handle, [_text]), ("PQstatus", ctypes.c_int, [_handle]),
        ("PQerrorMessage", _text, [_handle]), ("PQfinish", None, [_handle]),
        ("PQsendQuery", ctypes.c_int, [_handle, _text]), ("PQgetResult", _handle, [_handle]),
        ("PQresultStatus", ctypes.c_int, [_handle]), ("PQclear", None, [_handle]),
        ("PQntuples", ctypes.c_int, [_handle]), ("PQnfields", ctypes.c_int, [_handle]),
        ("PQgetisnull", ctypes.c_int, [_handle, ctypes.c_int, ctypes.c_int]),
        ("PQgetvalue", _text, [_handle, ctypes.c_int, ctypes.c_int]),
        ("PQcmdStatus", _text, [_handle]), ("PQfname", _text, [_handle, ctypes.c_int]),
        ("PQresultErrorField", _text, [_handle, ctypes.c_int]),
        ("PQsetNoticeReceiver", _handle, [_handle, _handle, _handle])):
    _function = getattr(_pq, _name)
    _function.restype = _result
    _function.argtypes = _arguments

_RECEIVER = ctypes.CFUNCTYPE(None, _handle, _handle)
_FIELDS = "SCMDHP"              # severity, SQLSTATE, message, detail, hint, position


def _report(result):
    """The parts of an error or notice that a client may see."""
    parts = (_pq.PQresultErrorField(result, ord(f)) for f in _FIELDS)
    return tuple(p.decode(errors="replace") if p is not None else None for p in parts)


def _rows(result):
    return [tuple(None if _pq.PQgetisnull(result, r, c) else
                  _pq.PQgetvalue(result, r, c).decode(errors="replace")
                  for c in range(_pq.PQnfields(result)))
            for r in range(_pq.PQntuples(result))]


class ServerError(Exception):
    """An error report: .parts is (severity, sqlstate, message, detail, hint, position)."""

    def __init__(self, parts):
        super().__init__(" ".join(p for p in parts[:5] if p))
        self.parts = parts

    @property
    def sqlstate(self):
        return self.parts[1]


class Session:
    """One connection; host, port and user come from PGHOST, PGPORT, PGUSER."""

    def __init__(self, dbname, user=None):
        settings = f"dbname={dbname}" + (f" user={user}" if user else "")
        self._connection = _pq.PQconnectdb(settings.encode())
        self.notices = []
        if _pq.PQstatus(self._connection) != 0:
            raise ConnectionError(_pq.PQerrorMessage(self._connection).decode())
        self._receiver = _RECEIVER(lambda _, result: self.notices.append(_report(result)))
        _pq.PQsetNoticeReceiver(self._connection, ctypes.cast(self._receiver, _handle), None)

    def close(self):
        if self._connection:
            _pq.PQfinish(self._connection)
        self._connection = None

    def results(self, sql):
        """All results of a string of statements: rows, a command tag, or a ServerError,
        which is the last one."""
        if not _pq.PQsendQuery(self._connection, sql.encode()):
            raise ConnectionError(_pq.PQerrorMessage(self._connection).decode())
        out = []
        while True:
            result = _pq.PQgetResult(self._connection)
            if not result:
                return out
            status = _pq.PQresultStatus(result)
            if status == 2:
                out.append(_rows(result))
            elif status == 1:
                out.append(_pq.PQcmdStatus(result).decode())
            else:
                out.append(ServerError(_report(result)))
            _pq.PQclear(result)

    def run(self, sql):
        """The last result; raises what the server raised."""
        out = self.results(sql)
        for result in out:
            if isinstance(result, ServerError):
                raise result
        return out[-1] if out else None

    def value(self, sql):
        return self.run(sql)[0][0]
