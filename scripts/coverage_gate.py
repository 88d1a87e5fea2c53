"""Shows the coverage of each part and holds it against the gates.

`neurorail.rules`, the engine, must be covered to the last branch; everything else together to
90 %. Reads what `make coverage` left in `.coverage`. Exit status 1: a gate does not hold.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).resolve().parent.parent
ENGINE = "neurorail.rules"
ENGINE_GATE_PERCENT = 100.0
REST_GATE_PERCENT = 90.0


@dataclass(slots=True)
class Tally:
    """Statements and branches of a part, and how many of them ran."""

    covered: int = 0
    total: int = 0

    def add(self, summary: dict[str, int]) -> None:
        """Count one file's summary as coverage writes it."""
        self.covered += summary["covered_lines"] + summary.get("covered_branches", 0)
        self.total += summary["num_statements"] + summary.get("num_branches", 0)

    @property
    def percent(self) -> float:
        """Per cent of lines and branches that ran; 100 for a part without code."""
        return 100.0 * self.covered / self.total if self.total else 100.0


def part_of(path: str) -> str:
    """`rules/neurorail/rules/engine.py` → `neurorail.rules`."""
    pieces = Path(path).parts
    at = pieces.index("neurorail")
    return ".".join(pieces[at : at + 2])


def tally(files: dict[str, dict[str, dict[str, int]]]) -> dict[str, Tally]:
    """The tallies of all parts, by part, in alphabetical order."""
    parts: defaultdict[str, Tally] = defaultdict(Tally)
    for path, entry in sorted(files.items()):
        parts[part_of(path)].add(entry["summary"])
    return dict(sorted(parts.items()))


def failures(parts: dict[str, Tally]) -> list[str]:
    """The gates that do not hold, in words."""
    found = []
    engine = parts.get(ENGINE, Tally())
    if engine.covered < engine.total:
        missing = engine.total - engine.covered
        found.append(f"{ENGINE}: {missing} lines or branches never ran; the gate is 100 %")
    rest = Tally()
    for name, part in parts.items():
        if name != ENGINE:
            rest.covered += part.covered
            rest.total += part.total
    if rest.percent < REST_GATE_PERCENT:
        found.append(f"everything else: {rest.percent:.1f} %; the gate is {REST_GATE_PERCENT:g} %")
    return found


def measured_files() -> dict[str, dict[str, dict[str, int]]]:
    """What coverage measured, file by file."""
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "coverage.json"
        coverage.json_report(outfile=str(target))
        files: dict[str, dict[str, dict[str, int]]] = json.loads(target.read_text())["files"]
    return files


def missing_in_engine(files: dict[str, dict[str, dict[str, int]]]) -> list[str]:
    """Engine files that are not wholly covered, with their per cent."""
    lines = []
    for path, entry in sorted(files.items()):
        one = Tally()
        one.add(entry["summary"])
        if part_of(path) == ENGINE and one.covered < one.total:
            lines.append(f"  {path}: {one.percent:.1f} %")
    return lines


def main() -> int:
    """Print the table; say which gates do not hold."""
    files = measured_files()
    parts = tally(files)
    print("branch coverage")
    for name, part in parts.items():
        print(f"  {name:<28} {part.percent:6.1f} %  ({part.covered} of {part.total})")
    problems = failures(parts)
    for problem in problems:
        print(f"coverage gate: {problem}", file=sys.stderr)
    if problems:
        print("\n".join(missing_in_engine(files)), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
