"""What the chart renders; collected where helm is installed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurorail.app.config_load import load

TEMPLATE = ("helm", "template", "rail", "--kube-version", "1.31.0")
SECRETS = ("--set", "adminKey.existingSecret=keys")
FULL = (
    *SECRETS,
    "--set", "clickhouse.existingSecret=clickhouse",
    "--set", "serviceMonitor.enabled=true",
    "--set", "serviceMonitor.existingSecret=keys",
    "--set", "config.export.destinations.tempo.endpoint=http://tempo:4317",
    "--set-json", 'networkPolicy.to=[{"ports":[{"port":8123}]}]',
    "--set-json", 'extraEnv=[{"name":"A","value":"b"}]',
    "--set-json", 'extraVolumes=[{"name":"v","emptyDir":{}}]',
    "--set-json", 'extraVolumeMounts=[{"name":"v","mountPath":"/v"}]',
    "--set", "podLabels.team=a", "--set", "podAnnotations.note=b",
)  # fmt: skip


@pytest.fixture
def chart(root: Path) -> Path:
    return root / "deploy" / "helm" / "neurorail"


def rendered(chart: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [*TEMPLATE, str(chart), *options],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {each["kind"]: each for each in yaml.safe_load_all(done.stdout) if each}


def test_helm_finds_nothing_to_complain_about(chart: Path) -> None:
    subprocess.run(["helm", "lint", "--strict", str(chart), *SECRETS], check=True)


def test_what_the_chart_renders_by_default(chart: Path) -> None:
    found = rendered(chart, *SECRETS)
    assert set(found) == {
        "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount",
        "StatefulSet",
    }  # fmt: skip
    pod = found["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert [each["name"] for each in container["env"]] == ["NEURORAIL_ADMIN_KEY"]
    selector = found["Service"]["spec"]["selector"]
    assert (
        selector.items() <= found["StatefulSet"]["spec"]["template"]["metadata"]["labels"].items()
    )
    assert yaml.safe_load(found["ConfigMap"]["data"]["neurorail.yaml"]) == {}


def test_what_the_chart_renders_with_everything(chart: Path) -> None:
    found = rendered(chart, *FULL)
    pod = found["StatefulSet"]["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["annotations"]["note"] == "b"
    names = [each["name"] for each in pod["spec"]["containers"][0]["env"]]
    assert names == ["NEURORAIL_ADMIN_KEY", "NEURORAIL_CLICKHOUSE__URL", "A"]
    config = yaml.safe_load(found["ConfigMap"]["data"]["neurorail.yaml"])
    assert load(None, config).export.destinations["tempo"].endpoint == "http://tempo:4317"
    (endpoint,) = found["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "keys", "key": "viewer-key"}


def test_the_chart_wants_its_key(chart: Path) -> None:
    done = subprocess.run([*TEMPLATE, str(chart)], check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "adminKey.existingSecret" in done.stderr
