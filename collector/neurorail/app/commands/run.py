"""`neurorail run`: an agent under governance. Works on the light installation, too."""

from __future__ import annotations

import typer


def run(context: typer.Context) -> None:
    """Run a Python program under governance. It needs no change.

    `neurorail run [--name NAME] [--max-tokens N] [--max-cost-usd N] [--max-tool-calls N]
    [--timeout-ms N] [--mode auto|direct|rail] [--fail-closed] (agent.py | -m MODULE) …`
    """
    from neurorail.instrumentation.runner import main

    main(context.args)
