"""A backtest's report as plain values, money as exact decimal numbers of US dollars."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from neurorail.collector.engine.encoding import usd_number
from neurorail.collector.rerun.backtest import BacktestReport, SideReport
from neurorail.collector.rerun.tally import BUCKETS, Refused

_IDS = ("mission_id", "plan_id", "job_id", "attempt_id", "resource_id")


def report_json(report: BacktestReport) -> bytes:
    """The report as JSON. Its links are paths; `with_links` leads them to a server."""
    return msgspec.json.encode(_report_body(report))


def with_links(report: bytes, base_url: str) -> bytes:
    """A report of which the links begin with `base_url`, the address of a server's API."""
    body = json.loads(report, parse_float=_as_written)
    for side in ("new", "against"):
        for example in body[side]["examples"]:
            if example["link"] is not None:
                example["link"] = base_url.rstrip("/") + example["link"]
    return msgspec.json.encode(body)


def _as_written(text: str) -> msgspec.Raw:
    """A number as it is written, digit by digit."""
    return msgspec.Raw(text.encode())


def _report_body(report: BacktestReport) -> dict[str, Any]:
    step = max(report.end_unix_nano - report.begin_unix_nano, 1) / BUCKETS
    return {
        "node": report.node,
        "tenant": report.tenant,
        "since": _time(report.begin_unix_nano),
        "until": _time(report.end_unix_nano),
        "records": report.records,
        "observations": report.observations,
        "approximate": report.approximate,
        "calls": {
            "all": report.new.tally.calls,
            "newly_refused": report.newly_refused,
            "newly_allowed": report.newly_allowed,
            "refused_by_both": report.both_refused,
        },
        "new": _side(report.new),
        "against": _side(report.against),
        "timeline": [
            {
                "at": _time(round(report.begin_unix_nano + place * step)),
                **{
                    name: {
                        "calls": bucket.calls,
                        "refused": bucket.refused,
                        "spend_usd": usd_number(bucket.spend_usd_pico),
                        "avoided_usd": usd_number(bucket.avoided_usd_pico),
                    }
                    for name, bucket in (
                        ("new", report.new.tally.buckets[place]),
                        ("against", report.against.tally.buckets[place]),
                    )
                },
            }
            for place in range(BUCKETS)
        ],
    }


def _side(side: SideReport) -> dict[str, Any]:
    tally = side.tally
    return {
        "name": side.name,
        "version": side.version,
        "sha256": side.sha256,
        "calls_refused": tally.refused,
        "false_positive_candidates": tally.false_positives,
        "spend_usd": usd_number(tally.spend_usd_pico),
        "spend_avoided_usd": usd_number(tally.avoided_usd_pico),
        "decisions": tally.decisions,
        "decisions_refused": tally.decisions_refused,
        "warnings": tally.warnings,
        "violations": tally.violations,
        "triggers": tally.triggers,
        "cancellations": tally.cancellations,
        "confirmations": tally.confirmations,
        "circuits_opened": tally.circuits_opened,
        "rules": {
            name: {
                "refused": rule.refused,
                "false_positive_candidates": rule.false_positives,
                "spend_avoided_usd": usd_number(rule.spend_avoided_usd_pico),
                "warned": rule.warned,
                "violated": rule.violated,
                "triggered": rule.triggered,
                "cancelled": rule.cancelled,
            }
            for name, rule in sorted(tally.rules.items())
        },
        "examples": [_example(one) for one in tally.examples],
    }


def _example(one: Refused) -> dict[str, Any]:
    named: Mapping[str, str | None] = dict(zip(_IDS, one.ids, strict=True))
    mission = named["mission_id"]
    link = f"/neurorail/trace?mission={mission}" if mission else None
    return {
        "at": _time(one.at_unix_nano),
        **named,
        "trace_id": one.trace_id,
        "call": one.what,
        "cost_usd": usd_number(one.cost_usd_pico),
        "succeeded": one.succeeded,
        "code": one.code,
        "rules": one.rules,
        "reason": one.reason,
        "link": link,
    }


def _time(unix_nano: int) -> str:
    seconds = unix_nano // 1_000_000_000
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
