"""`neurorail rules backtest` and `replay`: stored history again, by the server where one runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorail.app.commands.files import read_file, read_or_fail
from neurorail.app.commands.options import (
    DOES_NOT_HOLD,
    ConfigFile,
    DataDir,
    Json,
    fail,
    server_errors,
)

if TYPE_CHECKING:
    from neurorail.app.config import Config
    from neurorail.app.location import RunningServer
    from neurorail.collector.store.store import Store

Moved = Callable[[int, int], None]
Node = Annotated[
    str | None,
    typer.Option(help="Whose history; needed if several servers share a store.", metavar="NAME"),
]


def replay(
    node: Node = None,
    after: Annotated[
        int, typer.Option(help="Begin after this record, where a state is stored.", min=0)
    ] = 0,
    through: Annotated[
        int | None, typer.Option(help="The last record; without, all that are stored.", min=1)
    ] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Replay stored history and compare every event with the audit. Status 1 when they differ.

    A server that runs on the data directory does it, beside its work.
    """
    settings = _settings(config, data_dir)
    server = _holder(settings, node)
    with _bar("replaying", as_json) as moved:
        if server is not None:
            asked = {"after_seq": after, "through_seq": through}
            report = json.loads(_asked(server, "replays", asked, "default", moved))
        else:
            report = _replayed(settings, node, after, through, moved)
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _show_replay(report)
    if not report["equal"]:
        raise typer.Exit(DOES_NOT_HOLD)


def backtest(
    manifest: Annotated[
        Path, typer.Option("--manifest", help="The manifest that is tried.", metavar="FILE")
    ],
    since: Annotated[
        str | None,
        typer.Option(help="Only what was received since: 7d, 12h, 30m, or a time in ISO 8601."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only what was received before, written likewise.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this manifest; without, with those active then."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots here.", metavar="FILE")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Server that links in the report lead to; without: the one that runs, or"
            " http://127.0.0.1:8000.",
            metavar="URL",
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose calls.")] = "default",
    node: Node = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Try a manifest on stored history.

    What would have been refused, warned of, cancelled. A server that runs on the data directory
    does it, beside its work.
    """
    from neurorail.app.location import DEFAULT_API
    from neurorail.app.show.backtest import show
    from neurorail.collector.rerun.page import report_page
    from neurorail.collector.rerun.report import with_links

    settings = _settings(config, data_dir)
    server = _holder(settings, node)
    wanted = _Wanted(manifest, against, _time(since), _time(until), tenant)
    with _bar("backtesting", as_json) as moved:
        if server is not None:
            report = _asked(server, "backtests", wanted.body(), tenant, moved)
        else:
            report = _backtested(settings, node, wanted, moved)
    report = with_links(report, base_url or (server.api if server is not None else DEFAULT_API))
    if html is not None:
        html.write_text(report_page(report), encoding="utf-8")
    if as_json:
        typer.echo(report.decode())
    else:
        show(report)
        if html is not None:
            typer.echo(f"the page is {html}")


class _Wanted:
    """What a backtest is to be made of; the files of manifests are read, and hold."""

    def __init__(
        self,
        manifest: Path,
        against: Path | None,
        since: datetime | None,
        until: datetime | None,
        tenant: str,
    ) -> None:
        self.new = read_or_fail(manifest)
        self.against = None if against is None else read_or_fail(against)
        self.since, self.until, self.tenant = since, until, tenant
        self._files = manifest, against

    def body(self) -> dict[str, Any]:
        """The same as a server is asked for it."""
        manifest, against = self._files
        return {
            "source": read_file(manifest),
            "against": None if against is None else {"source": read_file(against)},
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
        }


def _backtested(settings: Config, node: str | None, wanted: _Wanted, moved: Moved) -> bytes:
    """The report of a backtest that is made here."""
    import tempfile

    from neurorail.collector.rerun.backtest import backtest as run
    from neurorail.collector.rerun.report import report_json
    from neurorail.collector.rerun.stored import UNIX_NANO_MAX

    with _history(settings, node) as (store, found), tempfile.TemporaryDirectory() as folder:
        report = run(
            store, found, Path(folder), wanted.new,
            against=wanted.against, tenant=wanted.tenant, progress=moved,
            since_unix_nano=_unix_nano(wanted.since, 0),
            until_unix_nano=_unix_nano(wanted.until, UNIX_NANO_MAX),
        )  # fmt: skip
    if report is None:
        raise fail(f"nothing of node {found} was received then", DOES_NOT_HOLD)
    return report_json(report)


def _replayed(
    settings: Config, node: str | None, after: int, through: int | None, moved: Moved
) -> dict[str, Any]:
    """The report of a replay that is made here."""
    import tempfile

    from neurorail.collector.rerun.exact import NoState
    from neurorail.collector.rerun.exact import replay as run

    with _history(settings, node) as (store, found), tempfile.TemporaryDirectory() as folder:
        try:
            report = run(
                store, found, Path(folder), after_seq=after, through_seq=through, progress=moved
            )
        except NoState as error:
            raise fail(str(error)) from None
    if report is None:
        raise fail(f"no record of node {found} is stored")
    return {**asdict(report), "equal": report.equal}


def _show_replay(report: dict[str, Any]) -> None:
    typer.echo(f"{report['records']:,} records gave {report['events']:,} events, digest")
    typer.echo(f"  replayed {report['digest']}")
    typer.echo(f"  archived {report['archived_digest']}")
    difference = report["first_difference"]
    if difference is not None:
        archived, replayed = (difference[name] or "none" for name in ("archived", "replayed"))
        typer.echo(f"they differ at {difference['event_id']}: {archived}, replayed {replayed}")


def _settings(config: Path | None, data_dir: Path | None) -> Config:
    from neurorail.app.config_load import ConfigError, load

    try:
        return load(config, {"data_dir": data_dir} if data_dir is not None else {})
    except ConfigError as error:
        raise fail(str(error)) from None


def _holder(settings: Config, node: str | None) -> RunningServer | None:
    """The server that holds the embedded store; None where it can be read from here."""
    from neurorail.app.location import running_server

    if settings.clickhouse.url is not None:
        return None
    server = running_server(settings.data_dir)
    if server is not None and node is not None:
        own = settings.node or (settings.data_dir / "node").read_text(encoding="utf-8")
        if node != own:
            raise fail(f"the running server reads its own history, node {own!r}, not {node!r}")
    return server


def _asked(
    server: RunningServer, what: str, body: dict[str, Any], tenant: str, moved: Moved
) -> bytes:
    from neurorail.app.asked_rerun import NoReport, asked_rerun

    with server_errors():
        try:
            return asked_rerun(server, what, body, tenant, moved)
        except NoReport as error:
            raise fail(str(error), DOES_NOT_HOLD) from None


def _time(text: str | None) -> datetime | None:
    """The time that `--since` or `--until` names; without a zone it is local."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text is None:
        return None
    if text[:-1].isdecimal() and text[-1:] in units:
        return datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise fail(f"{text!r} is no time: write 7d, 12h, 30m, or ISO 8601") from None


def _unix_nano(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.timestamp()) * 1_000_000_000


@contextmanager
def _history(settings: Config, node: str | None) -> Iterator[tuple[Store, str]]:
    """The stored history that is meant; what cannot be read ends the command."""
    from neurorail.app.stored_history import NoHistory, stored_history
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    try:
        with stored_history(settings, node) as found:
            yield found
    except (NoHistory, StoreError, DataDirectoryInUse, OSError) as error:
        raise fail(str(error)) from None


@contextmanager
def _bar(what: str, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, quiet=quiet), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
