"""`neurorail import`: spans that an OpenTelemetry Collector stored become governed history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    ConfigFile,
    DataDir,
    Json,
    Server,
    data_directory,
    fail,
    server_errors,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from neurorail.app.importing import Tally
    from neurorail.app.location import Directory
    from neurorail.collector.importing.source import Range, SpanSource

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
_AGAIN: Final = "run the same again: what is imported already is left out"


def import_spans(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="URL",
            envvar="NEURORAIL_IMPORT_FROM",
            help="ClickHouse: http(s)://USER:PASSWORD@HOST:PORT; or chdb:///DIRECTORY.",
        ),
    ],
    database: Annotated[str, typer.Option(help="Database of the table.")] = "default",
    table: Annotated[str, typer.Option(help="Table, as the Collector makes it.")] = "otel_traces",
    since: Annotated[
        str | None,
        typer.Option(help="Spans that ended since: 7d, 12h, 30m, or ISO 8601.", metavar="WHEN"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Spans that ended before that.", metavar="WHEN")
    ] = None,
    source_tenant: Annotated[
        str, typer.Option(help="Whose spans, if the table is NeuroRail's own.", metavar="NAME")
    ] = "default",
    rate: Annotated[int, typer.Option(help="Most spans a second; 0: no limit.", min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and send nothing.")] = False,
    as_json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Import spans that an OpenTelemetry Collector has stored.

    From ClickHouse, into the running server. They are metered, judged and put on record by their
    own times, and nothing is done about them. Running it again adds nothing. Status 1 if it ended
    before everything was imported.
    """
    from neurorail.collector.importing.source import END_OF_TIME, NotATracesTable, Range, SpanSource
    from neurorail.collector.store.errors import StoreError

    wanted = Range(_moment(since, 0), _moment(until, END_OF_TIME), tenant=source_tenant)
    try:
        spans = SpanSource(_absolute(source), database, table)
        try:
            if dry_run:
                _count(spans, wanted, as_json=as_json)
            else:
                target = (server, data_directory(data_dir, config))
                _import(spans, wanted, rate, target, as_json=as_json)
        finally:
            spans.close()
    except (NotATracesTable, StoreError, ValueError) as error:
        raise fail(str(error)) from None


def _count(source: SpanSource, wanted: Range, *, as_json: bool) -> None:
    parts = source.slices(wanted)
    total = sum(part.spans for part in parts)
    first = _time(parts[0].first_minute * 60) if parts else None
    last = _time((parts[-1].last_minute + 1) * 60) if parts else None
    if as_json:
        typer.echo(json.dumps({"table": source.name, "spans": total, "from": first, "to": last}))
    elif total:
        typer.echo(f"{total} spans in {source.name} ended between {first} and {last}")
    else:
        typer.echo(f"no spans in {source.name}")


def _import(
    source: SpanSource,
    wanted: Range,
    rate: int,
    target: tuple[str | None, Directory],
    *,
    as_json: bool,
) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from neurorail.app.importing import TIMEOUT_S, Importer
    from neurorail.app.location import client_for
    from neurorail.client import ClientError, Problem

    with server_errors():
        client = client_for(*target, TIMEOUT_S)
    importer = Importer(client, rate_per_s=rate)
    total = sum(part.spans for part in source.slices(wanted))
    ended = ""
    with Progress(console=Console(stderr=True, quiet=as_json), transient=True) as progress:
        task = progress.add_task("importing", total=total)
        try:
            importer.run(source, wanted, _telling(progress, task))
        except KeyboardInterrupt:
            ended = f"interrupted; {_AGAIN}"
        except Problem as problem:
            if problem.status in (401, 403, 404):
                raise fail(told(problem)) from None
            ended = f"{told(problem)}; {_AGAIN}"
        except ClientError as error:
            ended = f"{error}; {_AGAIN}"
    _show(source.name, importer.tally, as_json=as_json)
    if ended:
        raise fail(ended, DOES_NOT_HOLD)


def _telling(progress: Any, task: Any) -> Callable[[Tally], None]:
    def moved(tally: Tally) -> None:
        progress.update(task, completed=tally.spans + tally.unreadable)

    return moved


def _show(table: str, tally: Tally, *, as_json: bool) -> None:
    through = None if tally.through is None else _time(tally.through[0] // 10**9)
    if as_json:
        told = {
            "table": table,
            "spans": tally.spans,
            "accepted": tally.accepted,
            "known": tally.known,
            "rejected": tally.rejected,
            "unreadable": tally.unreadable,
            "waited_s": round(tally.waited_s, 3),
            "through": through,
        }
        typer.echo(json.dumps(told))
        return
    parts = [f"imported {tally.accepted} of {tally.spans} spans from {table}"]
    for count, what in (
        (tally.known, "were there already"),
        (tally.rejected, "were refused as malformed"),
        (tally.unreadable, "rows hold no span"),
    ):
        if count:
            parts.append(f"{count} {what}")
    typer.echo("; ".join(parts))


def _absolute(url: str) -> str:
    """The address; a directory may be named relative to where the command runs."""
    scheme, separator, rest = url.partition("://")
    if scheme == "chdb" and separator and not rest.startswith("/"):
        return f"chdb://{Path(rest).resolve()}"
    return url


def _moment(text: str | None, otherwise: int) -> int:
    """The time that an option names, in Unix nanoseconds."""
    if text is None:
        return otherwise
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        moment = datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise fail(f"{text!r} is no time: write 7d, 12h, 30m, or ISO 8601") from None
    return int(moment.timestamp() * 1_000_000) * 1_000


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
