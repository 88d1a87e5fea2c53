"""Alerts: what reflexes say, sent to webhooks until they take it.

Outside the engine, and at least once: what is to be sent is read from the durable events, kept in a
file of its own until it was taken, and every result is a record.
"""

from neurorail.collector.alerts.alerter import Alerter
from neurorail.collector.alerts.webhook import FORMATS, Webhook

__all__ = ["FORMATS", "Alerter", "Webhook"]
