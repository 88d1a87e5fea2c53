"""Tests with tools that are not everywhere are collected where they are."""

from __future__ import annotations

import shutil

TOOLS = ("hadolint", "helm", "otelcol-contrib", "promtool", "systemd-analyze")
collect_ignore = [
    f"test_with_{tool.replace('-', '_')}.py" for tool in TOOLS if shutil.which(tool) is None
]
