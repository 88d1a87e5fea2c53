"""Writes the reference pages that have a single source in code; `--check` only compares them.

Exit status 1 with `--check`: a page differs from what the code says.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from fastapi import FastAPI

from neurorail.api import (
    ApiConfig,
    ApiDependencies,
    audit_checkpoints,
    audit_export,
    audit_verify,
    create_app,
    erasure,
    imports,
    reruns,
    spans,
)
from neurorail.api.access import Needs, governed
from neurorail.app import cli, config_example
from neurorail.app.config import Config
from neurorail.app.more_routes import API_PREFIX, GOVERNOR_PREFIX
from neurorail.app.service import Service
from neurorail.collector.export import Destination
from neurorail.rules import errors, events, lifecycle
from neurorail.rules.manifest.facts import FACTS
from neurorail.rules.manifest.kinds import (
    Choice,
    Duration,
    FactName,
    Flag,
    Kind,
    ListOf,
    MapOf,
    Prices,
    Section,
    Text,
    Usd,
    Variant,
    When,
    Whole,
    declared,
)
from neurorail.rules.manifest.model import Manifest
from neurorail.rules.manifest.schema import json_schema

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.api_types import answer_type, linked, reached, sections

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs"
NOTICE: Final = "<!-- Made by scripts/generate_docs.py; change the code that it names. -->\n\n"
CHANNEL_MEANINGS: Final = {
    events.AUDIT: "what was executed, and what happened to the record itself",
    events.LIFECYCLE: "states of missions, plans, jobs, attempts and resources",
    events.METRICS: "totals, and what was corrected in them",
    events.REFLEX: "circuit breakers and what they triggered",
    events.GOVERNOR: "decisions and manifests",
    events.ENFORCEMENT: "usage, budgets, timeouts, retries",
    events.ALL: "every event of the other channels, each once; besides, a subscriber that falls"
    " behind is sent `stream_lagged`, which is no audit row",
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def page(title: str, introduction: str, *sections: str) -> str:
    """A page: heading, one paragraph, and what follows."""
    return "\n".join([f"# {title}\n", textwrap.fill(introduction, 96) + "\n", *sections])


def events_page() -> str:
    """Every type of event, by channel."""
    sections = []
    for channel in events.CHANNELS:
        kinds = [kind for kind in events.EVENT_TYPES.values() if kind.channel == channel]
        rows = [
            (code(kind.name), kind.category, kind.meaning, ", ".join(map(code, kind.fields)))
            for kind in kinds
        ]
        text = f"## {channel}\n\nChannel `{channel}`: {CHANNEL_MEANINGS[channel]}.\n"
        if rows:
            text += "\n" + table(("event type", "category", "meaning", "fields"), rows)
        sections.append(text)
    severities = ", ".join(code(name) for name in events.SEVERITIES)
    sections.append(f"Severities: {severities}.\n")
    return page(
        "Events",
        "What NeuroRail decides and notices is an event. Each is streamed live on one channel and"
        " is a row of the audit trail. `data` always holds the chain ids that it concerns"
        " (`mission_id`, `plan_id`, `job_id`, `attempt_id`, `resource_id`) beside the fields named"
        " here, and `imported` where it comes of [imported spans](../import.md). Fields that end in"
        " `_usd_pico` are whole 10⁻¹² US dollars. The source is"
        " `neurorail.rules.events`.",
        *sections,
    )


def lifecycle_page() -> str:
    """The lifecycle table, and the way from each state."""
    rows = [
        (code(before) if before else "(none)", code(name), code(after))
        for (before, name), after in lifecycle.TRANSITIONS.items()
    ]
    ways = []
    for state in (lifecycle.NONE, *lifecycle.STATES):
        allowed = ", ".join(code(name) for name in lifecycle.allowed_transitions(state))
        terminal = "yes" if state in lifecycle.TERMINAL else "no"
        ways.append((code(state) if state else "(none)", terminal, allowed or "none, for ever"))
    steps = [
        (code(state) if state else "(none)", code(name), ", ".join(map(code, missing)))
        for (state, name), missing in lifecycle.MISSING_STEPS.items()
        if missing
    ]
    inferred = textwrap.fill(
        "A transition whose predecessors were never reported waits for them up to the lateness;"
        " then these steps are inferred and marked `gap`. What a finished span proves is inferred"
        " at once.",
        96,
    )
    return page(
        "State machine",
        "One table for missions, plans, jobs, attempts and resources. A *reported* pair that it"
        " does not list is illegal: a `transition_rejected` event with code NR-E301, and the state"
        " stays. The source is `neurorail.rules.lifecycle`.",
        table(("from", "transition", "to"), rows),
        "## From each state\n\n" + table(("state", "terminal", "allowed transitions"), ways),
        f"## Steps that are inferred\n\n{inferred}\n\n"
        + table(("state", "transition", "steps inferred before it"), steps),
    )


def errors_page() -> str:
    """Every error code."""
    rows = [
        (each.code, each.name, each.category, "yes" if each.retriable else "no", each.meaning)
        for each in errors.CODES.values()
    ]
    return page(
        "Error codes",
        "A published number never changes its meaning. Over HTTP they come as RFC 9457 problems"
        " (`application/problem+json`) with the members `code`, `category`, `retriable` and"
        " `details`; OTLP errors follow the OTLP specification instead. A manifest's own refusals"
        " are `NR-E2xx`, category ETHICAL, never retriable. Source: `neurorail.rules.errors`.",
        table(("code", "name", "category", "retriable", "meaning"), rows),
    )


def configuration_page() -> str:
    """Every setting."""
    return page(
        "Configuration",
        "Settings come from one YAML file (`neurorail serve --config neurorail.yaml`), then from"
        " variables, then from options of the command line; the later wins. A misspelt key is an"
        " error, with its line and a suggestion. The source is `neurorail.app.config`.",
        f"```yaml\n{config_example.render().rstrip()}\n```\n",
        "## Export destinations\n",
        "Below `export.destinations.NAME`; [what they do](../export.md).\n",
        table(("setting", "default", "meaning"), destination_rows()),
    )


def destination_rows() -> list[tuple[str, str, str]]:
    """Every setting of an export destination."""
    meanings = config_example.meanings(Destination)
    example = Destination("http://HOST:PORT")
    return [
        (
            code(field.name),
            "" if field.name == "endpoint" else code(config_example.scalar(value)),
            meanings.get(field.name, ""),
        )
        for field in dataclasses.fields(Destination)
        for value in [getattr(example, field.name)]
    ]


def metrics_page() -> str:
    """Every metric that the server shows from the start."""
    meanings: dict[str, str] = {}
    rows = []
    for line in exposition().splitlines():
        if line.startswith("# HELP "):
            name, _, meanings[name] = line.removeprefix("# HELP ").partition(" ")
        elif line.startswith("# TYPE "):
            name, _, kind = line.removeprefix("# TYPE ").partition(" ")
            rows.append((code(name), kind, meanings[name]))
    return page(
        "Metrics",
        "`GET /metrics`, in Prometheus text format. No label holds an id, and no text that"
        " telemetry chooses. The pipeline's own metrics have the names of the OpenTelemetry"
        " Collector's.",
        table(("metric", "type", "meaning"), rows),
    )


def exposition() -> str:
    """What `/metrics` of a server shows that is put together, but not started."""
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Config(data_dir=Path(folder) / "data"))
        service._directory.open()
        try:
            service._build("docs")
            return service._health.exposition()[0].decode()
        finally:
            service._directory.close()


def command_line_page() -> str:
    """Every command with its options."""
    sections = []
    for name, command in commands():
        context = command.make_context(name, [], resilient_parsing=True, terminal_width=96)
        help_text = command.get_help(context).replace("Usage: ", "", 1).strip()
        sections.append(f"## {name}\n\n```text\n{help_text}\n```\n")
    return page(
        "Command line",
        "Exit status: 0 done, 1 the thing asked about does not hold (verification failed, a check"
        " found something wrong), 2 wrong usage or configuration. Errors go to standard error."
        " Commands ask the server that runs on the data directory, as its user without a key;"
        " another one is named by `--server` or `NEURORAIL_ENDPOINT`, its key is"
        " `NEURORAIL_API_KEY`. `--data-dir` counts more than `NEURORAIL_ENDPOINT`, and a data"
        " directory that is named but has no server is an error.",
        *sections,
    )


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that can be typed, with its full name."""
    group: Any = typer.main.get_command(cli.build())
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield f"neurorail {name}", command
        else:
            yield from ((f"neurorail {name} {sub}", each) for sub, each in inner.items())


def needs_text(needs: Needs) -> str:
    """What a route needs of its caller, for the table."""
    if needs.public:
        return "everybody"
    text = ", ".join(map(code, needs.permissions)) or "any"
    return text + (", agents" if needs.agents else "")


def whole_api() -> FastAPI:
    """The application with every route that a whole server has, over nothing."""
    nothing = dict.fromkeys(field.name for field in dataclasses.fields(ApiDependencies))
    parts: Any = nothing | {"config": ApiConfig(), "version": "0"}
    app = create_app(ApiDependencies(**parts))
    unused: Any = None
    for router in (
        audit_verify.create_router(unused),
        audit_export.create_router(unused, unused, unused),
        audit_checkpoints.create_router(unused, unused),
        spans.create_router(unused),
        erasure.create_router(unused, unused),
        imports.create_router(unused, unused, unused, unused),
    ):
        app.include_router(router, prefix=API_PREFIX)
    for router in reruns.create_routers(unused):
        app.include_router(router, prefix=GOVERNOR_PREFIX)
    return app


def api_page() -> str:
    """Every operation of the HTTP API."""
    app = whole_api()
    needed = {name: needs_text(route.needs) for name, route in governed(app).items()}
    rows, types, spec = [], [], app.openapi()
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            query = [each["name"] for each in operation.get("parameters", ())
                     if each["in"] == "query"]  # fmt: skip
            meaning = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
            shown = ", ".join(map(code, query))
            operation_name = f"{method.upper()} {path}"
            kind = answer_type(operation)
            types += [kind] if kind else []
            answer = linked(kind) if kind else "no JSON"
            told = (code(operation_name), meaning, answer, needed[operation_name], shown)
            rows.append(told)
    named = sorted(reached(spec, types))
    return page(
        "HTTP API",
        "On port 8000. `GET /docs` shows it with every field, `/openapi.json` describes it for"
        " machines. Errors are RFC 9457 problems: 404 for an unknown entity, 422 for a bad id or"
        " field, 503 with `Retry-After` when the store cannot answer now. Lists go page by page:"
        " pass `next_cursor` on as `cursor`. Money is a number with up to 12 decimal places.",
        table(("operation", "does", "answers", "needs", "query"), rows),
        "*needs*: the permission of the caller's credential; *any* is a valid credential of a"
        " person or program, *agents* are allowed besides, *everybody* needs none.\n",
        "The ControlDeck is at `/neurorail`.\n",
        "## What is answered\n\nTimes are ISO 8601 in UTC with nine digits. The examples are made"
        " from the same description.\n",
        *sections(spec, named),
    )


def manifest_page() -> str:
    """Every section, field, fact, trigger and action of a manifest."""
    sections = [_section_of_manifest("The document", Manifest)]
    for name, section in _sections_of_manifest():
        sections.append(_section_of_manifest(name, section))
    rows = [
        (code(fact.name), fact.type, fact.meaning + (f" One of {', '.join(fact.words)}." if
         fact.words else "")) for fact in FACTS.values()
    ]  # fmt: skip
    facts = textwrap.fill(
        "What a condition or a key may name, besides `tag.<name>` and `context.<name>`. In plain"
        " conditions `cost_usd` (an amount), `duration` and `first_signal` (`30s`) are written"
        " instead of `cost_usd_pico`, `duration_ms` and `first_signal_ms`.",
        96,
    )
    return page(
        "Manifest",
        "What a manifest may hold. A key that is not listed is an error. For editors there is a"
        " [JSON Schema](manifest.schema.json), also from `neurorail rules schema`. The source is"
        " `neurorail.rules.manifest.model`.",
        *sections,
        f"## Facts\n\n{facts}\n\n" + table(("fact", "type", "meaning"), rows),
    )


def _sections_of_manifest() -> Iterator[tuple[str, type[Any]]]:
    """The dataclasses of a manifest, each once, in the order in which they are met."""
    waiting: list[type[Any]] = [Manifest]
    known = {Manifest}
    for section in waiting:
        for one in declared(section):
            kind = one.spec.kind
            while isinstance(kind, ListOf | MapOf):
                kind = kind.item
            if one.spec.hidden or not isinstance(kind, Section | Variant):
                continue
            inner = [("", kind.of)] if isinstance(kind, Section) else list(kind.of.items())
            for name, of in inner:
                if of not in known:
                    known.add(of)
                    waiting.append(of)
                    yield f"{of.__name__}" + (f" (`{name}`)" if name else ""), of


def _section_of_manifest(title: str, section: type[Any]) -> str:
    fields = [one for one in declared(section) if not one.spec.hidden]
    rows = [(code(one.name), _form(one.spec.kind), "yes" if one.required else "", one.spec.doc)
            for one in fields]  # fmt: skip
    meaning = (section.__doc__ or "").splitlines()[0]
    listed = table(("key", "form", "required", "meaning"), rows) if rows else ""
    return f"## {title}\n\n{textwrap.fill(meaning, 96)}\n\n{listed}"


def _form(kind: Kind) -> str:
    match kind:
        case Choice(words):
            return ", ".join(map(code, words))
        case ListOf(item):
            return f"list of: {_form(item)}"
        case MapOf(item):
            return f"mapping of: {_form(item)}"
        case Section(of):
            return of.__name__
        case Variant(of):
            return "one of " + ", ".join(map(code, of))
        case _:
            return FORMS[type(kind)]


FORMS: Final[dict[type[Any], str]] = {
    Text: "text",
    Whole: "whole number",
    Flag: "`true` or `false`",
    Duration: "time, as `30s`",
    Usd: "US dollars",
    FactName: "name of a fact",
    When: "condition",
    Prices: "list of prices",
}


def gallery_page() -> str:
    """Small manifests, each for one purpose."""
    sections = []
    for path in sorted((ROOT / "docs" / "manifests").glob("*.yaml")):
        text = path.read_text()
        comment = [line for line in text.split("neurorail_manifest:")[0].splitlines() if line]
        said = textwrap.fill(" ".join(line.removeprefix("# ") for line in comment), 96)
        body = text[text.index("neurorail_manifest:") :].rstrip()
        title = path.stem.replace("-", " ").capitalize()
        sections.append(
            f"## {title}\n\n{said} [File](../manifests/{path.name}).\n\n```yaml\n{body}\n```\n"
        )
    return page(
        "Manifest gallery",
        "Small manifests to begin with. `neurorail rules lint FILE` checks what you make of them,"
        " `neurorail rules backtest --manifest FILE` tries it on history.",
        *sections,
    )


PAGES: Final[dict[str, Callable[[], str]]] = {
    "api.md": api_page,
    "reference/command-line.md": command_line_page,
    "reference/configuration.md": configuration_page,
    "reference/errors.md": errors_page,
    "reference/events.md": events_page,
    "reference/manifest.md": manifest_page,
    "reference/manifest-gallery.md": gallery_page,
    "reference/manifest.schema.json": lambda: json.dumps(json_schema()) + "\n",
    "reference/metrics.md": metrics_page,
    "reference/state-machine.md": lifecycle_page,
}


def render(name: str) -> str:
    """A whole page, as it has to be on disk."""
    return (NOTICE if name.endswith(".md") else "") + PAGES[name]()


def stale() -> list[str]:
    """Pages that differ from what the code says."""
    paths = {name: FOLDER / name for name in PAGES}
    return [n for n, path in paths.items() if not path.exists() or path.read_text() != render(n)]


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    differing = stale()
    for name in differing:
        if check:
            print(f"docs/{name} is stale: run make docs", file=sys.stderr)
        else:
            (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / name).write_text(render(name))
            print(f"wrote docs/{name}")
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
