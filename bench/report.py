"""What a measurement says: a table for people, a JSON file for machines."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

RESULTS: Final = Path(__file__).with_name("results")

Number = float | int | str | bool | None


@dataclass(slots=True)
class Report:
    """The numbers of one measurement, in the order in which they are shown."""

    name: str
    numbers: dict[str, Number] = field(default_factory=dict)
    goals: dict[str, bool] = field(default_factory=dict)
    """What was to be reached, and whether it was."""

    def add(self, **numbers: Number) -> None:
        """Add numbers; a name ends with its unit."""
        self.numbers.update(numbers)

    def goal(self, text: str, reached: bool) -> None:
        """Add a goal."""
        self.goals[text] = reached

    def publish(self) -> bool:
        """Print the table, write the file; return whether every goal was reached."""
        self.save()
        show([self])
        return all(self.goals.values())

    def save(self) -> None:
        """Write the file."""
        RESULTS.mkdir(exist_ok=True)
        _write(RESULTS / f"{self.name}.json", {"machine": machine(), **self.content()})

    def content(self) -> dict[str, object]:
        """Return what the file holds beside the machine."""
        return {"name": self.name, "numbers": self.numbers, "goals": self.goals}


def save_all(reports: list[Report]) -> Path:
    """Write one file with all `reports` and return its path."""
    path = RESULTS / "bench.json"
    _write(path, {"machine": machine(), "reports": [report.content() for report in reports]})
    return path


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def show(reports: list[Report]) -> None:
    """Print reports as one table."""
    table = Table(title=None if len(reports) > 1 else reports[0].name)
    table.add_column("number")
    table.add_column("value", justify="right")
    for report in reports:
        if len(reports) > 1:
            table.add_row(f"[bold]{report.name}", "")
        for name, number in report.numbers.items():
            table.add_row(name, _shown(number))
        for text, reached in report.goals.items():
            table.add_row(text, "[green]yes" if reached else "[red]no")
        table.add_section()
    Console().print(table)


def machine() -> Mapping[str, Number]:
    """Return what numbers depend on."""
    return {
        "processors": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": platform.system(),
        "commit": _commit(),
        "measured_unix": int(time.time()),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or None


def _shown(number: Number) -> str:
    if isinstance(number, float):
        return f"{number:,.3g}" if abs(number) < 100 else f"{number:,.0f}"
    if isinstance(number, int) and not isinstance(number, bool):
        return f"{number:,}"
    return str(number)
