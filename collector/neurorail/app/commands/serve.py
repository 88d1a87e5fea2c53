"""`neurorail serve`: run everything."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neurorail.app.commands.options import DOES_NOT_HOLD, ConfigFile, DataDir, Json, fail

if TYPE_CHECKING:
    from neurorail.app.config import Config
    from neurorail.app.location import Addresses

OPEN_NOTICE = (
    "neurorail: no credentials are configured: open on loopback, and every caller there is admin"
)


def serve(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    otlp_grpc: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Default 127.0.0.1:4317.")
    ] = None,
    otlp_http: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Default 127.0.0.1:4318.")
    ] = None,
    api: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Default 127.0.0.1:8000.")
    ] = None,
    clickhouse: Annotated[
        str | None,
        typer.Option(metavar="URL", help="A ClickHouse server; without it, embedded storage."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the whole server: receivers, engine, store and API. SIGTERM or SIGINT ends it."""
    from neurorail.app.config_load import ConfigError, load

    options: dict[str, Any] = {}
    if data_dir is not None:
        options["data_dir"] = data_dir
    addresses = {"grpc": otlp_grpc, "http": otlp_http}
    given = {name: {"address": value} for name, value in addresses.items() if value is not None}
    if given:
        options["otlp"] = given
    if api is not None:
        options["api"] = {"address": api}
    if clickhouse is not None:
        options["clickhouse"] = {"url": clickhouse}
    try:
        settings = load(config, options)
    except ConfigError as error:
        raise fail(str(error)) from None
    logging.basicConfig(
        level=settings.log.level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # Its start and stop are ours to tell.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
    file = None if config is None else config.absolute()
    _run(settings, lambda: load(file, options), as_json=as_json)


def _run(settings: Config, reread: Callable[[], Config], *, as_json: bool) -> None:
    from neurorail.app.access import Exposed
    from neurorail.collector.datadir import DataDirectoryInUse
    from neurorail.collector.store.errors import StoreError

    try:
        # uvloop is there on every platform but Windows.
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            failed = runner.run(_serve(settings, reread, as_json=as_json))
    except Exposed as error:
        raise fail(str(error)) from None
    except DataDirectoryInUse as error:
        raise fail(f"cannot start: {error}", DOES_NOT_HOLD) from None
    except (OSError, RuntimeError) as error:
        raise fail(f"cannot start: {_reason(settings, error)}", DOES_NOT_HOLD) from error
    except (ValueError, StoreError) as error:
        raise fail(f"cannot start: {error}", DOES_NOT_HOLD) from error
    except KeyboardInterrupt:
        # Ctrl-C before the server was ready.
        return
    if failed is not None:
        raise fail(f"{failed}; what was acknowledged is kept: start it again", DOES_NOT_HOLD)


def _reason(settings: Config, error: OSError | RuntimeError) -> str:
    """What `doctor` finds wrong with directory or addresses, which says more than the system."""
    from neurorail.app.doctor import machine
    from neurorail.app.doctor.finding import WRONG

    findings = (machine.directory(settings), *machine.ports(settings, None))
    wrong = [one for one in findings if one.status == WRONG]
    return "\n".join(f"{one.check}: {one.detail}; {one.remedy}" for one in wrong) or str(error)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop
    import uvloop

    return uvloop.new_event_loop


async def _serve(settings: Config, reread: Callable[[], Config], *, as_json: bool) -> str | None:
    """Run to the end; what failed, if it did not end by a signal."""
    from neurorail.app.reload import Settings
    from neurorail.app.service import Service
    from neurorail.app.working_directory import in_data_directory

    with in_data_directory(settings) as settled:
        service = Service(settled, Settings(settings, reread))
        addresses = await service.start()
        if service.is_open:
            print(OPEN_NOTICE, file=sys.stderr, flush=True)
        service.heed_signals()  # First: who reads that it is ready may stop it at once.
        secure = settled.otlp.http.tls.enabled
        print(ready_line(addresses, as_json=as_json, otlp_tls=secure), flush=True)
        return await service.run_until_over()


def ready_line(addresses: Addresses, *, as_json: bool, otlp_tls: bool = False) -> str:
    """The one line that says where the server listens.

    Args:
        addresses: Of its listeners.
        as_json: For machines.
        otlp_tls: Whether OTLP/HTTP speaks TLS.
    """
    otlp_http = f"{'https' if otlp_tls else 'http'}://{addresses.otlp_http}"
    if as_json:
        return json.dumps(
            {
                "otlp_grpc": addresses.otlp_grpc,
                "otlp_http": otlp_http,
                "api": f"http://{addresses.api}",
                **({"sql": addresses.sql} if addresses.sql else {}),
            }
        )
    sql = f", SQL {addresses.sql}" if addresses.sql else ""
    return (
        f"neurorail is ready: OTLP/gRPC {addresses.otlp_grpc}, "
        f"OTLP/HTTP {otlp_http}, API http://{addresses.api}{sql}"
    )
