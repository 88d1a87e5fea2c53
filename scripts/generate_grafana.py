"""Writes Grafana's dashboards to `deploy/grafana/dashboards/`.

python -m scripts.generate_grafana           # write
python -m scripts.generate_grafana --check   # compare, write nothing
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scripts.grafana.dashboards import DASHBOARDS

FOLDER = Path(__file__).resolve().parent.parent / "deploy" / "grafana" / "dashboards"


def rendered() -> dict[str, str]:
    """The text of every file by its name."""
    return {f"{name}.json": _text(make()) for name, make in DASHBOARDS.items()}


def _text(board: dict[str, Any]) -> str:
    """A line a panel: a change of one is a change of one line."""
    panels = ",\n".join(f"  {json.dumps(panel, ensure_ascii=False)}" for panel in board["panels"])
    head = json.dumps({**board, "panels": []}, indent=1, ensure_ascii=False)
    return head.replace('"panels": []', f'"panels": [\n{panels}\n ]') + "\n"


def main() -> int:
    """Writes or compares: 0 when the files are as they should be."""
    stale = 0
    for name, text in rendered().items():
        path = FOLDER / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.name}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
