"""The ControlDeck's files as packaged: pinned, local, and without anything inline."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from neurorail.api import deck

DECK = deck.directory()
ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(DECK / "app").rglob("*.js"), DECK / "neurorail-stream.js"])


def test_vendored_files_are_those_that_the_list_of_parts_names() -> None:
    text = (DECK / "vendor" / "THIRD_PARTY.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+) \| \d+ \| ([0-9a-f]{64}) \|$", text, re.MULTILINE))
    found = {
        path.relative_to(DECK / "vendor").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (DECK / "vendor").rglob("*")
        if path.is_file() and path.name != "THIRD_PARTY.md"
    }
    assert listed == found
    assert {"ui.js", "chart.js", "uPlot.min.css"} <= found.keys()


def test_versions_listed_are_those_locked() -> None:
    text = (DECK / "vendor" / "THIRD_PARTY.md").read_text(encoding="utf-8")
    lock = json.loads((ROOT / "api" / "vendor" / "package-lock.json").read_text(encoding="utf-8"))
    parts = re.findall(r"^\| (\S+) \| (\d+\.\d+\.\d+) \|", text, re.MULTILINE)
    assert len(parts) == 7
    for name, version in parts:
        assert lock["packages"][f"node_modules/{name}"]["version"] == version


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(DECK).as_posix())
def test_modules_import_only_files_that_are_there(module: Path) -> None:
    source = module.read_text(encoding="utf-8")
    assert source.startswith("// @ts-check")
    for target in re.findall(r'^import\b[^;]*?"([^"]+)";', source, re.MULTILINE):
        assert target.startswith(("./", "../")), f"{target} is not a relative import"
        assert (module.parent / target).is_file()


def test_the_page_holds_no_inline_script_or_style() -> None:
    page = (DECK / "index.html").read_text(encoding="utf-8")
    assert re.search(r"<style|\sstyle=|\son[a-z]+=", page) is None
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    for target in re.findall(r'(?:href|src)="([^"]+)"', page):
        assert (DECK / target).is_file()


def test_the_page_names_every_module_that_it_begins_with() -> None:
    found: set[Path] = set()
    waiting = [DECK / "app" / "main.js"]
    while waiting:
        module = waiting.pop()
        source = module.read_text(encoding="utf-8")
        for target in re.findall(r'^import\b[^;]*?"([^"]+)";', source, re.MULTILINE):
            imported = (module.parent / target).resolve()
            if imported not in found:
                found.add(imported)
                waiting.append(imported)
    page = (DECK / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'<link rel="modulepreload" href="\./([^"]+)" />', page)
    assert sorted(named) == sorted(path.relative_to(DECK.resolve()).as_posix() for path in found)
