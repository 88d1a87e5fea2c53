"""Writes the annotated example of the configuration: every key, its default and its meaning.

The text is made from the configuration classes, so that it cannot differ from what is read.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel

from neurorail.app.config import Config

HEADER: Final = """\
# Every setting of NeuroRail with its default. A file needs only the keys it changes.
# A variable overrides a key: NEURORAIL_DATA_DIR, NEURORAIL_OTLP__GRPC__ADDRESS and so on.
# Use it with: neurorail serve --config neurorail.yaml
"""


def render() -> str:
    """The example file, complete."""
    return HEADER + "\n" + "".join(_section(Config(), "")).rstrip() + "\n"


def _section(section: object, indent: str) -> Iterator[str]:
    told = meanings(type(section))
    for name in _names(section):
        value = getattr(section, name)
        for line in textwrap.wrap(told.get(name, ""), 96 - len(indent)):
            yield f"{indent}# {line}\n"
        if _names(value):
            yield f"{indent}{name}:\n"
            yield from _section(value, indent + "  ")
        elif isinstance(value, dict) and value:
            yield f"{indent}{name}:\n"
            for key, entry in value.items():
                yield f"{indent}  {key}: {scalar(entry)}\n"
        else:
            yield f"{indent}{name}: {scalar(value)}\n"
        if not indent:
            yield "\n"


def _names(section: object) -> tuple[str, ...]:
    if isinstance(section, BaseModel):
        return tuple(type(section).model_fields)
    if is_dataclass(section):
        return tuple(field.name for field in fields(section))
    return ()


def scalar(value: object) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, tuple):
        value = list(value)
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def meanings(section: type) -> dict[str, str]:
    """The text below each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(section))).body[0]
    assert isinstance(body, ast.ClassDef), "the source of a class is a class"
    found: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[field.target.id] = " ".join(text.value.value.split())
    return found


if __name__ == "__main__":
    print(render(), end="")
