"""A ClickHouse server for tests: its HTTP interface, answered by the embedded engine.

Run as a program in a process of its own: `clickhouse_http.py DIRECTORY [PORT]`. It prints its port,
then serves until its input closes. `POST /control?fail_before=N` makes the next N inserts answer
503 without doing anything; `fail_after=N` does them first and then drops the connection. Backups go
to the folder `backups` beside the directory.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

import chdb
import lz4.frame  # type: ignore[import-untyped]
import zstandard

_DECOMPRESS: dict[str, Any] = {
    "gzip": gzip.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
_NOT_SETTINGS = {"query", "database", "session_id", "session_timeout", "query_id", "role"}
_NOT_SETTINGS |= {"client_protocol_version", "compress", "wait_end_of_query"}
_NOT_SETTINGS |= {"send_progress_in_http_headers", "http_headers_progress_interval_ms"}
_NOT_SETTINGS |= {"enable_http_compression", "buffer_size", "session_check", "quota_key"}
_INSERT = re.compile(rb"\s*INSERT INTO (?P<target>.*?)\s+FORMAT (?P<format>\w+)\s*?(?:\n|$)", re.S)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.I)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


class Engine:
    """Runs requests; each connection to the server has one to the engine."""

    def __init__(self, directory: str) -> None:
        backups = Path(directory).resolve().with_name("backups")
        self.directory = f"{directory}?backups.allowed_path={backups}"
        self.keep_open = chdb.connect(self.directory)
        self.local = threading.local()
        self.fail_before = 0
        self.fail_after = 0

    def run(self, params: dict[str, str], body: bytes) -> tuple[str, bytes]:
        """The format and the bytes of the answer."""
        if not hasattr(self.local, "connection"):
            self.local.connection = chdb.connect(self.directory)
        connection = self.local.connection
        names = [k for k in params if k not in _NOT_SETTINGS and not k.startswith("param_")]
        try:
            connection.query(f"USE {params.get('database') or 'default'}")
            if "query_id" in params:
                # The embedded engine gives its queries ids of its own: ours is kept beside them.
                names.append("log_comment")
                params["log_comment"] = params["query_id"]
            if names:
                pairs = (f"{name} = {_quoted(params[name])}" for name in names)
                connection.query(f"SET {', '.join(pairs)}")
            bound = {k[6:]: v for k, v in params.items() if k.startswith("param_")}
            text = params.get("query", "").encode()
            insert = _INSERT.match(text) or (None if text else _INSERT.match(body))
            if insert:
                data = body if text else body[insert.end() :]
                return self._insert(connection, insert, data)
            sql = (text + b"\n" + body if text else body).decode()
            if sql.startswith("KILL QUERY"):
                sql = sql.replace("query_id", "Settings['log_comment']")
            found = _FORMAT.search(sql)
            output = found.group(1) if found else "TabSeparated"
            return output, connection.query(sql, output, params=bound).bytes()
        finally:
            if names:
                connection.query(f"SET {', '.join(f'{name} = DEFAULT' for name in names)}")

    def _insert(self, connection: Any, insert: re.Match[bytes], data: bytes) -> tuple[str, bytes]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            target, form = insert["target"].decode(), insert["format"].decode()
            connection.query(f"INSERT INTO {target} FROM INFILE '{file.name}' FORMAT {form}")
        return "TabSeparated", b""


class Handler(BaseHTTPRequestHandler):
    """Speaks what clickhouse-connect needs of the HTTP interface."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    """Else every answer waits 40 ms for its client to acknowledge the headers."""
    engine: ClassVar[Engine]

    def do_GET(self) -> None:
        self._answer(200, b"Ok.\n", {})

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        params = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self._body()
        if parts.path == "/control":
            self.engine.fail_before = int(params.get("fail_before", 0))
            self.engine.fail_after = int(params.get("fail_after", 0))
            return self._answer(200, b"", {})
        inserting = b"INSERT INTO" in params.get("query", "").encode() + body[:200]
        if inserting and self.engine.fail_before > 0:
            self.engine.fail_before -= 1
            return self._answer(503, b"the server is away", {})
        try:
            output, answer = self.engine.run(params, body)
        except RuntimeError as error:
            code = re.search(r"Code: (\d+)", str(error))
            headers = {"X-ClickHouse-Exception-Code": code.group(1)} if code else {}
            return self._answer(500, str(error).encode(), headers)
        if inserting and self.engine.fail_after > 0:
            self.engine.fail_after -= 1
            self.close_connection = True
            return None
        return self._answer(
            200, answer, {"X-ClickHouse-Format": output, "X-ClickHouse-Timezone": "UTC"}
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        encoding = self.headers.get("Content-Encoding", "")
        return bytes(_DECOMPRESS[encoding](body)) if encoding in _DECOMPRESS else body

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Serves until the input closes."""
    Handler.engine = Engine(sys.argv[1])
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
