"""Reads the configuration: defaults, then one YAML file, then variables, then options."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from neurorail.app.config import Config

PREFIX: Final = "NEURORAIL_"
NESTED: Final = "__"
OTHER_VARIABLES: Final = frozenset(
    {"NEURORAIL_ENDPOINT", "NEURORAIL_API_KEY", "NEURORAIL_ADMIN_KEY"}
)
"""Variables of agents and of the command line, and the secret that no file should hold."""


class ConfigError(Exception):
    """The configuration cannot be used. Each line of the text is one complaint."""


class _Variables(BaseSettings, Config):
    """Reads `NEURORAIL_…` variables in the shape of `Config`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=NESTED, extra="forbid", frozen=True
    )


def load(file: Path | None = None, options: Mapping[str, Any] | None = None) -> Config:
    """Read the configuration.

    Args:
        file: The YAML file; none uses defaults.
        options: Values from the command line, nested as in the file; they win.

    Raises:
        ConfigError: for a file that cannot be read, an unknown key, or a value that is not
            allowed; says where.
    """
    text, from_file = _read(file)
    from_variables = _variables()
    values = _merge(_merge(from_file, from_variables), dict(options or {}))
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        place = _Places(file, text, from_variables, options or {})
        raise ConfigError("\n".join(_complaints(error, place))) from None


def _read(file: Path | None) -> tuple[str, dict[str, Any]]:
    if file is None:
        return "", {}
    try:
        text = file.read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{file}: cannot be read: {reason}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark is not None else str(file)
        raise ConfigError(f"{where}: no valid YAML: {getattr(error, 'problem', error)}") from None
    if loaded is None:
        return text, {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{file}:1: must hold keys and values, not {type(loaded).__name__}")
    return text, _without_empty_sections(loaded)


def _without_empty_sections(values: dict[str, Any]) -> dict[str, Any]:
    """Drop sections whose every key is commented out: YAML reads those as null."""
    sections = {
        name
        for name, field in Config.model_fields.items()
        if isinstance(field.default, BaseModel) or is_dataclass(field.default)
    }
    return {key: value for key, value in values.items() if not (value is None and key in sections)}


def _variables() -> dict[str, Any]:
    known = {name.upper() for name in Config.model_fields}
    for variable in sorted(os.environ):
        upper = variable.upper()
        if not upper.startswith(PREFIX) or upper in OTHER_VARIABLES:
            continue
        section = upper.removeprefix(PREFIX).split(NESTED)[0]
        if section not in known:
            raise ConfigError(f"{variable}: no such setting{_suggestion(section, known)}")
    try:
        return EnvSettingsSource(_Variables)()
    except (ValueError, ValidationError) as error:
        raise ConfigError(f"variables {PREFIX}…: {error}") from None


def _merge(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged


class _Places:
    """Where a value came from: an option, a variable, or a line of the file."""

    def __init__(
        self,
        file: Path | None,
        text: str,
        variables: Mapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self._file = file
        self._root = yaml.compose(text, Loader=yaml.SafeLoader) if text else None
        self._variables = variables
        self._options = options

    def of(self, path: tuple[str, ...]) -> str:
        """The place of the value at `path`, or of the nearest section around it."""
        if _reaches(self._options, path):
            return f"--{'-'.join(part for part in path if part != 'address').replace('_', '-')}"
        if _reaches(self._variables, path):
            return PREFIX + NESTED.join(path).upper()
        line = self._line(path)
        return f"{self._file}:{line}" if line else str(self._file or "configuration")

    def _line(self, path: tuple[str, ...]) -> int | None:
        node, line = self._root, None
        for part in path:
            if not isinstance(node, yaml.MappingNode):
                break
            found = next(((k, v) for k, v in node.value if k.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line


def _reaches(values: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    current: Any = values
    for part in path:
        if not isinstance(current, Mapping) or part not in current:
            return False
        current = current[part]
    return bool(path)


def _complaints(error: ValidationError, places: _Places) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        path = tuple(str(part) for part in problem["loc"])
        name = ".".join(path)
        if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
            message = f"no such setting{_suggestion(path[-1], keys_at(path[:-1]))}"
        else:
            text = str(problem["msg"]).removeprefix("Value error, ")
            message = text[:1].lower() + text[1:]
            if problem["type"] != "value_error":
                message += f", not {problem['input']!r}"
        yield f"{places.of(path)}: {name}: {message}"


def _suggestion(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"


def keys_at(path: tuple[str, ...]) -> set[str]:
    """The names of the settings in the section at `path`."""
    current: object = Config
    for part in path:
        if get_origin(current) is dict:
            current = get_args(current)[1]  # The part is a name of the user's choice.
            continue
        types = _field_types(current)
        if part not in types:
            return set()
        current = types[part]
    return set(_field_types(current))


def _field_types(section: object) -> dict[str, object]:
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: _plain(field.annotation) for name, field in section.model_fields.items()}
    if isinstance(section, type) and is_dataclass(section):
        return {field.name: field.type for field in fields(section)}
    return {}


def _plain(annotation: object) -> object:
    if get_origin(annotation) is dict:
        return annotation
    arguments = [kind for kind in get_args(annotation) if kind is not type(None)]
    return arguments[0] if arguments and not isinstance(annotation, type) else annotation
