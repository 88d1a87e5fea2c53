"""Writes Kubernetes' schemas of the chart's kinds as kubeconform reads them.

kubernetes_schemas.py DIRECTORY

They are those of the package kubernetes-validate, without the addresses that it resolves itself.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path

VERSION = "1.31.0"
DEFINITIONS = "_definitions.json"
KINDS = (
    "configmap-v1", "networkpolicy-networking-v1", "poddisruptionbudget-policy-v1",
    "service-v1", "serviceaccount-v1", "statefulset-apps-v1",
)  # fmt: skip


def main() -> None:
    """Writes a file for each kind, and one for what they share."""
    source = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local-strict"
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name in (DEFINITIONS, *(f"{kind}.json" for kind in KINDS)):
        text = (source / name).read_text("utf-8").replace(f'"/api/{DEFINITIONS}', f'"{DEFINITIONS}')
        schema = json.loads(text)
        schema.pop("$id", None)
        (target / name).write_text(json.dumps(schema), "utf-8")


if __name__ == "__main__":
    main()
