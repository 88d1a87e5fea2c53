from neurorail.collector.decode import Decoder, decode_observations, encode_observations
from neurorail.collector.decode.commands import Command, encode_command
from neurorail.collector.decode.manifest import ManifestCommand, ManifestMoveCommand
from neurorail.collector.decode.once import OnceInput
from neurorail.collector.envelope import Envelope, Kind, Signal
from neurorail.rules.observations import ManifestDrafted, ManifestMoved, Observation, Once


def read(command: Command) -> list[Observation]:
    body = encode_command(command)
    envelope = Envelope(1, Kind.COMMAND, Signal.NONE, "json", 5, "default", "me", 1, body)
    found = Decoder().decode(envelope)
    assert decode_observations(encode_observations(found)) == found
    return found


def test_new_manifest() -> None:
    command = ManifestCommand('{"name":"ä"}', "name: ä")
    assert read(command) == [ManifestDrafted('{"name":"ä"}'.encode(), "name: ä")]


def test_manifest_that_is_moved_on() -> None:
    command = ManifestMoveCommand("1.0", "activate", "why", True, OnceInput("k", "ab"))
    assert read(command) == [ManifestMoved("1.0", "activate", "why", True, Once("k", "ab"))]
