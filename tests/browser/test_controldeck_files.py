"""The ControlDeck's files as packaged: pinned, local, and without anything inline."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

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


@pytest.mark.parametrize("document", ["index.html", "docs.html"])
def test_the_page_holds_no_inline_script_or_style(document: str) -> None:
    page = (DECK / document).read_text(encoding="utf-8")
    assert re.search(r"<style|\sstyle=|\son[a-z]+=", page) is None
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []
    targets = re.findall(r'(?:href|src)="([^"]+)"', page)
    # Who reads is asked for with the page, not after its modules.
    for target in {*targets} - {"../api/neurorail/v1/rbac/whoami"}:
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


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()
    deck.mount(app)
    with TestClient(app) as made:
        yield made


def test_the_document_names_files_that_a_browser_keeps(client: TestClient) -> None:
    page = client.get("/neurorail/trace")
    assert page.headers["cache-control"] == "no-cache"
    assert page.text == client.get("/neurorail/").text
    named = re.findall(r'(?:href|src)="\./([^"]+)"', page.text)
    assert len(named) > 30
    for name in named:
        assert re.fullmatch(r"v-[0-9a-f]{16}/.+", name)
        file = client.get(f"/neurorail/{name}")
        assert file.status_code == 200
        assert "immutable" in file.headers["cache-control"]
        assert file.content == (DECK / name.split("/", 1)[1]).read_bytes()


def test_a_file_by_its_bare_name_is_asked_about_again(client: TestClient) -> None:
    first = client.get("/neurorail/neurorail-stream.js")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-type"].startswith("text/javascript")
    known = {"If-None-Match": first.headers["etag"]}
    again = client.get("/neurorail/neurorail-stream.js", headers=known)
    assert (again.status_code, again.content) == (304, b"")


def test_another_version_gets_what_there_is_and_does_not_keep_it(client: TestClient) -> None:
    file = client.get("/neurorail/v-0123456789abcdef/app/main.js")
    assert file.status_code == 200
    assert file.headers["cache-control"] == "no-cache"


def test_files_are_packed_for_who_can_unpack_them(client: TestClient) -> None:
    plain = client.get("/neurorail/vendor/ui.js", headers={"Accept-Encoding": "identity"})
    packed = client.get("/neurorail/vendor/ui.js", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.content == plain.content
    font = client.get("/neurorail/vendor/inter-latin-wght-normal.woff2")
    assert "content-encoding" not in font.headers


@pytest.mark.parametrize(
    "path", ["nothing.js", "app", "../deck.py", "v-1/../../deck.py", "%2e%2e/deck.py"]
)
def test_what_is_not_packaged_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"/neurorail/{path}")
    assert answer.status_code == 404
    assert client.post("/neurorail/").status_code == 405
