"""Who asks, and what they may do: credentials, permissions, rates, and what was denied."""

from neurorail.collector.access.denials import DenialLog
from neurorail.collector.access.gate import Credentials, Gate, Headers
from neurorail.collector.access.keys import ApiKey, KeyStore, NewKey
from neurorail.collector.access.principal import OPEN_PRINCIPAL, Principal, Scope
from neurorail.collector.access.sessions import Sessions
from neurorail.collector.access.tokens import Provider, Tokens
from neurorail.collector.access.verdicts import Denial

__all__ = [
    "OPEN_PRINCIPAL",
    "ApiKey",
    "Credentials",
    "Denial",
    "DenialLog",
    "Gate",
    "Headers",
    "KeyStore",
    "NewKey",
    "Principal",
    "Provider",
    "Scope",
    "Sessions",
    "Tokens",
]
