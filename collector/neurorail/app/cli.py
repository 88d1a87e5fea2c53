"""The `neurorail` command.

Exit status: 0 done, 1 the thing asked about does not hold, 2 wrong usage or configuration.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

INSTALL_HINT = (
    "neurorail: the command line needs the server's packages, and {missing} is not installed: "
    'pip install "neurorail[collector]"'
)


def main() -> None:
    """Run the command line and end the process with its status."""
    if sys.argv[1:2] == ["run"]:
        # For agents: their installation has nothing of what the other commands need.
        from neurorail.instrumentation.runner import main as run_agent

        run_agent(sys.argv[2:])
        return
    try:
        import rich  # noqa: F401 - only to see whether it is there
        import typer  # noqa: F401
    except ImportError as error:
        print(INSTALL_HINT.format(missing=error.name), file=sys.stderr)
        sys.exit(2)
    build()()


def build() -> typer.Typer:
    """The application with every command. Commands import what they need when they run."""
    import typer

    from neurorail.app.commands import (
        audit,
        budget,
        confirmations,
        demo,
        doctor,
        erase,
        import_spans,
        keys,
        manifest,
        reflex,
        rules,
        run,
        serve,
        tail,
        trace,
    )

    app = typer.Typer(
        name="neurorail",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )

    @app.callback()
    def root(
        version: bool = typer.Option(
            False, "--version", help="Show the version.", callback=_show_version, is_eager=True
        ),
    ) -> None:
        """Governs the execution of AI agents from their OpenTelemetry data.

        Commands ask the server that runs on the data directory, as its user without a key. They
        ask another one with --server, or NEURORAIL_ENDPOINT, and its key in NEURORAIL_API_KEY.
        """

    app.command("serve")(serve.serve)
    app.command(
        "run",
        context_settings={
            "allow_extra_args": True,
            "ignore_unknown_options": True,
            "help_option_names": [],
        },
    )(run.run)
    app.command("demo")(demo.demo)
    app.command("tail")(tail.tail)
    app.command("trace")(trace.trace)
    app.command("doctor")(doctor.doctor)
    app.command("erase")(erase.erase)
    app.command("import")(import_spans.import_spans)
    app.add_typer(audit.app, name="audit")
    app.add_typer(budget.app, name="budget")
    app.add_typer(keys.app, name="keys")
    app.add_typer(manifest.app, name="manifest")
    app.add_typer(reflex.app, name="reflex")
    app.add_typer(confirmations.app, name="confirmations")
    app.add_typer(rules.app, name="rules")
    return app


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"neurorail {version('neurorail')}")
        sys.exit(0)


if __name__ == "__main__":
    main()
