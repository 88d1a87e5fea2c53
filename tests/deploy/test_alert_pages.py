"""Every alert has a page that says what it means and what to do, and no page is left behind."""

from __future__ import annotations

from pathlib import Path

import yaml


def test_every_alert_has_its_page(root: Path) -> None:
    groups = yaml.safe_load((root / "deploy/prometheus/alerts.yaml").read_text())["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    severities = {name: rule["labels"]["severity"] for name, rule in rules.items()}
    for name, rule in rules.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    pages = {
        path.stem: path.read_text()
        for path in (root / "docs" / "runbooks").glob("*.md")
        if path.stem != "index"
    }
    assert set(pages) == set(severities)
    index = (root / "docs" / "runbooks" / "index.md").read_text()
    for name, text in pages.items():
        headings = [line for line in text.splitlines() if line.startswith("#")]
        assert headings == [f"# {name}", "## What it means", "## Look at", "## Do"]
        assert f"Severity: {severities[name]}." in text
        assert f"| [{name}]({name}.md) | {severities[name]} |" in index
