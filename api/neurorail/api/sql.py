"""ClickHouse's HTTP interface, read-only: what Grafana and clickhouse-connect need of it."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

import zstandard
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from neurorail.api.leaving import while_there
from neurorail.collector.sql import Answer, QueryEngine, QueryError
from neurorail.collector.sql.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    READONLY,
    UNKNOWN_DATABASE,
)

IGNORED: Final = frozenset({
    "add_http_cors_header", "buffer_size", "cancel_http_readonly_queries_on_client_close",
    "client_protocol_version", "default_format", "enable_http_compression",
    "http_headers_progress_interval_ms", "http_zlib_compression_level", "log_comment",
    "max_block_size", "max_execution_time", "password", "query", "query_id", "quota_key",
    "readonly", "role", "send_progress_in_http_headers", "session_check", "session_id",
    "session_timeout", "user", "wait_end_of_query",
})  # fmt: skip
"""Parameters that clients send as a matter of course. Sessions hold nothing, because nothing can be
set or made; the limits of the server hold whatever a client allows itself."""

_FORMAT: Final = re.compile(r"\bFORMAT\s++(\w++)\s*+;?\s*+$", re.IGNORECASE)
_QUERY_ID: Final = re.compile(r"[\x20-\x7e]{0,256}")
_TYPES: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "Native": "application/octet-stream",
}
_GZIP_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Reader:
    """Who may read: one user with a password."""

    user: str
    password: str

    def admits(self, user: str, password: str) -> bool:
        """Whether these are the credentials, in time that says nothing of them."""
        right_user = compare_digest(user.encode(), self.user.encode())
        return compare_digest(password.encode(), self.password.encode()) and right_user


class SqlApp:
    """The ASGI application over a query engine."""

    def __init__(self, engine: QueryEngine, reader: Reader, database: str, max_query_bytes: int):
        self._engine = engine
        self._reader = reader
        self._database = database
        self._max_query_bytes = max_query_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as long as its client is there."""
        await while_there(self._serve, scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except QueryError as error:
            response = _problem(error, request.headers)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.url.path == "/ping" or (request.url.path == "/" and not _asks(request)):
            return Response("Ok.\n", media_type="text/html; charset=UTF-8")
        if request.url.path not in ("/", "/query"):
            return Response(f"There is no handle {request.url.path}\n", 404)
        self._authenticate(request)
        values = {"database": request.headers.get("x-clickhouse-database", "")}
        values |= dict(request.query_params)
        _check_parameters(values, self._database)
        query = values.get("query", "")
        body = await self._body(request)
        query = f"{query}\n{body}" if query and body else query or body
        wanted = (
            values.get("default_format")
            or request.headers.get("x-clickhouse-format")
            or "TabSeparated"
        )
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", wanted):
            raise QueryError(BAD_ARGUMENTS, f"unknown format {wanted[:64]!r}")
        bound = {k[6:]: v for k, v in values.items() if k.startswith("param_")}
        answer = await self._engine.run(query, wanted, bound)
        found = _FORMAT.search(query)
        shown = found[1] if found else wanted
        if shown == "Native":
            answer = await self._engine.for_revision(answer, _revision(values))
        return _response(answer, shown, values, request.headers)

    def _authenticate(self, request: Request) -> None:
        user, password = _credentials(request)
        if not self._reader.admits(user, password):
            raise QueryError(
                AUTHENTICATION_FAILED,
                f"{user or 'default'}: authentication failed: password is incorrect, or there is "
                "no user with such name",
            )

    async def _body(self, request: Request) -> str:
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise QueryError(NOT_IMPLEMENTED, "external tables cannot be sent here")
        most = self._max_query_bytes
        received = bytearray()
        async for chunk in request.stream():
            received += chunk
            if len(received) > most:
                raise QueryError(QUERY_IS_TOO_LARGE, f"a query has more than {most} bytes")
        plain = _decoded(bytes(received), request.headers.get("content-encoding", ""), most)
        try:
            return plain.decode()
        except UnicodeDecodeError as error:
            raise QueryError(BAD_ARGUMENTS, "the query is not UTF-8") from error


def _asks(request: Request) -> bool:
    return request.method == "POST" or "query" in request.query_params


def _credentials(request: Request) -> tuple[str, str]:
    headers, values = request.headers, request.query_params
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user, password
    user = headers.get("x-clickhouse-user") or values.get("user", "")
    return user, headers.get("x-clickhouse-key") or values.get("password", "")


def _check_parameters(values: Mapping[str, str], database: str) -> None:
    for name, value in values.items():
        if name in ("compress", "decompress"):
            if value not in ("", "0", "false"):
                detail = f"{name}={value}: use HTTP compression, gzip or zstd, instead"
                raise QueryError(NOT_IMPLEMENTED, detail)
        elif name == "database":
            if value not in ("", database, "default"):
                raise QueryError(UNKNOWN_DATABASE, f"database {value[:64]} does not exist")
        elif name == "query_id" and not _QUERY_ID.fullmatch(value):
            raise QueryError(BAD_ARGUMENTS, "a query_id is ASCII text of at most 256 characters")
        elif name not in IGNORED and not name.startswith("param_"):
            detail = f"cannot modify {name[:64]!r} setting in readonly mode"
            raise QueryError(READONLY, detail)


def _revision(values: Mapping[str, str]) -> int:
    text = values.get("client_protocol_version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _decoded(body: bytes, encoding: str, most: int) -> bytes:
    try:
        match encoding.lower():
            case "" | "identity":
                return body
            case "gzip":
                plain = zlib.decompressobj(wbits=31).decompress(body, most + 1)
            case "zstd":
                plain = zstandard.ZstdDecompressor().stream_reader(body).read(most + 1)
            case other:
                raise QueryError(NOT_IMPLEMENTED, f"content-encoding {other[:32]!r} is not known")
    except (zlib.error, zstandard.ZstdError) as error:
        raise QueryError(BAD_ARGUMENTS, f"the body is no {encoding}: {error}") from error
    if len(plain) > most:
        raise QueryError(QUERY_IS_TOO_LARGE, f"a query has more than {most} bytes")
    return plain


def _response(
    answer: Answer, format_name: str, values: Mapping[str, str], asked: Headers
) -> Response:
    summary = {
        "read_rows": str(answer.rows_read),
        "read_bytes": str(answer.bytes_read),
        "elapsed_ns": str(answer.elapsed_ns),
    }
    headers = {
        "X-ClickHouse-Query-Id": values.get("query_id") or str(uuid.uuid4()),
        "X-ClickHouse-Format": format_name,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Server-Display-Name": "neurorail",
        "X-ClickHouse-Summary": json.dumps(summary),
        "Content-Type": _TYPES.get(format_name, "text/plain; charset=UTF-8"),
        "Cache-Control": "no-store",
    }
    body, encoding = _encoded(answer.body, values, asked.get("accept-encoding", ""))
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(body, headers=headers)


def _encoded(body: bytes, values: Mapping[str, str], accepted: str) -> tuple[bytes, str]:
    """The body as a client takes it: compressed only where it says that it wants that."""
    if values.get("enable_http_compression") not in ("1", "true"):
        return body, ""
    encodings = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
    if "zstd" in encodings:
        return zstandard.ZstdCompressor(1).compress(body), "zstd"
    if "gzip" in encodings:
        return gzip.compress(body, _GZIP_LEVEL, mtime=0), "gzip"
    return body, ""


def _problem(error: QueryError, asked: Headers) -> Response:
    headers = {"X-ClickHouse-Exception-Code": str(error.code), "Cache-Control": "no-store"}
    status = error.status
    given = asked.get("authorization") or asked.get("x-clickhouse-user")
    if error.code == AUTHENTICATION_FAILED[0] and not given:
        status = 401
        headers["WWW-Authenticate"] = 'Basic realm="NeuroRail"'
    return Response(error.text, status, headers, media_type="text/plain; charset=UTF-8")
