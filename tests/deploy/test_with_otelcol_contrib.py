"""What a Collector says of its configurations."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from tests.deploy.conftest import Tool
from tests.deploy.test_settings import COLLECTORS

VARIABLES = {
    "NEURORAIL_OTLP": "127.0.0.1:4317",
    "NEURORAIL_KEY": "a-key-of-tests",
    "TRACES_OTLP": "127.0.0.1:1",
    "LOGS_OTLP_HTTP": "http://127.0.0.1:2",
    "METRICS_OTLP_HTTP": "http://127.0.0.1:3",
}
STORAGE = "/var/lib/otelcol"


def unbalanced(text: str) -> str:
    """A configuration with the exporter that `loadbalancing` makes for each of its servers.

    Everything but the balancing itself is then understood by a Collector without that exporter.
    """
    config = yaml.safe_load(text)
    balancing = config["exporters"].pop("loadbalancing/mission", None)
    if balancing is None:
        return text
    first = balancing["resolver"]["static"]["hostnames"][0]
    config["exporters"]["otlp_grpc/one"] = {"endpoint": first, **balancing["protocol"]["otlp"]}
    for pipeline in config["service"]["pipelines"].values():
        names = pipeline["exporters"]
        pipeline["exporters"] = [n.replace("loadbalancing/mission", "otlp_grpc/one") for n in names]
    return yaml.safe_dump(config)


@pytest.mark.toolchain
@pytest.mark.parametrize(
    "name", ["opentelemetry-collector.yaml", *(f"collector/{each}" for each in COLLECTORS)]
)
def test_the_collector_understands_its_configuration(
    root: Path, tmp_path: Path, tool: Tool, name: str
) -> None:
    collector = tool("otelcol-contrib")
    copy = tmp_path / "collector.yaml"
    # Its directory is there on the machine that it is for.
    text = (root / "deploy" / name).read_text().replace(STORAGE, str(tmp_path))
    known = subprocess.run([collector, "components"], check=True, capture_output=True, text=True)
    copy.write_text(text if "name: loadbalancing" in known.stdout else unbalanced(text))
    done = subprocess.run(
        [collector, "validate", f"--config={copy}"],
        check=False, capture_output=True, text=True, env=VARIABLES,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
