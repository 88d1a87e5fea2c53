"""What systemd says of the unit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.deploy.conftest import Tool


def test_systemd_understands_the_unit(root: Path, tmp_path: Path, tool: Tool) -> None:
    unit = (root / "deploy/systemd/neurorail.service").read_text()
    assert "ExecStart=/opt/neurorail/bin/neurorail serve --config" in unit
    copy = tmp_path / "neurorail.service"
    # The program is not installed here; everything else is looked at as it is.
    copy.write_text(unit.replace("/opt/neurorail/bin/neurorail", "/bin/true"))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--recursive-errors=no", str(copy)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "neurorail.service" not in done.stderr, done.stderr
