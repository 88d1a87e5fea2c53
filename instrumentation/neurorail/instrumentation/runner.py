"""`neurorail run agent.py`: telemetry, the gate and guards for a program that set up nothing."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LIMITS: Final = ("max_tokens", "max_cost_usd", "max_tool_calls", "timeout_ms")
EPILOG: Final = (
    "Telemetry goes where the standard OTEL_… variables say. A run of the program is a mission; "
    "NEURORAIL_PROCESS_MISSION=false lets every trace be one, which suits servers."
)


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    made = argparse.ArgumentParser(
        prog="neurorail run",
        description="Run a Python program under governance, without a change to it.",
        epilog=EPILOG,
    )
    made.add_argument("--name", help="name of the mission (default: the program's)")
    for limit in LIMITS:
        flag = f"--{limit.replace('_', '-')}"
        made.add_argument(flag, metavar="N", help=f"limit of the run: {limit}")
    made.add_argument("--mode", choices=("auto", "direct", "rail"), help="as NEURORAIL_MODE")
    made.add_argument(
        "--fail-closed", action="store_true", help="do nothing while the server cannot be asked"
    )
    made.add_argument("-m", dest="module", metavar="MODULE", help="run a module as a program")
    made.add_argument("program", nargs=argparse.REMAINDER, help="script and its arguments")
    return made


def main(arguments: Sequence[str]) -> None:
    """Run what the arguments name, in this process, as `__main__`.

    Raises:
        SystemExit: with status 2 where they name nothing, else as the program ends.
    """
    options = parser().parse_args(_split_module(list(arguments)))
    if not options.module and not options.program:
        parser().error("name a program to run")
    _set_variables(options)
    _check_variables()
    program = options.program[1:] if options.program[:1] == ["--"] else options.program
    if options.module:
        sys.argv = [options.module, *program]
        sys.path.insert(0, "")
        if not _is_module(options.module):
            parser().error(f"there is no module {options.module}")
    else:
        if not Path(program[0]).exists():
            parser().error(f"there is no program {program[0]}")
        sys.argv = program
        sys.path.insert(0, str(Path(program[0]).resolve().parent))
    os.environ.setdefault(
        "NEURORAIL_PROCESS_MISSION", options.name or options.module or Path(program[0]).name
    )

    from neurorail.instrumentation.instrumentor import NeuroRailInstrumentor

    NeuroRailInstrumentor().instrument()
    if options.module:
        runpy.run_module(options.module, run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(program[0], run_name="__main__")


def _check_variables() -> None:
    """End with a sentence where a setting is impossible; `--max-tokens` and its like are some."""
    from neurorail.instrumentation.budget import Budget
    from neurorail.instrumentation.gate.config import GateConfig

    try:
        Budget.from_environment()
        GateConfig.from_environment()
    except ValueError as error:
        parser().error(str(error))


def _is_module(name: str) -> bool:
    """Whether there is a module of this name; packages that it is in are imported."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _split_module(arguments: list[str]) -> list[str]:
    """Let what follows `-m MODULE` be the module's, as Python does."""
    if "-m" in arguments:
        place = arguments.index("-m")
        if all(one.startswith("-") or _is_value(arguments, at) for at, one in
               enumerate(arguments[:place])):  # fmt: skip
            return [*arguments[: place + 2], "--", *arguments[place + 2 :]]
    return arguments


def _is_value(arguments: list[str], at: int) -> bool:
    before = arguments[at - 1] if at else ""
    return before.startswith("--") and "=" not in before and before != "--fail-closed"


def _set_variables(options: argparse.Namespace) -> None:
    for limit in LIMITS:
        value = getattr(options, limit)
        if value is not None:
            os.environ[f"NEURORAIL_BUDGET_{limit.upper()}"] = value
    if options.mode:
        os.environ["NEURORAIL_MODE"] = options.mode
    if options.fail_closed:
        os.environ["NEURORAIL_FAIL"] = "closed"
    if options.name:
        os.environ["NEURORAIL_PROCESS_MISSION"] = options.name
