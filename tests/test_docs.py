"""The documents agree with the code, and with each other."""

from __future__ import annotations

import importlib
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from neurorail.app import cli
from neurorail.collector.prices import read_overrides
from neurorail.rules.errors import CODES
from neurorail.rules.events import CHANNELS, EVENT_TYPES
from neurorail.semconv import attributes

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
SYMBOL = re.compile(
    r"`(neurorail\.(?:semconv|client|instrumentation|rules|collector|api|app)[\w.]*)`"
)


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[Path, str]:
    """Every document by its path."""
    paths = [*sorted((root / "docs").rglob("*.md")), *sorted(root.glob("*.md"))]
    assert len(paths) > 15
    return {path: path.read_text(encoding="utf-8") for path in paths}


@pytest.fixture(scope="module")
def prose(pages: dict[Path, str]) -> str:
    """All documents as one text."""
    return "\n".join(pages.values())


@pytest.fixture(scope="module")
def generator(root: Path) -> dict[str, Any]:
    """The script that writes the reference pages."""
    return runpy.run_path(str(root / "scripts" / "generate_docs.py"))


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def anchors(text: str) -> set[str]:
    """All anchors of a page."""
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_links_lead_somewhere(pages: dict[Path, str]) -> None:
    broken = []
    for path, text in pages.items():
        for match in LINK.finditer(text):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            other = (path.parent / name).resolve() if name else path
            if not other.exists():
                broken.append(f"{path.name} → {target}")
            elif anchor and anchor not in anchors(other.read_text(encoding="utf-8")):
                broken.append(f"{path.name} → {target} (no such heading)")
    assert broken == []


def test_every_page_is_in_the_navigation(root: Path) -> None:
    def leaves(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        inner = node.values() if isinstance(node, dict) else node
        return [leaf for part in inner for leaf in leaves(part)]

    docs = root / "docs"
    listed = leaves(yaml.safe_load((root / "mkdocs.yml").read_text())["nav"])
    assert sorted(listed) == sorted(str(p.relative_to(docs)) for p in docs.rglob("*.md"))


def test_reference_pages_are_fresh(generator: dict[str, Any]) -> None:
    assert generator["stale"]() == []


def test_a_stale_reference_page_is_noticed(root: Path, tmp_path: Path) -> None:
    generator = runpy.run_path(str(root / "scripts" / "generate_docs.py"))
    (tmp_path / "reference").mkdir()
    for name in generator["PAGES"]:
        (tmp_path / name).write_text(generator["render"](name))
    (tmp_path / "reference" / "events.md").write_text("old")
    stale = generator["stale"]
    stale.__globals__["FOLDER"] = tmp_path
    assert stale() == ["reference/events.md"]


def test_make_targets_in_the_documents_exist(root: Path, prose: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    named: set[str] = set()
    for line in re.findall(r"(?:^|`)make ((?:[a-z]+ ?)+)", prose, re.MULTILINE):
        named |= set(line.split())
    assert {"demo", "test"} <= named
    assert named - targets == set()


def test_every_make_target_says_what_it_does(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    for target in phony.group(1).split():
        if target != "docs-gen":
            assert re.search(rf"^{target}:.*## \w", makefile, re.MULTILINE), target


def command_names() -> list[str]:
    """Every command of the command line, as it is typed."""
    app = typer.main.get_command(cli.build())
    names = []
    for name, command in app.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        names += [f"{name} {sub}" for sub in inner] if inner else [name]
    return names


def test_every_command_is_documented(prose: str) -> None:
    assert [name for name in command_names() if f"neurorail {name}" not in prose] == []


def test_commands_in_the_documents_exist(prose: str) -> None:
    known = {name.split()[0] for name in command_names()}
    named = re.findall(r"(?:^|`|bin/)neurorail ([a-z]+)", prose, re.MULTILINE)
    assert named
    assert sorted(set(named) - known) == []


def test_names_of_code_in_the_documents_resolve(pages: dict[Path, str]) -> None:
    missing = []
    for path, text in pages.items():
        for dotted in sorted(set(SYMBOL.findall(text))):
            if not resolves(dotted):
                missing.append(f"{path.name}: {dotted}")
    assert missing == []


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or something inside one."""
    parts = dotted.split(".")
    for at in range(len(parts), 1, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:at]))
        except ModuleNotFoundError:
            continue
        for name in parts[at:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


@pytest.mark.parametrize("names", [tuple(EVENT_TYPES), CHANNELS, tuple(CODES)])
def test_every_name_that_clients_rely_on_is_documented(names: tuple[str, ...], prose: str) -> None:
    assert names
    assert [name for name in names if name not in prose] == []


def test_every_attribute_is_documented(prose: str) -> None:
    names = [
        value
        for name, value in vars(attributes).items()
        if name.isupper() and isinstance(value, str) and not value.endswith(".")
    ]
    names += [attributes.BUDGET_PREFIX + field for field in attributes.BUDGET_FIELDS]
    assert len(names) > 20
    assert [name for name in names if name not in prose] == []


def test_snippets_of_yaml_can_be_read(pages: dict[Path, str], root: Path) -> None:
    read = 0
    for text in pages.values():
        for snippet in re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            assert isinstance(yaml.safe_load(snippet), dict | list)
            read += 1
    assert read >= 2
    for path in (root / "deploy").rglob("*.yaml"):
        if path.parent.name != "templates":  # Those are YAML when helm has rendered them.
            assert isinstance(yaml.safe_load(path.read_text()), dict), path


def test_the_collector_snippet_is_part_of_the_whole_file(root: Path) -> None:
    whole = yaml.safe_load((root / "deploy" / "opentelemetry-collector.yaml").read_text())
    text = (root / "docs" / "send-telemetry.md").read_text()
    snippet = re.search(r"^```yaml\n(exporters:.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert snippet
    assert yaml.safe_load(snippet.group(1))["exporters"] == whole["exporters"]


def test_the_documented_prices_are_understood(root: Path) -> None:
    text = (root / "docs" / "budgets.md").read_text()
    (snippet,) = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(read_overrides(yaml.safe_load(snippet))) == 2
