"""The tree is tidy: nothing left undone, nothing of the machine it was written on."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

LINES_MAX = 500
LONG_FOR_A_REASON = {
    "requirements.lock": "a line a hash",
    "docs/api.md": "a section a type, generated",
    "api/vendor/package-lock.json": "a line a hash",
    "tests/end_to_end/javascript/package-lock.json": "a line a hash",
    "collector/neurorail/collector/store/migrations/0003_metrics.sql": "five tables, spelt out",
    "deploy/clickhouse/replicated.sql": "every migration, generated",
    "deploy/clickhouse/single.sql": "every migration, generated",
    "docs/reference/command-line.md": "every command with every option, generated",
    "rules/neurorail/rules/engine.py": "one handler for each kind of observation",
    "rules/neurorail/rules/transitions.py": "every way of judging one table, read together",
    "tests/collector/otlp/test_http.py": "every answer of one listener, case by case",
}
LISTS_OF_CASES = "tests/rules/scenarios/"
TEXT_SUFFIXES = {
    "", ".cfg", ".css", ".html", ".in", ".js", ".json", ".lock", ".md", ".mjs", ".proto", ".py",
    ".sh", ".sql", ".toml", ".ts", ".txt", ".yaml", ".yml",
}  # fmt: skip
UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
OF_A_MACHINE = re.compile(
    r"/wo" + r"rk/|/ro" + r"ot/|/ho" + r"me/\w|/Us" + r"ers/\w|/opt/wh" + r"eels"
    r"|files\.pythonho" + r"sted|registry\.npm" + r"js|--extra-in" + r"dex-url|--find-li" + r"nks"
)
THIRD_PARTY = re.compile(r"(?:^|/)vendor/")


def tracked(root: Path) -> list[Path]:
    """The files of the tree, as git sees them."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [root / name for name in listing.split("\0") if name and (root / name).is_file()]


@pytest.fixture(scope="module")
def texts(root: Path) -> dict[str, str]:
    """Our own text files by their path."""
    found = {}
    for path in tracked(root):
        name = path.relative_to(root).as_posix()
        if path.suffix in TEXT_SUFFIXES and not THIRD_PARTY.search(name):
            found[name] = path.read_text(encoding="utf-8")
    assert "pyproject.toml" in found
    return found


def lines_with(pattern: re.Pattern[str], texts: dict[str, str]) -> list[str]:
    """`path:line: text` of every line that matches."""
    return [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later(texts: dict[str, str]) -> None:
    assert lines_with(UNDONE, texts) == []


def test_nothing_names_the_machine_it_was_written_on(texts: dict[str, str]) -> None:
    assert lines_with(OF_A_MACHINE, texts) == []


def test_third_party_files_name_no_registry(root: Path) -> None:
    vendored = [path for path in tracked(root) if THIRD_PARTY.search(str(path.relative_to(root)))]
    readable = {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for path in vendored
        if path.suffix in {".json", ".md", ".txt"}
    }
    assert lines_with(OF_A_MACHINE, readable) == []


def test_no_file_is_too_long_to_read(texts: dict[str, str]) -> None:
    long = {
        name: text.count("\n")
        for name, text in texts.items()
        if text.count("\n") > LINES_MAX
        and name not in LONG_FOR_A_REASON
        and not name.startswith(LISTS_OF_CASES)
    }
    assert long == {}


def test_exceptions_are_of_files_that_exist(root: Path) -> None:
    assert [name for name in LONG_FOR_A_REASON if not (root / name).exists()] == []


def test_every_file_ends_with_a_line_end(texts: dict[str, str]) -> None:
    assert [name for name, text in texts.items() if text and not text.endswith("\n")] == []


def test_the_changelog_speaks_of_this_version(root: Path, texts: dict[str, str]) -> None:
    version = tomllib.loads(texts["pyproject.toml"])["project"]["version"]
    headings = re.findall(r"^## \[([^\]]+)\]", texts["CHANGELOG.md"], re.MULTILINE)
    assert headings[0] in {version, "Unreleased"}
    entry = texts["CHANGELOG.md"].split(f"## [{headings[0]}]", 1)[1].split("\n## [")[0]
    assert re.search(r"^- ", entry, re.MULTILINE)


def test_every_test_can_be_collected_by_its_name(texts: dict[str, str]) -> None:
    stray = [
        name
        for name, text in texts.items()
        if name.startswith("tests/")
        and name.endswith(".py")
        and re.search(r"^(?:async )?def test_", text, re.MULTILINE)
        and not Path(name).name.startswith("test_")
    ]
    assert stray == []


def test_the_lock_names_every_direct_dependency(texts: dict[str, str]) -> None:
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    names = {re.split(r"[\[<>=;, ]", line, maxsplit=1)[0].lower() for line in wanted}
    locked = set(re.findall(r"^([a-z0-9_.-]+)==", texts["requirements.lock"], re.MULTILINE))
    assert names - locked == set()
