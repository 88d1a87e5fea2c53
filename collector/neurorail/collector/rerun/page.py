"""A backtest's report as one HTML page that needs nothing else: no script, no other file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any, Final

_WIDTH: Final = 900
_HEIGHT: Final = 180
_MARGIN: Final = 44
_NEW: Final = "var(--new)"
_AGAINST: Final = "var(--against)"

STYLE: Final = """
:root{color-scheme:light dark;--new:#2563eb;--against:#9ca3af;--bad:#dc2626;--line:#d1d5db}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
figure{margin:1.5rem 0}figcaption{font-weight:600}svg{width:100%;height:auto}
code{font-size:.9em;overflow-wrap:anywhere}
.key span{display:inline-block;width:.8rem;height:.8rem;margin:0 .3rem 0 1rem}
.key .new{background:var(--new)}.key .against{background:var(--against)}
"""

_NUMBERS: Final = (
    ("calls refused", "calls_refused"),
    ("of them succeeded in truth", "false_positive_candidates"),
    ("spend, USD", "spend_usd"),
    ("spend avoided, USD", "spend_avoided_usd"),
    ("decisions asked for", "decisions"),
    ("decisions refused", "decisions_refused"),
    ("budget warnings", "warnings"),
    ("budget violations", "violations"),
    ("reflexes triggered", "triggers"),
    ("cancelled", "cancellations"),
    ("confirmations wanted", "confirmations"),
    ("circuits opened", "circuits_opened"),
)
_OF_RULE: Final = (
    ("refused", "refused"),
    ("in truth succeeded", "false_positive_candidates"),
    ("avoided, USD", "spend_avoided_usd"),
    ("warned", "warned"),
    ("violated", "violated"),
    ("triggered", "triggered"),
    ("cancelled", "cancelled"),
)


def report_page(report: bytes) -> str:
    """The page of a report that `report_json` made."""
    body = json.loads(report, parse_float=str)
    new, against = body["new"], body["against"]
    title = f"Backtest of manifest {new['version']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(new['name'])} {escape(new['version'])} against {escape(against['name'])} "
        f"{escape(against['version'])}, {escape(body['since'])} to {escape(body['until'])}, "
        f"{body['calls']['all']} calls in {body['records']} records of node "
        f"{escape(body['node'])}.</p>",
        _list("Not exact:", body["approximate"]),
        _summary(body),
        _key(),
        _plot("Spend, USD", body["timeline"], "spend_usd"),
        _plot("Spend avoided, USD", body["timeline"], "avoided_usd"),
        _plot("Calls refused", body["timeline"], "refused"),
        _bars(new["rules"]),
        _rules(new["rules"]),
        _examples(new["examples"]),
        f"<p><code>sha256 {escape(new['sha256'])}</code></p>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"{''.join(parts)}</body></html>\n"
    )


def _list(head: str, items: Sequence[str]) -> str:
    return f"<p>{escape(head)} {escape('; '.join(items))}.</p>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; all columns but the first hold numbers."""
    cells = "".join(
        f"<th{' class=n' if place else ''}>{escape(one)}</th>" for place, one in enumerate(head)
    )
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if place else ''}>{one}</td>" for place, one in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )  # fmt: skip
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table>"


def _summary(body: dict[str, Any]) -> str:
    rows = [
        (escape(name), escape(str(body["new"][key])), escape(str(body["against"][key])))
        for name, key in _NUMBERS
    ]
    calls = body["calls"]
    rows.append(("newly refused", str(calls["newly_refused"]), ""))
    rows.append(("newly allowed", str(calls["newly_allowed"]), ""))
    return _table(("", "new", "against"), rows)


def _key() -> str:
    return '<p class="key"><span class="new"></span>new<span class="against"></span>against</p>'


def _plot(title: str, timeline: Sequence[dict[str, Any]], key: str) -> str:
    """Two lines over time."""
    series = {name: [float(point[name][key]) for point in timeline] for name in ("against", "new")}
    top = max(max(values) for values in series.values()) or 1.0
    lines = "".join(
        f'<polyline fill="none" stroke="{_AGAINST if name == "against" else _NEW}" '
        f'stroke-width="2" points="{_points(values, top)}"/>'
        for name, values in series.items()
    )
    base = _HEIGHT - 20
    axis = (
        f'<line x1="{_MARGIN}" y1="{base}" x2="{_WIDTH}" y2="{base}" stroke="var(--line)"/>'
        f'<text x="0" y="14" font-size="12" fill="currentColor">{top:.3g}</text>'
        f'<text x="0" y="{base}" font-size="12" fill="currentColor">0</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 4}" font-size="12" fill="currentColor">'
        f"{escape(timeline[0]['at'])}</text>"
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg role="img" '
        f'aria-label="{escape(title)} over time" viewBox="0 0 {_WIDTH} {_HEIGHT}">'
        f"{axis}{lines}</svg></figure>"
    )


def _points(values: Sequence[float], top: float) -> str:
    width = (_WIDTH - _MARGIN) / max(len(values) - 1, 1)
    height = _HEIGHT - 30
    return " ".join(
        f"{_MARGIN + place * width:.1f},{10 + height * (1 - value / top):.1f}"
        for place, value in enumerate(values)
    )


def _bars(rules: dict[str, dict[str, Any]]) -> str:
    """Refusals of each rule; the part that in truth succeeded in red."""
    refusing = sorted(
        ((name, rule) for name, rule in rules.items() if rule["refused"]),
        key=lambda item: (-item[1]["refused"], item[0]),
    )[:20]
    if not refusing:
        return ""
    most = refusing[0][1]["refused"]
    bars = []
    for place, (name, rule) in enumerate(refusing):
        y = place * 24
        whole = 600 * rule["refused"] / most
        wrong = 600 * rule["false_positive_candidates"] / most
        bars.append(
            f'<text x="0" y="{y + 14}" font-size="12" fill="currentColor">{escape(name)}</text>'
            f'<rect x="250" y="{y + 2}" width="{whole:.1f}" height="16" fill="{_NEW}"/>'
            f'<rect x="250" y="{y + 2}" width="{wrong:.1f}" height="16" fill="var(--bad)"/>'
            f'<text x="{256 + whole:.1f}" y="{y + 14}" font-size="12" fill="currentColor">'
            f"{rule['refused']}</text>"
        )
    height = len(refusing) * 24
    return (
        "<figure><figcaption>Calls refused by rule; in red those that in truth succeeded"
        '</figcaption><svg role="img" aria-label="Calls refused by rule" '
        f'viewBox="0 0 {_WIDTH} {height}">{"".join(bars)}</svg></figure>'
    )


def _rules(rules: dict[str, dict[str, Any]]) -> str:
    rows = [
        (escape(name), *(escape(str(rule[key])) for _, key in _OF_RULE))
        for name, rule in rules.items()
    ]
    if not rows:
        return "<p>No rule said anything.</p>"
    return "<h2>Rules</h2>" + _table(("rule", *(name for name, _ in _OF_RULE)), rows)


def _examples(examples: Sequence[dict[str, Any]]) -> str:
    if not examples:
        return ""
    items = []
    for one in examples:
        mission = escape(one["mission_id"] or "no mission")
        link = f'<a href="{escape(one["link"])}">{mission}</a>' if one["link"] else mission
        ended = "succeeded" if one["succeeded"] else "did not succeed"
        items.append(
            f"<li>{escape(one['at'])} {link}: {escape(one['call'])}, {escape(str(one['cost_usd']))}"
            f" USD, in truth it {ended}. {escape(one['code'])} {escape(', '.join(one['rules']))}: "
            f"{escape(one['reason'])}</li>"
        )
    return f"<h2>Examples</h2><ul>{''.join(items)}</ul>"
