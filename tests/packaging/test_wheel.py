"""The wheel: what is in it, and that an agent's process can use it without the server."""

from __future__ import annotations

import re
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.support.waiting import PROGRAM_S

PARTS = ("instrumentation", "rules", "collector", "api")
SERVER_ONLY = (
    "chdb",
    "clickhouse_connect",
    "fastapi",
    "genai_prices",
    "msgspec",
    "openai",
    "prometheus_client",
    "pydantic",
    "rich",
    "sse_starlette",
    "starlette",
    "typer",
    "uvicorn",
    "uvloop",
)


def portions(root: Path) -> list[Path]:
    """The package folders directly below every `neurorail/`."""
    found = [
        folder
        for part in PARTS
        for folder in sorted((root / part / "neurorail").iterdir())
        if folder.is_dir() and folder.name != "__pycache__"
    ]
    assert len(found) >= 6
    return found


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from the work tree by the build backend itself, without a network."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=240)
    (made,) = target.glob("neurorail-*.whl")
    return made


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    """Every path inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def base_distributions() -> dict[str, metadata.Distribution]:
    """What `pip install neurorail` without extras brings, from the running environment."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(metadata.requires("neurorail") or [])
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        extras = requirement.extras or {""}
        wanted = requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras
        )
        if wanted and name not in found:
            found[name] = metadata.distribution(name)
            waiting += [line for line in found[name].requires or [] if "extra ==" not in line]
    return found


def link_into(site: Path, distribution: metadata.Distribution) -> None:
    """Make a distribution's files appear in another environment, file by file."""
    for file in distribution.files or []:
        source = Path(str(distribution.locate_file(file)))
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)


@pytest.fixture(scope="module")
def agent_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel and its base dependencies, no more."""
    home = tmp_path_factory.mktemp("agent") / "venv"
    venv.create(home, with_pip=True, symlinks=True)
    python = home / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, timeout=240)
    (site,) = (home / "lib").glob("python3*/site-packages")
    for distribution in base_distributions().values():
        link_into(site, distribution)
    return python


def run(python: Path, code: str) -> str:
    """What a program prints under an isolated interpreter."""
    done = subprocess.run(
        [str(python), "-I", "-c", code],
        check=False,
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_package_claims_the_namespace_for_itself(root: Path) -> None:
    assert [str(path) for part in PARTS for path in (root / part).glob("neurorail/*.py")] == []


def test_the_wheel_holds_every_source_file_and_nothing_else(root: Path, names: set[str]) -> None:
    expected = {
        f"neurorail/{path.relative_to(folder.parent)}"
        for folder in portions(root)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    inside = {name for name in names if not name.startswith("neurorail-")}
    assert inside == expected


def test_every_part_says_that_it_is_typed(root: Path, names: set[str]) -> None:
    expected = {f"neurorail/{folder.name}/py.typed" for folder in portions(root)}
    assert expected <= names


@pytest.mark.parametrize("suffix", [".sql", ".html", ".js", ".css", ".proto"])
def test_files_that_are_no_python_are_packed(names: set[str], suffix: str) -> None:
    assert [name for name in names if name.endswith(suffix)]


def test_no_test_and_no_bench_is_packed(names: set[str]) -> None:
    assert [name for name in names if name.startswith(("tests/", "bench/", "docs/"))] == []


def test_the_licence_is_packed(names: set[str]) -> None:
    assert [name for name in names if name.endswith("dist-info/licenses/LICENSE")]


def test_an_agent_can_import_its_side_alone(root: Path, agent_python: Path) -> None:
    modules = sorted(
        ".".join(path.relative_to(root / "instrumentation").with_suffix("").parts)
        for path in (root / "instrumentation" / "neurorail").rglob("*.py")
    )
    modules.remove("neurorail.client.asynchronous")  # The extra `client` is for it.
    code = "".join(f"import {name.removesuffix('.__init__')}\n" for name in modules)
    assert run(agent_python, code + "print('imported')") == "imported\n"


def test_the_light_installation_has_no_server_library(agent_python: Path) -> None:
    code = f"""
from importlib.util import find_spec
print([name for name in {SERVER_ONLY!r} if find_spec(name)])
"""
    assert run(agent_python, code) == "[]\n"


def test_the_command_says_what_it_lacks_on_the_light_installation(agent_python: Path) -> None:
    command = agent_python.parent / "neurorail"
    done = subprocess.run(
        [str(command), "serve"], check=False, capture_output=True, text=True, timeout=PROGRAM_S
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert 'pip install "neurorail[collector]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_the_light_installation_runs_programs_under_governance(
    agent_python: Path, tmp_path: Path
) -> None:
    script = tmp_path / "agent.py"
    script.write_text(
        "import sys\n"
        "from neurorail.instrumentation import current_entity\n"
        "print(current_entity().type, *sys.argv[1:])\n",
        encoding="utf-8",
    )
    silent = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "LOGS", "METRICS")}
    done = subprocess.run(
        [str(agent_python.parent / "neurorail"), "run", "--max-tokens", "5", str(script), "-x"],
        env={"NEURORAIL_ENDPOINT": "none", **silent},
        check=False, capture_output=True, text=True, timeout=PROGRAM_S,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "attempt -x\n", "")
