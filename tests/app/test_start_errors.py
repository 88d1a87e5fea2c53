"""What `neurorail serve` says of a directory or an address that it cannot have."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.waiting import PROGRAM_S

LISTENERS = ("--otlp-grpc", "--otlp-http", "--api")


def refused(data_dir: Path, *options: str) -> str:
    """The last line of a server that does not start; options given twice count the last time."""
    command = [sys.executable, "-m", "neurorail.app.cli", "serve", "--data-dir", str(data_dir)]
    for listener in LISTENERS:
        command += [listener, "127.0.0.1:0"]
    done = subprocess.run(
        [*command, *options], check=False, capture_output=True, text=True, timeout=PROGRAM_S
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("option", "name", "setting"),
    [
        ("--otlp-grpc", "OTLP/gRPC", "otlp.grpc.address"),
        ("--api", "API", "api.address"),
    ],
)
def test_an_address_that_is_taken_is_named_with_its_setting(
    tmp_path: Path, option: str, name: str, setting: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(tmp_path / "data", option, address)
    assert said == (
        f"neurorail: cannot start: port {name}: {address}: address already in use; "
        f"choose another {setting}, or {option}; or stop what listens there"
    )


def test_a_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert f"{file} is no directory; choose another --data-dir" in refused(file)
    below = refused(file / "below")
    assert f"{file / 'below'} cannot be made; choose another --data-dir" in below
