"""What every part of the configuration is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the configuration: a misspelt key is an error, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
