"""`neurorail budget`: what is left of budgets, and changing them while the work runs."""

from __future__ import annotations

import json
from typing import Annotated, Any, Final

import typer

from neurorail.app.commands.asking import get, post
from neurorail.app.commands.options import ConfigFile, DataDir, Json, Server, fail

app = typer.Typer(help="What is left of budgets, and changing that.", no_args_is_help=True)

PATH: Final = "/api/neurorail/v1/budgets"
_TYPES: Final = {"m_": "mission", "p_": "plan", "j_": "job", "a_": "attempt"}
_UNITS: Final = {"wall_time": " ms", "cost": " USD"}
Id = Annotated[
    str, typer.Argument(metavar="ID", help="Id of a mission, a plan, a job or an attempt.")
]


def _count(what: str) -> Any:
    return typer.Option(min=0, metavar="N", help=what)


@app.callback()
def budget() -> None:
    """What is left of budgets, and changing that."""


@app.command("show")
def show(
    entity_id: Id,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show what is left of the budgets that an entity is under.

    Of its own, of those above it, and of its pools.
    """
    found = get(f"{PATH}?entity_id={_checked(entity_id)}", server, data_dir, config)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for scope in found["budgets"]:
        for one in scope["limits"]:
            left, limit = _amount(one, "left"), _amount(one, "limit")
            typer.echo(f"{_name(scope)}  {one['kind']}: {left} of {limit} left  ({one['rule_id']})")


@app.command("set")
def set_limits(
    entity_id: Id,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is audited.")],
    max_cost_usd: Annotated[
        str | None, typer.Option(metavar="USD", help="Cost in US dollars.")
    ] = None,
    max_tokens: Annotated[int | None, _count("Input and output tokens together.")] = None,
    max_input_tokens: Annotated[int | None, _count("Input tokens.")] = None,
    max_output_tokens: Annotated[int | None, _count("Output tokens.")] = None,
    max_tool_calls: Annotated[int | None, _count("Calls of tools.")] = None,
    max_model_calls: Annotated[int | None, _count("Calls of models.")] = None,
    timeout_ms: Annotated[int | None, _count("Time from start to end, in milliseconds.")] = None,
    max_retries: Annotated[int | None, _count("Attempts after the first of each job.")] = None,
    max_parallel: Annotated[int | None, _count("Attempts that run at once.")] = None,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Raise or lower limits of what runs. Status 1 when it has ended or is not known.

    A limit that holds can be raised as far as you like, and not removed.
    """
    limits = {
        "max_cost_usd": max_cost_usd,
        "max_tokens": max_tokens,
        "max_input_tokens": max_input_tokens,
        "max_output_tokens": max_output_tokens,
        "max_tool_calls": max_tool_calls,
        "max_model_calls": max_model_calls,
        "timeout_ms": timeout_ms,
        "max_retries": max_retries,
        "max_parallel": max_parallel,
    }
    stated = {name: value for name, value in limits.items() if value is not None}
    if not stated:
        raise fail("name at least one limit, for example --max-cost-usd 5")
    path = f"{PATH}/{_TYPES[_checked(entity_id)[:2]]}/{entity_id}"
    done = post(path, {"limits": stated, "reason": reason}, server, data_dir, config)
    if as_json:
        typer.echo(json.dumps(done))
        return
    for name, limit in done["limits"].items():
        before = done["before"][name]
        typer.echo(f"{name}: {'no limit' if before is None else _plain(before)} → {_plain(limit)}")
    for one in done["remaining"]:
        typer.echo(f"{one['kind']}: {_amount(one, 'least_left')} left{_bound(one)}")


def _checked(entity_id: str) -> str:
    if entity_id[:2] not in _TYPES:
        raise fail(f"{entity_id!r} is no id of a mission, a plan, a job or an attempt: m_…, p_…, …")
    return entity_id


def _name(scope: dict[str, Any]) -> str:
    if "pool" in scope:
        return f"pool {scope['pool']} {scope['key']}"
    return f"{scope['entity_type']} {scope['entity_id']}"


def _amount(one: dict[str, Any], name: str) -> str:
    return f"{_plain(one[name])}{_UNITS.get(one['kind'], '')}"


def _plain(amount: float) -> str:
    """Without an exponent, and without zeros that say nothing."""
    return str(amount) if isinstance(amount, int) else f"{amount:.12f}".rstrip("0").rstrip(".")


def _bound(one: dict[str, Any]) -> str:
    return "" if one["bound_by"] is None else f", bound by {_name(one['bound_by'])}"
