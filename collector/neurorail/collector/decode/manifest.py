"""Changes of manifests as records: what the edge puts into the inbox, and the observations."""

from __future__ import annotations

import msgspec

from neurorail.collector.decode.once import OnceInput, once_of
from neurorail.rules.observations import ManifestDrafted, ManifestMoved


class ManifestCommand(msgspec.Struct, tag="manifest_create", omit_defaults=True):
    """`POST /api/governor/v1/manifests`: checked, and in its canonical form."""

    canonical: str
    source: str
    once: OnceInput | None = None


class ManifestMoveCommand(msgspec.Struct, tag="manifest_move", omit_defaults=True):
    """`POST /api/governor/v1/manifests/{version}/{shadow|activate|retire}`."""

    version: str
    action: str
    reason: str
    forced: bool
    once: OnceInput | None = None


def manifest_drafted(command: ManifestCommand) -> ManifestDrafted:
    """The observation of a new manifest."""
    return ManifestDrafted(command.canonical.encode(), command.source, once_of(command.once))


def manifest_moved(command: ManifestMoveCommand) -> ManifestMoved:
    """The observation of a manifest that is moved on."""
    return ManifestMoved(
        command.version, command.action, command.reason, command.forced, once_of(command.once)
    )
