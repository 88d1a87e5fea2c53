"""From records to observations: telemetry of any convention, REST writes, ticks, system records."""

from neurorail.collector.decode.codec import decode_observations, encode_observations
from neurorail.collector.decode.decoder import Decoder

__all__ = ["Decoder", "decode_observations", "encode_observations"]
