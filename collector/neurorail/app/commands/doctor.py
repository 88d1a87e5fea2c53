"""`neurorail doctor`: can a server run here, and is the one that runs well?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from neurorail.app.commands.options import DOES_NOT_HOLD, ConfigFile, DataDir, Json, fail

if TYPE_CHECKING:
    from neurorail.app.config import Config
    from neurorail.app.doctor.finding import Finding

STYLES = {"ok": "green", "warning": "yellow", "wrong": "bold red"}


def doctor(config: ConfigFile = None, data_dir: DataDir = None, as_json: Json = False) -> None:
    """Check whether a server can run here, or whether it is well.

    Data directory, disk, ports, ClickHouse, schema, prices, clock and limits. Status 1 when
    something is wrong.
    """
    from neurorail.app.config_load import ConfigError, load

    try:
        settings = load(config, {"data_dir": data_dir} if data_dir is not None else {})
    except ConfigError as error:
        raise fail(str(error)) from None
    findings = []
    for finding in examine(settings):
        findings.append(finding)
    wrong = any(finding.status == "wrong" for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": not wrong, "checks": [asdict(each) for each in findings]}))
    else:
        _show(findings)
    if wrong:
        raise typer.Exit(DOES_NOT_HOLD)


def examine(settings: Config) -> Iterator[Finding]:
    """Every check, in order."""
    from neurorail.app.doctor import machine, prices, server, store
    from neurorail.app.location import running_server

    found = running_server(settings.data_dir)
    yield machine.directory(settings)
    yield machine.lock(settings, found)
    yield machine.disk(settings)
    yield from server.running(found)
    yield from machine.ports(settings, found)
    yield from store.clickhouse(settings, found)
    yield prices.prices(settings)
    yield machine.clock(settings)
    yield machine.open_files()
    yield machine.engine()


def _show(findings: list[Finding]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from neurorail.app.show.console import plain_console

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("check", no_wrap=True)
    table.add_column("")
    table.add_column("found")
    table.add_column("what to do")
    for finding in findings:
        status = Text(finding.status, style=STYLES[finding.status])
        table.add_row(finding.check, status, finding.detail, finding.remedy)
    plain_console().print(table)
