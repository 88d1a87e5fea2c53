from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from neurorail.collector.manifests.read import read_manifest
from neurorail.collector.manifests.zones import zone_of
from neurorail.rules.manifest.faults import ManifestInvalid
from neurorail.rules.manifest.windows import Window

HEAD = "neurorail_manifest: 1\nname: x\nversion: '1'\ndefault_mode: direct\n"


@pytest.mark.parametrize(
    "name", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]
)
def test_rules_of_a_zone_give_the_offsets_of_its_clocks(name: str) -> None:
    zone, clock = zone_of(name), ZoneInfo(name)
    assert zone.data_version
    for month in range(1, 13):
        for year in (2021, 2026, 2055):
            moment = datetime(year, month, 15, 12, tzinfo=UTC)
            offset = moment.astimezone(clock).utcoffset()
            assert offset is not None
            assert zone.offset_at(int(moment.timestamp())) == offset.total_seconds()


def test_offset_changes_at_the_very_second() -> None:
    change = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    assert zone_of("Europe/Berlin").offset_at(change - 1) == 3_600
    assert zone_of("Europe/Berlin").offset_at(change) == 7_200


@pytest.mark.parametrize("name", ["Europe/Berlyn", "Europe", "", "..", "Europe/../Berlin", "a//b"])
def test_unknown_zone(name: str) -> None:
    with pytest.raises(LookupError):
        zone_of(name)


def test_manifest_holds_the_rules_of_its_zones() -> None:
    manifest = read_manifest(
        HEAD
        + "pools: [{id: a, window: {calendar: day, zone: Asia/Kolkata}, limits: {max_tokens: 1}}]"
    )
    window = manifest.pools[0].window
    begin, _ = window.bounds(1_790_000_000 * 10**9, manifest.zone(window))
    assert (begin // 10**9 + 19_800) % 86_400 == 0
    assert isinstance(window, Window)


def test_own_prices_are_read_exactly() -> None:
    manifest = read_manifest(
        HEAD + "prices: [{provider: OpenAI, model: m, input_mtok: 0.1, start: 2026-01-31}]"
    )
    assert manifest.prices == (
        {
            "provider": "openai",
            "match": {"equals": "m"},
            "prices": [{"input_mtok": "0.1", "start_day": 20_484}],
        },
    )
    with pytest.raises(ManifestInvalid, match=r"5:10: prices\[0\]: .* has no price"):
        read_manifest(HEAD + "prices: [{model: m}]")


def test_every_manifest_of_the_gallery_is_read(root: Path) -> None:
    names = [
        read_manifest(path.read_text()).name
        for path in (root / "docs" / "manifests").glob("*.yaml")
    ]
    assert sorted(names) == [
        "flaky-provider", "observe-only", "personal-data", "runaway-tools", "spend-per-agent",
    ]  # fmt: skip
