"""The composition root: builds every part, starts downstream first, stops upstream first."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Final

from neurorail.api.access import Access
from neurorail.api.app import create_app
from neurorail.api.dependencies import ApiDependencies
from neurorail.api.hot import HotDecide
from neurorail.api.server import ApiServer
from neurorail.app import watch
from neurorail.app.access import check_exposure, make_gate, make_login
from neurorail.app.checkpoints import Checkpoints
from neurorail.app.config import Config, is_loopback, split_address
from neurorail.app.config_load import ConfigError
from neurorail.app.draining import Drain
from neurorail.app.engine_states import EngineStates
from neurorail.app.exporting import Exporting
from neurorail.app.location import SERVER_FILE, Addresses, leave_address
from neurorail.app.more_routes import add_import, add_routes
from neurorail.app.own_files import OwnFiles
from neurorail.app.own_rules import OwnRules, clean_logs
from neurorail.app.price_file import read_price_file
from neurorail.app.priority import step_back
from neurorail.app.receiver_health import ReceiverHealth
from neurorail.app.reload import Settings, live_settings
from neurorail.app.reruns import rerun_jobs
from neurorail.app.snapshots import Snapshots
from neurorail.app.sql_endpoint import SqlEndpoint
from neurorail.app.wiring import api_config, receiver_config, store_config, webhooks
from neurorail.collector.access import DenialLog, Sessions
from neurorail.collector.access.otlp import OtlpGate
from neurorail.collector.agents import Agents
from neurorail.collector.alerts import Alerter
from neurorail.collector.archive.archiver import Archiver
from neurorail.collector.archive.ports import DeadLetter
from neurorail.collector.audit.checkpoint import ANCHORS_FILE, Anchors
from neurorail.collector.datadir import DataDirectory
from neurorail.collector.decode.system import DeadLetterRecord, encode_system
from neurorail.collector.engine import epoch
from neurorail.collector.engine.governor_view import AppliedGovernor
from neurorail.collector.engine.manifest_view import AppliedManifests
from neurorail.collector.engine.records import AppliedRecords, RecordBuffer
from neurorail.collector.engine.reflex_view import AppliedReflexes
from neurorail.collector.engine.remote import EngineProcess
from neurorail.collector.engine.view import AppliedView
from neurorail.collector.engine.writes import Writes
from neurorail.collector.envelope import DEFAULT_TENANT, Kind, Signal, Submission
from neurorail.collector.health import Health
from neurorail.collector.history import (
    EntityLists,
    EventsAfter,
    OutboxEvents,
    StoreHistory,
    UnitedHistory,
    UsageSums,
)
from neurorail.collector.inbox import SqliteInbox
from neurorail.collector.inbox.errors import InboxError
from neurorail.collector.otlp.export_path import ExportPath
from neurorail.collector.otlp.receivers import Receivers
from neurorail.collector.prices import PriceFile, load_prices
from neurorail.collector.store.errors import StoreError, StoreUnavailable
from neurorail.collector.store.store import Store
from neurorail.collector.stream import StreamHub
from neurorail.collector.stream.event import StreamEvent

SWITCH_INTERVAL_S: Final = 0.0005
"""The applier's thread must not keep the event loop waiting: see the architecture page."""
GC_THRESHOLD: Final = (5_000, 200, 50)
"""More new objects to look at at once would stop receivers and streams for too long."""
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
PRUNE_INTERVAL_S: Final = 1.0
USES_SAVED_S: Final = 60.0

_log = logging.getLogger(__name__)


class Service:
    """The whole server. `start` returns when it is ready; `stop` when everything is safe."""

    def __init__(self, config: Config, settings: Settings | None = None) -> None:
        """`settings` are what SIGHUP reads anew; without them it leaves the configuration."""
        self._config = config
        self._settings = settings or Settings(config, lambda: config)
        self._directory = DataDirectory(Path(config.data_dir))
        self._health = Health()
        self._exporter = self._health.exporter()
        self._archived: dict[str, int] = {}
        self._archived_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._maintenance: asyncio.Task[None] | None = None
        self._archive_ready = False
        self._closing = contextlib.ExitStack()
        self._drain: Drain | None = None
        self._token = secrets.token_urlsafe(32)
        self._stopping = asyncio.Event()
        self._over = asyncio.Event()

    # ── life ─────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> Addresses:
        """Start everything.

        Raises:
            Exposed: it would listen to other machines without credentials.
            OSError: an address is taken or a file cannot be read.
            RuntimeError: the data directory is in use, or the store's schema is unknown.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.set_threshold(*GC_THRESHOLD)
        self._loop = asyncio.get_running_loop()
        self._directory.open()
        self._closing.callback(self._directory.close)
        try:
            await self._start_parts()
        except BaseException:
            await self.stop()
            raise
        gc.collect()
        gc.freeze()
        addresses = self._addresses()
        leave_address(self._directory.path, addresses, self._token)
        return addresses

    async def _start_parts(self) -> None:
        config, path = self._config, self._directory.path
        node = config.node or self._directory.node
        self._build(node)
        check_exposure(config, self._gate)
        self._engine.launch()
        self._receivers.launch()
        prices, _ = await asyncio.gather(asyncio.to_thread(self._prices), self._store_opened())
        await asyncio.to_thread(self._inbox.start)
        begun = epoch.beginning(path, node, version("neurorail"), config.engine, prices)
        if begun.submissions:
            await self._inbox.append(begun.submissions)
            await asyncio.to_thread(epoch.remember, path, begun.state)
        self._hub.start()
        await asyncio.to_thread(self._engine.start)
        self._start_archiver()
        await asyncio.to_thread(self._exporting.start, asyncio.get_running_loop())
        self._checkpoints.start(config.audit.checkpoint_interval_s)
        await self._reruns.start()
        self._maintenance = asyncio.create_task(self._maintain())
        await self._alerter.start()
        await self._receivers.start()
        await self._api.start()
        await self._sql.start()
        limit_ms = self._config.archive.drain_ms
        self._drain = Drain(self._inbox, self._engine, self._archiver, limit_ms)

    def _build(self, node: str) -> None:
        config, path = self._config, self._directory.path
        self._rules = OwnRules(config, self._directory.redaction_key)
        self._closing.enter_context(clean_logs(self._rules))
        self._gate = make_gate(path, self._token, config.access.oidc.provider())
        self._store = Store(store_config(config, path))
        self._inbox = SqliteInbox(
            path / "inbox", config.inbox, time.time_ns, self._on_inbox_failure, self._rules.record
        )
        history = StoreHistory(self._store)
        self._records = RecordBuffer()
        self._engine = EngineProcess(
            self._inbox,
            path / "engine.db",
            config.engine,
            self._publish,
            self._records,
            self._end_by_itself,
        )
        inbox, engine = self._inbox, self._engine
        # While agents ask, telemetry waits for the engine instead of piling up before them.
        inbox.hold_telemetry(lambda: engine.asked and inbox.last_seq > engine.fed_seq)
        outbox = OutboxEvents(self._engine)
        self._after = EventsAfter(node, history, outbox)
        self._hub = StreamHub(config.stream, node=node, clock=time.time_ns, replay=self._after)
        self._alerter = Alerter(
            path / "alerts.db", webhooks(config), self._hub, self._inbox.append, node
        )
        self._archiver = Archiver(
            directory=path,
            store=self._store,
            node=node,
            records=AppliedRecords(self._inbox, self._engine),
            events=self._engine,
            config=config.archive,
            encode_record=self._records.take,
            on_dead_letter=self._on_dead_letter,
            on_progress=self._on_archived,
            # The embedded store inserts on the archive's own threads; a server does it elsewhere.
            on_thread_start=step_back if config.clickhouse.url is None else lambda: None,
        )
        exports = ExportPath(node if config.export.destinations else "")
        self._exporting = Exporting(
            config.export, path, node, self._inbox, self._engine, self._after, self._health, exports
        )
        self._denials = DenialLog(self._inbox.append_threadsafe, time.monotonic)
        self._receivers = Receivers(
            receiver_config(config),
            self._inbox,
            self._directory.redaction_key,
            authenticator=OtlpGate(self._gate, self._denials),
            metrics=ReceiverHealth(self._health),
            rules=self._rules.current,
            path=exports,
        )
        self._rules.admission = self._receivers.admission
        self._view = AppliedView(self._engine)
        self._begun_s = time.monotonic()
        self._checkpoints = Checkpoints(
            self._store,
            node,
            path,
            Anchors(config.audit.anchors_file or path / ANCHORS_FILE),
            time.time_ns,
            self._engine,
            self._inbox.append,
        )
        self._snapshots = Snapshots(
            self._view,
            self._health.governance,
            self._inbox.append,
            config.metrics.snapshot_interval_s,
        )
        self._states = EngineStates(self._engine, self._store, node, config)
        self._reruns = rerun_jobs(config, path, node, self._store, self._inbox.append)
        self._access = Access(
            self._gate,
            self._denials,
            time.monotonic,
            config.access.requests_per_s,
            loopback=is_loopback(split_address(config.api.address)[0]),
            sessions=Sessions(self._directory.session_key, self._gate),
            login=make_login(config, self._directory.session_key),
        )
        dependencies = ApiDependencies(
            engine=self._view,
            history=UnitedHistory(history, outbox),
            governor=AppliedGovernor(self._engine),
            reflexes=AppliedReflexes(self._engine),
            agents=Agents(time.time_ns),
            lists=EntityLists(self._view, outbox, self._store),
            usage=UsageSums(self._store),
            hub=self._hub,
            health=self._health,
            readiness=self._readiness,
            clock=time.time_ns,
            node=node,
            version=version("neurorail"),
            writes=Writes(self._inbox, self._engine),
            texts=self._rules,
            manifests=AppliedManifests(self._engine),
            config=api_config(config),
            access=self._access,
            webhooks=frozenset(webhook.name for webhook in config.alerts.webhooks),
        )
        app = create_app(dependencies)
        files = OwnFiles(inbox, self._engine, self._archiver, self._exporting)
        add_routes(app, config, self._store, self._checkpoints, self._reruns, files)
        add_import(app, self._receivers.admission, inbox.append, self._store, files.archived)
        self._api = ApiServer(HotDecide(app), self._hub, api_config(config))
        self._sql = SqlEndpoint(config, path)
        self._live = live_settings(self._settings, self._access, self._rules)
        self._health.watch_hub(self._hub)
        parts = (self._inbox, self._engine, self._archiver, self._denials, self._exporting.exporter)
        watch.parts(self._health, config, *parts)
        watch.listener(self._health, self._receivers.grpc.process)
        watch.reruns(self._health, self._reruns)
        watch.alerts(self._health, self._alerter)
        watch.checkpoints(self._health, self._checkpoints)
        watch.api(self._health, dependencies)

    async def stop(self) -> None:
        """Stop taking in, archive what was taken, for a limited time, keep the rest. Idempotent."""
        self._stopping.set()
        if not hasattr(self, "_api"):
            self._closing.close()
            return
        await self._receivers.stop()
        await self._api.stop()
        await self._sql.stop()
        await self._reruns.stop()
        self._denials.settle(everything=True)
        await self._alerter.stop()
        self._hub.stop()
        await self._checkpoints.stop()
        if self._maintenance is not None:
            self._maintenance.cancel()
            await asyncio.gather(self._maintenance, return_exceptions=True)
            self._maintenance = None
        await asyncio.to_thread(self._exporting.stop)
        if self._drain is not None:
            await self._drain.run()
        await asyncio.to_thread(self._archiver.stop)
        self._engine.prune(self._archiver.archived_ordinal)
        await asyncio.to_thread(self._engine.stop)
        if self._drain is not None:
            self._drain.tell()
            self._drain = None
        self._exporting.prune_inbox(self._archiver)
        await self._inbox.stop()
        await asyncio.to_thread(self._store.stop)
        await asyncio.to_thread(self._gate.keys.save_uses, 0.0)
        (self._directory.path / SERVER_FILE).unlink(missing_ok=True)
        self._closing.close()

    @property
    def is_open(self) -> bool:
        """Whether no credentials are configured."""
        return self._gate.open

    def heed_signals(self) -> None:
        """From here on SIGTERM and SIGINT stop it cleanly; SIGHUP reads settings anew.

        A second one ends the wait for the archive, and cuts nothing else short.
        """
        assert self._loop is not None, "start comes first"
        for number in STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._told_to_stop)
        self._loop.add_signal_handler(signal.SIGHUP, self._reload)

    async def run_until_over(self) -> str | None:
        """Wait for a signal or a failure of what nothing works without, then stop.

        Returns:
            What failed, and why; None after a signal.
        """
        assert self._loop is not None, "start comes first"
        try:
            await self._over.wait()
            failed = self._failures()
            await self.stop()
        finally:
            for number in (*STOP_SIGNALS, signal.SIGHUP):
                self._loop.remove_signal_handler(number)
        return "; ".join(f"the {part} {why}" for part, why in failed.items()) or None

    def _told_to_stop(self) -> None:
        if self._over.is_set() and self._drain is not None:
            self._drain.hurry()
        self._over.set()

    def _reload(self) -> None:
        """Read keys, certificates and settings anew; what cannot be read stays as it was."""
        for what, read in (
            ("keys", self._gate.keys.load),
            ("certificates", self._receivers.reload_certificates),
            ("settings", self._live.reload),
        ):
            try:
                read()
            except (OSError, ValueError, ConfigError) as error:
                _log.error("SIGHUP: the %s stay as they were: %s", what, error)
            else:
                _log.info("SIGHUP: the %s were read anew", what)

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def _prices(self) -> PriceFile:
        file = self._config.prices.override_file
        overrides = read_price_file(file) if file is not None else ()
        return load_prices(self._directory.path / "prices", overrides)

    async def _store_opened(self) -> None:
        """Open the store on a thread that steps back: so do the store's own, which it starts."""
        opened = ThreadPoolExecutor(1, "store-open", initializer=step_back)
        try:
            await asyncio.get_running_loop().run_in_executor(opened, self._open_store)
        finally:
            opened.shutdown(wait=False)

    def _open_store(self) -> None:
        """Open the store; a server that is away now is tried again while the inbox fills."""
        try:
            self._store.start()
            self._archive_ready = True
        except StoreUnavailable as error:
            if self._config.clickhouse.url is None:
                raise
            _log.warning("clickhouse cannot be reached, records wait in the inbox: %s", error)

    def _start_archiver(self) -> None:
        if self._archive_ready:
            self._archiver.start()

    def _addresses(self) -> Addresses:
        grpc_host, _ = split_address(self._config.otlp.grpc.address)
        http_host, _ = split_address(self._config.otlp.http.address)
        api_host, api_port = self._api.address
        return Addresses(
            f"{_bracketed(grpc_host)}:{self._receivers.grpc.port}",
            f"{_bracketed(http_host)}:{self._receivers.http.port}",
            f"{_bracketed(api_host)}:{api_port}",
            self._sql.address,
        )

    # ── while running ────────────────────────────────────────────────────────────────────────

    def _publish(self, events: list[StreamEvent]) -> None:
        self._health.observe_events(events)
        self._hub.publish_threadsafe(events)

    async def _maintain(self) -> None:
        while True:
            await asyncio.sleep(PRUNE_INTERVAL_S)
            try:
                if not self._archive_ready:
                    await self._store_opened()
                    self._start_archiver()
                self._denials.settle()
                self._exporting.settle()
                await self._snapshots.take_if_due(time.monotonic() - self._begun_s)
                await self._states.take_if_due(time.monotonic() - self._begun_s)
                await asyncio.to_thread(self._exporting.prune, self._archiver)
                await asyncio.to_thread(self._gate.keys.save_uses, USES_SAVED_S)
                counts = await self._view.counts(DEFAULT_TENANT)
                self._health.governance.set_active(counts.by_state)
            except (StoreError, InboxError, OSError, RuntimeError) as error:
                _log.warning("maintenance is tried again: %s", error)

    def _readiness(self) -> Mapping[str, str | None]:
        failed = self._failures()
        return {
            "engine": failed.get("engine"),
            "inbox": failed.get("inbox"),
            "otlp_grpc": self._receivers.grpc.process.failure,
            "stopping": "the server is stopping" if self._stopping.is_set() else None,
        }

    def _failures(self) -> dict[str, str]:
        """What ended by itself, and why."""
        found = {"engine": self._engine.failure, "inbox": self._inbox.failure}
        return {part: f"stopped: {why}" for part, why in found.items() if why is not None}

    def _on_inbox_failure(self, error: InboxError) -> None:
        _log.critical("the inbox failed, nothing more is taken in: %s", error)
        self._end_by_itself()

    def _end_by_itself(self) -> None:
        """A part is gone that only a new start brings back; any thread may say so."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended: so has the server.
                self._loop.call_soon_threadsafe(self._over.set)

    def _on_archived(self) -> None:
        """Count what the archive has taken since it was last asked; called by its two threads."""
        telemetry, _ = self._archiver.counts
        with self._archived_lock:
            for signal_name in ("traces", "logs", "metrics"):
                items = telemetry.by_source.get(signal_name, 0)
                self._exporter.sent(signal_name, items - self._archived.get(signal_name, 0))
                self._archived[signal_name] = items

    def _on_dead_letter(self, letter: DeadLetter) -> None:
        """Put on record that rows were put aside."""
        if letter.source in ("traces", "logs", "metrics"):
            self._exporter.send_failed(letter.source, 1)
        said = DeadLetterRecord(
            letter.source, letter.first_seq, letter.last_seq, letter.error[:1_000]
        )
        record = Submission(
            Kind.SYSTEM, Signal.NONE, encode_system(said), letter.tenant, "server", encoding="json"
        )
        try:
            self._inbox.append_threadsafe([record])
        except InboxError as error:
            _log.error("a dead letter could not be put on record: %s", error)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
