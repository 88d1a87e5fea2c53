"""The HTTP API: queries, live streams and the pages of the ControlDeck."""

from neurorail.api.app import create_app
from neurorail.api.config import ApiConfig
from neurorail.api.dependencies import ApiDependencies
from neurorail.api.server import ApiServer

__all__ = ["ApiConfig", "ApiDependencies", "ApiServer", "create_app"]
