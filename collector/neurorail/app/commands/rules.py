"""`neurorail rules`: look at a manifest before anybody depends on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurorail.app.commands.options import DOES_NOT_HOLD, Json, fail

if TYPE_CHECKING:
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


@app.command("schema")
def schema() -> None:
    """Write the JSON Schema of manifests, for editors."""
    from neurorail.rules.manifest.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("default")
def default() -> None:
    """Write the manifest that holds where there is no other, with comments: a place to begin."""
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


def read_file(file: Path) -> str:
    """The text of a file that was named on the command line."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file} cannot be read: {error}") from None
