"""`neurorail rules`: look at a manifest before anybody depends on it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorail.app.commands.files import read_file, read_or_fail
from neurorail.app.commands.options import DOES_NOT_HOLD, Json, fail
from neurorail.app.commands.rerun import backtest, replay

if TYPE_CHECKING:
    from neurorail.rules.manifest.model import Manifest

app = typer.Typer(help="Check, test and compare manifests.", no_args_is_help=True)
app.command("replay")(replay)
app.command("backtest")(backtest)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A manifest (YAML).")]


@app.callback()
def rules() -> None:
    """Check, test and compare manifests."""


@app.command("lint")
def lint(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Manifests (YAML).")],
    as_json: Json = False,
) -> None:
    """Check manifests. Status 1 when one is wrong (NR-E110): each fault with line and column.

    What only a server knows is not checked: whether the webhooks that alerts name are configured.
    With --json, a line for each file.
    """
    if not all([_holds(file, as_json) for file in files]):
        raise typer.Exit(DOES_NOT_HOLD)


def _holds(file: Path, as_json: bool) -> bool:
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
            said = {"file": str(file), "ok": False, "code": error.code, "faults": faults}
            typer.echo(json.dumps(said))
        else:
            for fault in error.faults:
                typer.echo(f"{file}:{fault}")
        return False
    said = {
        "file": str(file),
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
    return True


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
                said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                typer.echo(f"{sign} {change.path}: {said}")
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
    """Write the manifest that holds where there is no other. A place to begin."""
    from neurorail.rules.manifest.default import shipped_text

    typer.echo(shipped_text(), nl=False)


def count_rules(manifest: Manifest) -> dict[str, int]:
    """Rules by their section."""
    return {
        "mode rules": len(manifest.mode_rules),
        "budgets": len(manifest.budgets.defaults) + len(manifest.budgets.overrides),
        "pools": len(manifest.pools),
        "reflexes": len(manifest.reflexes),
    }
