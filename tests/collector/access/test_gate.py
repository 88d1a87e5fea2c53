"""Who is let in, how often, and what is put on record of those who are not."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from neurorail.collector.access import Credentials, Denial, DenialLog, Gate, KeyStore, NewKey
from neurorail.collector.access.gate import permit
from neurorail.collector.access.otlp import OtlpGate
from neurorail.collector.access.permissions import PERMISSIONS
from neurorail.collector.access.rates import CALLERS_MAX, Rates
from neurorail.collector.envelope import Submission
from neurorail.collector.inbox.errors import InboxFull
from neurorail.collector.otlp.auth import Caller
from neurorail.collector.otlp.refusal import Code, Refusal

NOW = 1_700_000_000_000_000_000
ADMIN_KEY = "0123456789abcdef0123456789abcdef"


class Clock:
    def __init__(self) -> None:
        self.unix_nano = NOW
        self.monotonic_s = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path / "keys.json", lambda: clock.unix_nano)


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def test_without_credentials_everybody_is_admin_until_there_is_one(
    store: KeyStore, clock: Clock
) -> None:
    gate = Gate(store, lambda: clock.unix_nano)
    found = gate.authenticate({})
    assert not isinstance(found, Denial)
    assert found.permissions == frozenset(PERMISSIONS)
    key, _ = store.create(NewKey(role="viewer"), "x")
    refused = gate.authenticate({})
    assert isinstance(refused, Denial)
    assert refused.reason == "missing"
    store.revoke(key.id)
    assert not gate.open, "a server whose keys are all revoked is not open again"


def test_credentials_travel_in_either_header(store: KeyStore, clock: Clock) -> None:
    gate = Gate(store, lambda: clock.unix_nano)
    key, text = store.create(NewKey(role="operator", tenant="acme"), "x")
    for headers in (bearer(text), {"authorization": f"bearer  {text}"}, {"x-api-key": text}):
        found = gate.authenticate(headers)
        assert not isinstance(found, Denial)
        assert (found.name, found.tenant, found.role) == (f"key:{key.id}", "acme", "operator")
    used = store.find(key.id)
    assert used is not None
    assert used.last_used_unix_nano == NOW


def test_expired_revoked_and_unknown_keys_are_told_apart(store: KeyStore, clock: Clock) -> None:
    gate = Gate(store, lambda: clock.unix_nano)
    _, short = store.create(NewKey(role="viewer", expires_unix_nano=NOW + 10), "x")
    key, gone = store.create(NewKey(role="viewer"), "x")
    store.revoke(key.id)
    assert not isinstance(gate.identify(short), Denial)
    clock.unix_nano += 10
    reasons = []
    for text in (short, gone, "nrk_00000000_x", "something", short[:-1] + "?"):
        denied = gate.identify(text)
        assert isinstance(denied, Denial)
        assert not denied.authenticated
        reasons.append(denied.reason)
    assert reasons == ["expired", "revoked", "unknown", "unknown", "unknown"]


def test_the_admin_key_and_the_local_token_are_admin(store: KeyStore, clock: Clock) -> None:
    gate = Gate(store, lambda: clock.unix_nano, Credentials(ADMIN_KEY), local_token="local")
    assert not gate.open
    for text, name in ((ADMIN_KEY, "admin-key"), ("local", "command-line")):
        found = gate.identify(text)
        assert not isinstance(found, Denial)
        assert (found.name, found.role) == (name, "admin")
    assert isinstance(gate.identify(ADMIN_KEY[:-1]), Denial)
    with pytest.raises(ValueError, match="has 5 characters: use at least 32"):
        Credentials("short")


def test_permissions_are_all_needed_and_scopes_kept(store: KeyStore) -> None:
    key, _ = store.create(NewKey(role="viewer", missions=("m_1",)), "x")
    viewer = key.principal()
    lacking = permit(viewer, ("read:audit", "write:audit"), agents=True, scoped=True)
    assert lacking is not None
    assert (lacking.reason, lacking.permission) == ("forbidden", "write:audit")
    assert permit(viewer, ("read:audit",), agents=False, scoped=True) is None
    beyond = permit(viewer, ("read:audit",), agents=False, scoped=False)
    assert beyond is not None
    assert beyond.reason == "out_of_scope"


def test_agents_may_use_what_is_declared_for_them_alone(store: KeyStore) -> None:
    key, _ = store.create(NewKey(agent=True), "x")
    agent = key.principal()
    assert permit(agent, ("write:lifecycle",), agents=True, scoped=False) is None
    refused = permit(agent, (), agents=False, scoped=False)
    assert refused is not None
    assert refused.authenticated


def test_telemetry_is_stamped_with_the_tenant_of_its_key(store: KeyStore, clock: Clock) -> None:
    log = DenialLog(lambda records: None, lambda: 0.0)
    gate = OtlpGate(Gate(store, lambda: clock.unix_nano), log)
    agent, text = store.create(NewKey(agent=True, tenant="acme"), "x")
    _, viewer = store.create(NewKey(role="viewer"), "x")
    assert gate.authenticate(bearer(text), "traces") == Caller("acme", f"key:{agent.id}")
    for headers, code in (
        (bearer(viewer), Code.PERMISSION_DENIED),
        ({}, Code.UNAUTHENTICATED),
        (bearer("nrk_12345678_x"), Code.UNAUTHENTICATED),
    ):
        refused = gate.authenticate(headers, "metrics")
        assert isinstance(refused, Refusal)
        assert refused.code is code
        assert not refused.retryable
    assert {name: n for name, n in log.counts().items() if n} == {
        "forbidden": 1,
        "missing": 1,
        "unknown": 1,
    }


def counts_of(records: list[Submission]) -> list[int]:
    return [msgspec.json.decode(record.body)["data"]["count"] for record in records]


def test_repeated_denials_are_counted_into_few_records(clock: Clock) -> None:
    records: list[Submission] = []
    log = DenialLog(records.extend, lambda: clock.monotonic_s)
    for number in range(100):
        log.note(Denial("unknown", "no such key", f"nrk_{number:08x}"), "GET /x", "10.0.0.1")
    assert counts_of(records) == [1]
    log.settle()
    assert counts_of(records) == [1]
    clock.monotonic_s = 61.0
    log.settle()
    assert counts_of(records) == [1, 99]
    log.note(Denial("unknown", "no such key"), "GET /x", "10.0.0.1")
    assert counts_of(records) == [1, 99, 1]
    assert log.counts()["unknown"] == 101
    assert msgspec.json.decode(records[0].body)["event"] == "access_denied"


def test_many_kinds_of_denial_share_one_window(clock: Clock) -> None:
    records: list[Submission] = []
    log = DenialLog(records.extend, lambda: clock.monotonic_s)
    for number in range(1_200):
        log.note(Denial("missing", "none"), "GET /x", f"10.0.{number // 256}.{number % 256}")
    assert len(records) == 1_001
    log.settle(everything=True)
    assert sum(counts_of(records)) == 1_200


def test_a_full_inbox_is_counted_not_raised(clock: Clock) -> None:
    def full(records: list[Submission]) -> None:
        raise InboxFull("no room")

    log = DenialLog(full, lambda: clock.monotonic_s)
    log.note(Denial("missing", "none"), "GET /x", "10.0.0.1")
    assert log.unrecorded == 1


def test_a_caller_over_its_rate_waits(clock: Clock) -> None:
    rates = Rates()
    answers = [rates.take("a", 5, 0.0) for _ in range(11)]
    assert [rate.allowed for rate in answers] == [True] * 10 + [False]
    assert answers[0].headers() == [
        ("RateLimit-Policy", '"caller";q=10;w=2'),
        ("RateLimit", '"caller";r=9;t=1'),
    ]
    assert answers[10].reset_s == 1
    assert rates.take("b", 5, 0.0).allowed
    assert rates.take("a", 5, 0.2).allowed
    assert not rates.take("a", 5, 0.2).allowed


def test_only_so_many_callers_are_remembered() -> None:
    rates = Rates()
    for number in range(CALLERS_MAX + 1):
        rates.take(str(number), 1, 0.0)
    assert (len(rates), rates.forgotten) == (CALLERS_MAX, 1)
    assert rates.take("0", 1, 0.0).remaining == 1, "the quietest was forgotten"
