"""YAML text to a tree of nodes that know their places. Nothing is guessed and nothing is merged."""

from __future__ import annotations

from typing import Final

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from neurorail.rules.manifest.faults import Fault, ManifestInvalid

CHARACTERS_MAX: Final = 1_000_000
DEPTH_MAX: Final = 32

_TAG: Final = "tag:yaml.org,2002:"
NULL, TEXT, WHOLE, DECIMAL, FLAG, MAPPING, LIST = (
    "nothing", "a text", "a whole number", "a decimal number", "true or false", "a mapping",
    "a list",
)  # fmt: skip
_WORDS: Final = {"null": NULL, "int": WHOLE, "float": DECIMAL, "bool": FLAG}


def compose(text: str) -> Node:
    """The root node of a document.

    Raises:
        ManifestInvalid: the text is no single YAML document, or it is too large, too deep or uses
            anchors.
    """
    if len(text) > CHARACTERS_MAX:
        raise ManifestInvalid([Fault(1, 1, "", f"longer than {CHARACTERS_MAX} characters")])
    _check_shape(text)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        raise ManifestInvalid([Fault(1, 1, "", "the document is empty")])
    return root


def _check_shape(text: str) -> None:
    """Walk the events first: composing recurses, and an alias can make a tree of any size."""
    depth = 0
    try:
        documents = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            mark = event.start_mark
            assert mark is not None, "events that are parsed have a place"
            place = (mark.line + 1, mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise ManifestInvalid([Fault(*place, "", "a second document begins here")])
            elif isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise ManifestInvalid([Fault(*place, "", "anchors and aliases are not read")])
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_MAX:
                    raise ManifestInvalid([Fault(*place, "", f"nested deeper than {DEPTH_MAX}")])
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        problem = error.problem or error.context or "not readable"
        raise ManifestInvalid([Fault(line, column, "", f"no YAML: {problem}")]) from None
    except yaml.YAMLError as error:
        message = f"no YAML: {str(error).splitlines()[0]}"
        raise ManifestInvalid([Fault(1, 1, "", message)]) from None


def kind_of(node: Node) -> str:
    """What a node is, in words."""
    if isinstance(node, MappingNode):
        return MAPPING
    if isinstance(node, SequenceNode):
        return LIST
    return _WORDS.get(node.tag.removeprefix(_TAG), TEXT)


def said(node: Node) -> str:
    """A node as it is shown in a message."""
    if isinstance(node, ScalarNode):
        return repr(node.value) if len(node.value) <= 60 else repr(node.value[:57] + "…")
    return kind_of(node)
