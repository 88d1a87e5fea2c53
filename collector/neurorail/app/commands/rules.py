"""`neurorail rules`: look at a manifest before anybody depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorail.app.commands.options import DOES_NOT_HOLD, ConfigFile, DataDir, Json, fail

if TYPE_CHECKING:
    from neurorail.collector.store.store import Store
    from neurorail.rules.manifest.model import Manifest

app = typer.Typer(help="Check, test and compare manifests.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A manifest (YAML).")]


@app.callback()
def rules() -> None:
    """Check, test and compare manifests."""


@app.command("lint")
def lint(file: File, as_json: Json = False) -> None:
    """Check a manifest. Status 1 when it is wrong (NR-E110): each fault with line and column."""
    from neurorail.collector.manifests.read import read_manifest
    from neurorail.rules.manifest.faults import ManifestInvalid

    text = read_file(file)
    try:
        manifest = read_manifest(text)
    except ManifestInvalid as error:
        if as_json:
            faults = [
                {"line": one.line, "column": one.column, "path": one.path, "message": one.message}
                for one in error.faults
            ]
            typer.echo(json.dumps({"ok": False, "code": error.code, "faults": faults}))
        else:
            for fault in error.faults:
                typer.echo(f"{file}:{fault}")
        raise typer.Exit(DOES_NOT_HOLD) from None
    said = {
        "ok": True,
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "rules": count_rules(manifest),
    }
    if as_json:
        typer.echo(json.dumps(said))
    else:
        rules = ", ".join(f"{number} {kind}" for kind, number in count_rules(manifest).items())
        typer.echo(f"{manifest.name} {manifest.version} holds: {rules}")
        typer.echo(f"sha256 {manifest.sha256}")


@app.command("test")
def run_tests(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Files of rule tests (YAML).")
    ],
    as_json: Json = False,
) -> None:
    """Run tests of rules. Status 1 when one of them fails."""
    from neurorail.rules.manifest.faults import ManifestInvalid
    from neurorail.rules.manifest.load import read_document
    from neurorail.rules.rule_tests.document import RuleTests
    from neurorail.rules.rule_tests.run import run_test

    results: list[dict[str, object]] = []
    for file in files:
        try:
            told: RuleTests = read_document(read_file(file), RuleTests)
        except ManifestInvalid as error:
            faults = "\n".join(f"{file}:{fault}" for fault in error.faults)
            raise fail(faults, DOES_NOT_HOLD) from None
        manifest = read_or_fail(file.parent / told.manifest)
        for one in told.tests:
            failures = [asdict(failure) for failure in run_test(manifest, one)]
            results.append({"file": str(file), "test": one.name, "failures": failures})
            if not as_json:
                _show_result(file, one.name, failures)
    failed = sum(bool(result["failures"]) for result in results)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "tests": results}))
    else:
        typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(DOES_NOT_HOLD)


def _show_result(file: Path, name: str, failures: list[dict[str, object]]) -> None:
    typer.echo(f"{'FAILED' if failures else 'ok'} {file}: {name}")
    for failure in failures:
        typer.echo(f"  step {failure['step']}: {failure['message']}")


@app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(metavar="BEFORE", help="A manifest (YAML).")],
    after: Annotated[Path, typer.Argument(metavar="AFTER", help="Another one.")],
    as_json: Json = False,
) -> None:
    """Show in what two manifests differ, however they are written."""
    from neurorail.rules.manifest.diff import diff as differences

    changes = differences(read_or_fail(before), read_or_fail(after))
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in changes]))
        return
    for change in changes:
        for sign, value in (("-", change.before), ("+", change.after)):
            if value is not None:
                typer.echo(f"{sign} {change.path}: {json.dumps(value, ensure_ascii=False)}")
    if not changes:
        typer.echo("they are the same")


@app.command("schema")
def schema(
    tests: Annotated[
        bool, typer.Option("--tests", help="That of files of rule tests instead.")
    ] = False,
) -> None:
    """Write the JSON Schema of manifests, for editors."""
    from neurorail.rules.manifest.schema import json_schema
    from neurorail.rules.rule_tests.document import RuleTests

    said = json_schema(RuleTests, "NeuroRail rule tests") if tests else json_schema()
    typer.echo(json.dumps(said, indent=2))


@app.command("default")
def default() -> None:
    """Write the manifest that holds where there is no other, with comments: a place to begin."""
    from neurorail.rules.manifest.default import shipped_text

    typer.echo(shipped_text(), nl=False)


Node = Annotated[
    str | None,
    typer.Option(help="Whose history; needed if several servers share a store.", metavar="NAME"),
]


@app.command("replay")
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
    """Replay stored history and compare every event with the audit. Status 1 when they differ."""
    import tempfile

    from neurorail.collector.rerun.exact import NoState
    from neurorail.collector.rerun.exact import replay as run

    with (
        _history(config, data_dir, node) as (store, found),
        _bar("replaying", as_json) as moved,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            report = run(
                store, found, Path(folder), after_seq=after, through_seq=through, progress=moved
            )
        except NoState as error:
            raise fail(str(error)) from None
    if report is None:
        raise fail(f"no record of node {found} is stored")
    if as_json:
        typer.echo(json.dumps({**asdict(report), "equal": report.equal}))
    else:
        typer.echo(f"{report.records:,} records gave {report.events:,} events, digest")
        typer.echo(f"  replayed {report.digest}")
        typer.echo(f"  archived {report.archived_digest}")
        difference = report.first_difference
        if difference is not None:
            archived, replayed = difference.archived or "none", difference.replayed or "none"
            typer.echo(f"they differ at {difference.event_id}: {archived}, replayed {replayed}")
    if not report.equal:
        raise typer.Exit(DOES_NOT_HOLD)


@app.command("backtest")
def backtest(
    manifest: Annotated[
        Path, typer.Option("--manifest", help="The manifest that is tried.", metavar="FILE")
    ],
    since: Annotated[
        str | None,
        typer.Option(help="Only what was received since: 7d, 12h, 30m, or a time in ISO 8601."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this manifest; without, with those active then."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with plots here.", metavar="FILE")
    ] = None,
    base_url: Annotated[
        str, typer.Option(help="Server that links in the report lead to.", metavar="URL")
    ] = "http://127.0.0.1:8000",
    tenant: Annotated[str, typer.Option(help="Whose calls.")] = "default",
    node: Node = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Run stored history under a manifest: what would have been refused, warned of, cancelled."""
    import tempfile

    from neurorail.app.show.backtest import show
    from neurorail.collector.rerun.backtest import backtest as run
    from neurorail.collector.rerun.page import report_page
    from neurorail.collector.rerun.report import report_json

    new = read_or_fail(manifest)
    other = None if against is None else read_or_fail(against)
    since_unix_nano = _since(since)
    with (
        _history(config, data_dir, node) as (store, found),
        _bar("backtesting", as_json) as moved,
        tempfile.TemporaryDirectory() as folder,
    ):
        report = run(
            store, found, Path(folder), new,
            against=other, tenant=tenant, since_unix_nano=since_unix_nano, progress=moved,
        )  # fmt: skip
    if report is None:
        raise fail(f"nothing of node {found} was received since then", DOES_NOT_HOLD)
    if html is not None:
        html.write_text(report_page(report, base_url), encoding="utf-8")
    if as_json:
        typer.echo(report_json(report, base_url).decode())
    else:
        show(report, base_url)
        if html is not None:
            typer.echo(f"the page is {html}")


def _since(text: str | None) -> int:
    """The time that `--since` names, in Unix nanoseconds."""
    from datetime import UTC, datetime, timedelta

    if text is None:
        return 0
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if text[:-1].isdecimal() and text[-1:] in units:
        moment = datetime.now(UTC) - timedelta(**{units[text[-1]]: int(text[:-1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise fail(f"{text!r} is no time: write 7d, 12h, 30m, or ISO 8601") from None
    return int(moment.timestamp()) * 1_000_000_000


def read_or_fail(file: Path) -> Manifest:
    """The manifest in a file; status 1 with its faults if it is none."""
    from neurorail.collector.manifests.read import read_manifest
    from neurorail.rules.manifest.faults import ManifestInvalid

    try:
        return read_manifest(read_file(file))
    except ManifestInvalid as error:
        faults = "\n".join(f"{file}:{fault}" for fault in error.faults)
        raise fail(faults, DOES_NOT_HOLD) from None


@contextmanager
def _history(
    config: Path | None, data_dir: Path | None, node: str | None
) -> Iterator[tuple[Store, str]]:
    """The stored history that options name; what cannot be read ends the command."""
    from neurorail.app.config_load import ConfigError, load
    from neurorail.app.stored_history import NoHistory, stored_history
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    try:
        settings = load(config, {"data_dir": data_dir} if data_dir is not None else {})
        with stored_history(settings, node) as found:
            yield found
    except (ConfigError, NoHistory, StoreError, DataDirectoryInUse, OSError) as error:
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


def count_rules(manifest: Manifest) -> dict[str, int]:
    """Rules by their section."""
    return {
        "mode rules": len(manifest.mode_rules),
        "budgets": len(manifest.budgets.defaults) + len(manifest.budgets.overrides),
        "pools": len(manifest.pools),
        "reflexes": len(manifest.reflexes),
    }


def read_file(file: Path) -> str:
    """The text of a file that was named on the command line."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file} cannot be read: {error}") from None
