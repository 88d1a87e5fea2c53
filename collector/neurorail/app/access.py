"""Credentials of the server: what is configured, and what may be reached without any."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from neurorail.app.config import Config, is_loopback, split_address
from neurorail.collector.access import Credentials, Gate, KeyStore, Provider, Tokens
from neurorail.collector.access.keys import KEYS_FILE
from neurorail.collector.access.login import Login

ADMIN_KEY_VARIABLE: Final = "NEURORAIL_ADMIN_KEY"


class Exposed(ValueError):
    """The server would be open to other machines."""


def make_gate(
    directory: Path,
    local_token: str | None = None,
    provider: Provider | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Gate:
    """The gate of a data directory, with its keys read.

    Raises:
        ValueError: the file of keys, or the admin's key, is not what it has to be.
        OSError: the file of keys cannot be read.
    """
    keys = KeyStore(directory / KEYS_FILE, time.time_ns)
    keys.load()
    credentials = Credentials(environment.get(ADMIN_KEY_VARIABLE) or None)
    tokens = None if provider is None else Tokens(provider, time.monotonic)
    return Gate(keys, time.time_ns, credentials, local_token, tokens)


def make_login(config: Config, secret: bytes) -> Login | None:
    """Where people sign in by redirect; None if nothing of the kind is configured.

    Raises:
        ValueError: the file of the client's secret is empty.
        OSError: it cannot be read.
    """
    section = config.access.oidc
    provider, client = section.provider(), section.login.client(section.login.secret())
    if provider is None or client is None:
        return None
    tokens = Tokens(provider, time.monotonic)
    return Login(provider, client, secret, tokens, time.monotonic)


def check_exposure(config: Config, gate: Gate) -> None:
    """Refuse to listen to other machines while every caller would be admin.

    Raises:
        Exposed: says which address, and how to configure credentials.
    """
    if not gate.open:
        return
    addresses = {
        "otlp.grpc.address": config.otlp.grpc.address,
        "otlp.http.address": config.otlp.http.address,
        "api.address": config.api.address,
    }
    for name, address in addresses.items():
        if not is_loopback(split_address(address)[0]):
            raise Exposed(
                f"{name} {address!r} can be reached from other machines, and no credentials are"
                " configured: without them every caller is admin, so only loopback addresses are"
                f" allowed; set {ADMIN_KEY_VARIABLE}, or make a key first with"
                f" `neurorail keys create --admin --data-dir {config.data_dir}`"
            )
