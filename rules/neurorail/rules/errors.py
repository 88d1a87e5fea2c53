"""Error codes, as the engine names them. The registry is what both sides of the wire rely on."""

from neurorail.semconv.errors import CODES, ETHICAL, MECHANICAL, SYSTEM, Code, category

__all__ = ["CODES", "ETHICAL", "MECHANICAL", "SYSTEM", "Code", "category"]
