"""Decoding by the attributes that a tenant's manifest maps, besides the known ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neurorail.collector.decode.decoder import Decoder
from neurorail.collector.envelope import Envelope, Kind
from neurorail.rules.observations import Observation
from neurorail.semconv.genai import CURRENT, with_own

Attributes = Mapping[str, tuple[str, ...]]


class ManifestDecoder:
    """Decodes each tenant's telemetry by its manifest.

    Args:
        attributes_of: The attributes that the manifest of a tenant maps now. Asked for each record,
            so that a manifest holds from the record after the one that activated it.
    """

    def __init__(self, attributes_of: Callable[[str], Attributes]) -> None:
        self._attributes_of = attributes_of
        self._known = Decoder()
        self._own: dict[str, tuple[Attributes, Decoder]] = {}

    def decode(self, envelope: Envelope) -> list[Observation]:
        """The observations of a record."""
        if envelope.kind != Kind.TELEMETRY:
            return self._known.decode(envelope)
        attributes = self._attributes_of(envelope.tenant)
        if not attributes:
            return self._known.decode(envelope)
        own = self._own.get(envelope.tenant)
        if own is None or own[0] is not attributes:
            own = (attributes, Decoder(with_own(CURRENT, attributes)))
            self._own[envelope.tenant] = own
        return own[1].decode(envelope)
