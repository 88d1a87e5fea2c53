"""`neurorail tail`: events as they happen."""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from neurorail.app.commands.options import (
    ConfigFile,
    DataDir,
    Json,
    Server,
    data_directory,
    server_errors,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from neurorail.client import StreamMessage

WIDE = 100
"""Columns of a terminal that has room for everything."""


def tail(
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", "-c", help="Only this channel; repeatable. None means all."),
    ] = None,
    event_type: Annotated[
        list[str] | None, typer.Option("--type", "-t", help="Only this type; repeatable.")
    ] = None,
    entity: Annotated[
        list[str] | None,
        typer.Option("--entity", "-e", help="Only events about this id, at any level; repeatable."),
    ] = None,
    replay: Annotated[
        bool, typer.Option(help="Begin with what the server still has in memory.")
    ] = True,
    server: Server = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Show events as they happen, until Ctrl-C. Reconnects and resumes where it was."""
    from neurorail.app.location import client_for

    directory = data_directory(data_dir, config)
    with server_errors():
        client = client_for(server, directory)
        client.get_json("/health")
        live = not as_json and sys.stdout.isatty()
        show = _LiveTable() if live else None
        messages = client.follow_events(
            channel or (),
            event_type or (),
            entity or (),
            replay=replay,
            on_state=show.connection if show else _say,
        )
        try:
            if show:
                show.run(messages)
            else:
                _lines(messages, as_json=as_json)
        except KeyboardInterrupt:
            return
        except BrokenPipeError:
            # The reader has seen enough; the interpreter must not write to the pipe again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(state: str) -> None:
    if state != "connected":
        print(f"neurorail: {state}; connecting again", file=sys.stderr)


def _lines(messages: Iterable[StreamMessage], *, as_json: bool) -> None:
    from neurorail.app.show.format import clock, concerned
    from neurorail.app.show.summary import summary

    for message in messages:
        if as_json:
            line = message.raw
        else:
            line = (
                f"{clock(message.timestamp)}  {message.channel:<11}  {message.event_type:<20}  "
                f"{concerned(message.data)}  {summary(message.event_type, message.data)}"
            )
        print(line, flush=True)


class _LiveTable:
    """The newest events that fit on the screen."""

    def __init__(self) -> None:
        from neurorail.app.show.console import plain_console

        self._console = plain_console()
        self._rows: deque[StreamMessage] = deque(maxlen=max(5, self._console.height - 6))
        self._seen = 0
        self._state = "connecting"

    def connection(self, state: str) -> None:
        """Show whether the stream is connected."""
        self._state = state

    def run(self, messages: Iterable[StreamMessage]) -> None:
        """Show messages until they end."""
        from rich.live import Live

        # The screen is redrawn at a steady pace, however fast events come.
        with Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=8,
            vertical_overflow="crop",
        ):
            for message in messages:
                self._rows.append(message)
                self._seen += 1

    def _table(self) -> Table:
        from rich import box
        from rich.table import Table

        from neurorail.app.show.format import clock, concerned, event_style, short_id
        from neurorail.app.show.summary import summary

        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
        # What a narrow terminal has no room for tells least: the type belongs to one channel.
        wide = self._console.width >= WIDE
        columns = [("time", 12 if wide else 8), ("type", 20), ("entity", 13)]
        if wide:
            columns.insert(1, ("channel", 11))
        for name, width in columns:
            table.add_column(name, width=width, no_wrap=True, overflow="crop")
        table.add_column("what", ratio=1, no_wrap=True, overflow="ellipsis")
        for row in list(self._rows):
            table.add_row(
                clock(row.timestamp),
                *([row.channel] if wide else []),
                row.event_type,
                short_id(concerned(row.data)),
                summary(row.event_type, row.data),
                style=event_style(row.event_type),
            )
        table.caption = f"{self._seen:,} events · {self._state} · Ctrl-C ends"
        return table
