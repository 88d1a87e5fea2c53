"""Downstream export: what the inbox holds and what the engine says, to any OTLP endpoint."""

from neurorail.collector.export.config import Destination
from neurorail.collector.export.exporter import Exporter

__all__ = ["Destination", "Exporter"]
