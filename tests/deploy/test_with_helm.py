"""What the chart renders."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.conftest import Tool

from neurorail.app.config_load import load

pytestmark = pytest.mark.toolchain
TEMPLATE = ("template", "rail", "--kube-version", "1.31.0")
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


def text(helm: str, chart: Path, *options: str) -> str:
    done = subprocess.run(
        [helm, *TEMPLATE, str(chart), *options],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(helm: str, chart: Path, *options: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(text(helm, chart, *options))
    return {each["kind"]: each for each in documents if each}


@pytest.mark.parametrize("options", [SECRETS, FULL])
def test_kubernetes_knows_everything_that_the_chart_renders(
    root: Path, chart: Path, tmp_path: Path, tool: Tool, options: tuple[str, ...]
) -> None:
    (tmp_path / "all.yaml").write_text(text(tool("helm"), chart, *options), encoding="utf-8")
    schemas = root / "build/tools/kubernetes/{{.ResourceKind}}{{.KindSuffix}}.json"
    done = subprocess.run(
        [tool("kubeconform"), "-strict", "-summary", "-skip", "ServiceMonitor",
         "-schema-location", str(schemas), str(tmp_path / "all.yaml")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "Valid: 6, Invalid: 0, Errors: 0" in done.stdout


def test_helm_finds_nothing_to_complain_about(chart: Path, tool: Tool) -> None:
    subprocess.run([tool("helm"), "lint", "--strict", str(chart), *SECRETS], check=True)


def test_what_the_chart_renders_by_default(chart: Path, tool: Tool) -> None:
    found = rendered(tool("helm"), chart, *SECRETS)
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


def test_what_the_chart_renders_with_everything(chart: Path, tool: Tool) -> None:
    found = rendered(tool("helm"), chart, *FULL)
    pod = found["StatefulSet"]["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["annotations"]["note"] == "b"
    names = [each["name"] for each in pod["spec"]["containers"][0]["env"]]
    assert names == ["NEURORAIL_ADMIN_KEY", "NEURORAIL_CLICKHOUSE__URL", "A"]
    config = yaml.safe_load(found["ConfigMap"]["data"]["neurorail.yaml"])
    assert load(None, config).export.destinations["tempo"].endpoint == "http://tempo:4317"
    (endpoint,) = found["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "keys", "key": "viewer-key"}


def test_the_chart_wants_its_key(chart: Path, tool: Tool) -> None:
    done = subprocess.run(
        [tool("helm"), *TEMPLATE, str(chart)], check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "adminKey.existingSecret" in done.stderr
