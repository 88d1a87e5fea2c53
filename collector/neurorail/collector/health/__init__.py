"""The server's metrics: what it governs, and how it is itself."""

from neurorail.collector.health.governance import GovernanceMetrics
from neurorail.collector.health.health import Health
from neurorail.collector.health.pipeline import ExporterMetrics, ReceiverMetrics

__all__ = ["ExporterMetrics", "GovernanceMetrics", "Health", "ReceiverMetrics"]
