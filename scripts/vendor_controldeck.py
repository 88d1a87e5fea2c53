"""Bundles what ControlDeck's pages import into `static/controldeck/vendor/`, pinned by a lock file.

Needs Node.js and npm; run it after changing `api/vendor/package.json`:

    python scripts/vendor_controldeck.py           # write the files
    python scripts/vendor_controldeck.py --check   # rebuild and compare, write nothing

The pages themselves are plain ES modules and are never built. THIRD_PARTY.md lists each part with
its version, its licence and the SHA-256 of every file, so that a reader can check what is shipped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "api" / "vendor"
TARGET = ROOT / "api" / "neurorail" / "api" / "controldeck" / "vendor"

BUNDLES = {
    "ui.js": ("preact", "htm", "@preact/signals", "@preact/signals-core"),
    "chart.js": ("uplot",),
}
COPIED = {
    "@fontsource-variable/inter": "files/inter-latin-wght-normal.woff2",
    "@fontsource-variable/jetbrains-mono": "files/jetbrains-mono-latin-wght-normal.woff2",
    "uplot": "dist/uPlot.min.css",
}


def build(target: Path) -> None:
    """Installs the locked packages and writes every vendored file into `target`."""
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--silent"], cwd=SOURCE, check=True)
    modules = SOURCE / "node_modules"
    for bundle in BUNDLES:
        subprocess.run(
            [
                str(modules / ".bin" / "esbuild"),
                bundle,
                "--bundle",
                "--format=esm",
                "--minify",
                "--target=es2022",
                "--legal-comments=none",
                "--log-level=warning",
                f"--outfile={target / bundle}",
            ],
            cwd=SOURCE,
            check=True,
        )
        types = Path(bundle).with_suffix(".d.ts")
        shutil.copyfile(SOURCE / types, target / types)
    for package, file in COPIED.items():
        shutil.copyfile(modules / package / file, target / Path(file).name)
    licences = target / "licences"
    licences.mkdir()
    for package in parts():
        name = package.removeprefix("@").replace("/", "-")
        shutil.copyfile(modules / package / "LICENSE", licences / f"{name}.txt")
    (target / "THIRD_PARTY.md").write_text(third_party(target, modules), encoding="utf-8")


def parts() -> dict[str, list[str]]:
    """Every package by name, with the files that hold something of it."""
    found: dict[str, list[str]] = {}
    for bundle, packages in BUNDLES.items():
        for package in packages:
            found.setdefault(package, []).append(bundle)
    for package, file in COPIED.items():
        found.setdefault(package, []).append(Path(file).name)
    return found


def third_party(target: Path, modules: Path) -> str:
    """The text of THIRD_PARTY.md for the files in `target`."""
    lines = [
        "# Third-party parts of ControlDeck",
        "",
        "Written by `scripts/vendor_controldeck.py`; pinned by `api/vendor/package-lock.json`.",
        "",
        "| part | version | licence | in | licence text |",
        "|---|---|---|---|---|",
    ]
    for package, files in parts().items():
        about = json.loads((modules / package / "package.json").read_text(encoding="utf-8"))
        text = f"licences/{package.removeprefix('@').replace('/', '-')}.txt"
        held_in = ", ".join(files)
        lines.append(
            f"| {package} | {about['version']} | {about['license']} | {held_in} | {text} |"
        )
    lines += ["", "| file | bytes | SHA-256 |", "|---|---|---|"]
    for path in sorted(path for path in target.rglob("*") if path.is_file()):
        if path.name == "THIRD_PARTY.md":
            continue
        content = path.read_bytes()
        name = path.relative_to(target).as_posix()
        lines.append(f"| {name} | {len(content)} | {hashlib.sha256(content).hexdigest()} |")
    return "\n".join(lines) + "\n"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` by its relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def main() -> int:
    """Writes the vendored files, or compares them: 0 when they are as locked, 1 when not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    arguments = parser.parse_args()
    if shutil.which("npm") is None:
        print("npm is not on the path; install Node.js 20 or later", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        build(built)
        if not arguments.check:
            shutil.rmtree(TARGET, ignore_errors=True)
            shutil.copytree(built, TARGET)
            TARGET.chmod(0o755)
            print(f"wrote {len(contents(TARGET))} files to {TARGET.relative_to(ROOT)}")
            return 0
        wanted, found = contents(built), contents(TARGET)
        names = sorted(wanted.keys() | found.keys())
        differing = [name for name in names if wanted.get(name) != found.get(name)]
    for name in differing:
        print(f"differs from the locked build: {name}", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
