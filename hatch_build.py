"""Compiles the pure engine with mypyc into the wheel: for those who build one with a C compiler.

The sources are the same ones that run uncompiled, and lie in the wheel too. Without
`HATCH_BUILD_HOOKS_ENABLE=1` nothing of this runs, and the wheel is pure Python.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WORK: Final = Path("build", "compiled")
GROUP: Final = "neurorail_engine"
"""One group: calls between its modules are calls in C. It names the shared library."""
COMPILED: Final = (
    ("rules", "neurorail/rules/*.py"),
    ("rules", "neurorail/rules/governor/*.py"),
    ("rules", "neurorail/rules/reflex/*.py"),
    ("rules", "neurorail/rules/manifest/*.py"),
    ("instrumentation", "neurorail/semconv/genai.py"),
    ("collector", "neurorail/collector/decode/*.py"),
    ("collector", "neurorail/collector/engine/encoding.py"),
)
"""Roots, and what is compiled of each."""
KEPT_PURE: Final = {
    "neurorail/rules/observations.py": "the codec reads its annotations, of which little is kept",
    "neurorail/rules/config.py": "goes to the engine's process as a pickle",
    "neurorail/rules/governor/decided.py": "comes from the engine's process as a pickle",
    **{
        f"neurorail/rules/manifest/{name}.py": "documents are read by docstrings and annotations"
        for name in (
            "actions", "check", "codec", "default", "diff", "faults", "kinds", "limits", "load",
            "model", "read_condition", "satisfiable", "scalars", "schema", "settings", "triggers",
            "windows", "written", "yaml_tree",
        )
    },
}  # fmt: skip
"""What is not compiled, and why; nor are packages' own files, and files with msgspec's structs."""


class CompiledEngine(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the wheel's builder what was made."""
        if self.target_name != "wheel" or version == "editable":
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for made, inside in compile_engine(Path(self.root)).items():
            build_data["force_include"][made] = inside


def modules(root: Path) -> list[str]:
    """The sources that are compiled, relative to the root of the project."""
    found = []
    for part, pattern in COMPILED:
        for path in sorted((root / part).glob(pattern)):
            inside = path.relative_to(root / part).as_posix()
            # A package's own file is left, as it would be a library without a place for the rest.
            if path.name == "__init__.py" or inside in KEPT_PURE:
                continue
            if "msgspec.Struct" not in path.read_text(encoding="utf-8"):
                found.append(f"{part}/{inside}")
    return found


def compile_engine(root: Path) -> dict[str, str]:
    """Libraries that were made, and where each belongs in the wheel."""
    from mypyc.build import mypycify
    from setuptools import Distribution  # type: ignore[import-untyped]

    before = Path.cwd()
    os.chdir(root)
    try:
        extensions = mypycify(
            modules(root),
            opt_level="2",
            debug_level="0",
            group_name=GROUP,
            target_dir=str(WORK / "c"),
        )
        command = Distribution({"name": GROUP, "ext_modules": extensions}).get_command_obj(
            "build_ext"
        )
        command.build_lib = str(WORK / "lib")
        command.build_temp = str(WORK / "temp")
        command.ensure_finalized()
        command.run()
        return {
            str(Path(made).resolve()): Path(made).relative_to(WORK / "lib").as_posix()
            for made in command.get_outputs()
        }
    finally:
        os.chdir(before)
