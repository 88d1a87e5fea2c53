"""The image and the Compose file, as far as they can be checked without running them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement


@pytest.fixture
def dockerfile(root: Path) -> list[str]:
    """Its instructions, continued lines joined."""
    text = (root / "deploy" / "container" / "Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", text)
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def compose(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "deploy/compose/compose.yaml").read_text())
    return found


def stages(dockerfile: list[str]) -> dict[str, list[str]]:
    """Instructions by stage, in order."""
    found: dict[str, list[str]] = {}
    for line in dockerfile:
        begun = re.fullmatch(r"FROM (\S+) AS (\S+)", line)
        if begun:
            base = begun[1]
            assert base in found or base.startswith("python:"), f"{base} is no earlier stage"
            found[begun[2]] = list(found.get(base, []))
        elif found:
            found[list(found)[-1]].append(line)
    return found


def test_the_image_is_not_root_and_tells_its_health(dockerfile: list[str]) -> None:
    found = stages(dockerfile)
    assert list(found)[-1] == "server"
    for name in ("server", "demo"):
        instructions = found[name]
        assert [line for line in instructions if line.startswith("USER ")] == ["USER 10001:10001"]
        assert any(line.startswith("HEALTHCHECK ") and "/ready" in line for line in instructions)
        assert 'ENTRYPOINT ["neurorail"]' in instructions
        assert 'CMD ["serve"]' in instructions
        # What compiles and installs stays behind.
        assert not any("pip install" in line for line in instructions)


def test_stages_copy_from_stages_that_exist(dockerfile: list[str]) -> None:
    seen: list[str] = []
    for line in dockerfile:
        begun = re.fullmatch(r"FROM \S+ AS (\S+)", line)
        copied = re.match(r"COPY --from=(\S+) ", line)
        assert copied is None or copied[1] in seen, line
        if begun:
            seen.append(begun[1])


def test_what_the_build_copies_is_there_and_not_ignored(root: Path, dockerfile: list[str]) -> None:
    ignored = (root / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    sources = [
        source
        for line in dockerfile
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert {"pyproject.toml", "requirements.lock", "collector"} <= set(sources)
    for source in sources:
        assert (root / source).exists(), source
        assert f"!{source}" in ignored, source


def test_every_dependency_has_a_version_in_the_constraints(
    root: Path, dockerfile: list[str], tmp_path: Path
) -> None:
    """The image's own `sed` makes the constraints; what it misses would float."""
    command = next(line for line in dockerfile if "constraints.txt" in line)
    script = re.search(r"(sed -n '.*?') requirements.lock", command)
    assert script
    lock = root / "requirements.lock"
    done = subprocess.run(
        ["sh", "-c", f"{script[1]} {lock}"], check=True, capture_output=True, text=True
    )
    pinned = {line.split("==")[0].lower() for line in done.stdout.splitlines()}
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for wanted in project["dependencies"] + extras["collector"] + extras["demo"]:
        name = re.match(r"[A-Za-z0-9._-]+", wanted)
        assert name
        assert name[0].lower() in pinned, wanted
    requirements = [Requirement(line) for line in done.stdout.splitlines()]
    # Where a package has several versions, each says for which Python it is.
    for python in ("3.11.9", "3.12.9", "3.13.9"):
        where = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
        names = [
            each.name for each in requirements if not each.marker or each.marker.evaluate(where)
        ]
        assert len(names) == len(set(names)), python


def test_compose_names_what_there_is(root: Path, compose: dict[str, Any]) -> None:
    folder = root / "deploy" / "compose"
    services = compose["services"]
    assert {"neurorail", "clickhouse", "prometheus", "grafana", "agents"} <= set(services)
    targets = stages((root / "deploy/container/Dockerfile").read_text().splitlines())
    for name, service in services.items():
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            known = source in compose["volumes"] or (folder / source).exists()
            assert known, f"{name}: {volume}"
        build = service.get("build")
        if build:
            assert (folder / build["context"]).resolve() == root
            assert (root / build["dockerfile"]).exists()
            assert build["target"] in targets
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_every_secret_of_compose_must_be_given(root: Path) -> None:
    folder = root / "deploy" / "compose"
    named = re.findall(r"\$\{(\w+)(:\?)?", (folder / "compose.yaml").read_text())
    assert named
    assert {must for _, must in named} == {":?"}
    example = dict(
        line.split("=") for line in (folder / "example.env").read_text().splitlines() if "=" in line
    )
    assert {name for name, _ in named} == set(example)
    assert set(example.values()) == {""}, "an example must not be a password"


@pytest.mark.parametrize("name", ["agents.sh", "reader.sh"])
def test_scripts_of_compose_are_shell(root: Path, name: str) -> None:
    subprocess.run(["sh", "-n", str(root / "deploy/compose" / name)], check=True)


def test_agents_of_compose_exist(root: Path) -> None:
    text = (root / "deploy/compose/agents.sh").read_text()
    listed = re.search(r"for agent in ([\w ]+);", text)
    assert listed
    for agent in listed[1].split():
        assert find_spec(f"neurorail.app.demo.agents.{agent}"), agent
    assert find_spec("neurorail.app.demo.model_server")
