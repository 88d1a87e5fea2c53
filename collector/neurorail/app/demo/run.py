"""The demonstration from its first line to its last."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.live import Live

from neurorail.app.demo import show
from neurorail.app.demo.observed import Observed
from neurorail.app.demo.play import Play
from neurorail.app.demo.stage import Stage, StageError
from neurorail.app.location import RunningServer, running_server
from neurorail.app.show.console import plain_console
from neurorail.client import Client

if TYPE_CHECKING:
    from neurorail.app.demo.stage import Addresses

PLAIN_WIDTH: Final = 120


def run_demo(
    data_dir: Path | None,
    *,
    leave: bool,
    as_json: bool,
    ports: dict[str, int] | None = None,
    console: Console | None = None,
) -> int:
    """Run the demonstration.

    Args:
        data_dir: Where data stays; none: a temporary directory.
        leave: End after the summary instead of serving on.
        as_json: Write one JSON object instead of tables.
        ports: Of the server, by listener; 0 takes a free one. None: the usual ones.
        console: Where tables are written.

    Returns:
        0 if everything happened that was to happen, 1 if not.
    """
    if console is None:
        console = plain_console(quiet=as_json)
        if not console.is_terminal:
            # A file or a pipe has no width: wide enough for the summary without breaks.
            console.width = PLAIN_WIDTH
    stage = Stage(data_dir, ports)
    with _terminate_as_interrupt():
        try:
            return _run(stage, console, leave=leave, as_json=as_json)
        except KeyboardInterrupt:
            console.print("stopping …")
            return 0 if not leave else 1
        except StageError as error:
            Console(stderr=True).print(str(error), markup=False, style="red")
            return 1
        finally:
            stage.close()


def _run(stage: Stage, console: Console, *, leave: bool, as_json: bool) -> int:
    with console.status("starting the server …"):
        addresses = stage.open()
    console.print(show.addresses_panel(addresses))
    client = _client(stage, addresses)
    observed = Observed(client)
    if not observed.start():
        raise StageError(f"the live stream cannot be read: {observed.failure}")
    play = Play(stage, client, observed)
    _watch(play, observed, console)
    play.judge_server()
    observed.stop()
    console.print(show.summary_table(play))
    console.print(show.tally_line(observed.tally()))
    if as_json:
        print(show.summary_json(play, observed.tally(), addresses), flush=True)
    if not play.done:
        console.print(stage.log_tail(), markup=False, style="dim")
    if not leave:
        _serve_on(stage, addresses, console)
    return 0 if play.done else 1


def _client(stage: Stage, addresses: Addresses) -> Client:
    server: RunningServer | None = running_server(stage.data_dir)
    return Client(addresses.api, server.token if server else None)


def _watch(play: Play, observed: Observed, console: Console) -> None:
    if not console.is_terminal:
        _watch_plainly(play, observed, console)
        return

    def view() -> Any:
        return show.live_view(play.parts, observed)

    with Live(get_renderable=view, console=console, refresh_per_second=8, transient=True):
        play.run(lambda: None)


def _watch_plainly(play: Play, observed: Observed, console: Console) -> None:
    """One line whenever an agent moves on."""
    last: dict[str, str] = {}
    began = time.monotonic()

    def tell() -> None:
        for part in play.parts:
            if last.get(part.scenario.name) != part.status:
                last[part.scenario.name] = part.status
                elapsed = time.monotonic() - began
                console.print(
                    f"{elapsed:5.1f} s  {part.scenario.name:<10} {part.status}", highlight=False
                )

    play.run(tell)
    tell()


def _serve_on(stage: Stage, addresses: Addresses, console: Console) -> None:
    console.print(f"Serving until Ctrl-C: {addresses.api}/neurorail")
    waiting = threading.Event()
    while stage.server is not None and stage.server.status() is None:
        # Woken by a signal, or to see whether the server is still there.
        waiting.wait(1.0)
    raise StageError(f"the server ended:\n{stage.log_tail()}")


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C, so that no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
