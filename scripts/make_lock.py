"""Make the locks: ``python scripts/make_lock.py [--upgrade]``; uv must be on PATH.

``requirements.txt`` holds the worker's packages for every platform and Python, by hash, and how
much each platform downloads and installs. ``requirements-dev.txt`` adds what the tests and checks
need, in versions that go with the former, so that one environment holds both.

The sizes are measured: the wheels of each platform are downloaded once to a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import subprocess  # nosec B404: uv and pip are programs
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
DEV_LOCK = ROOT / "requirements-dev.txt"
OLDEST_PYTHON = "3.11"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MEASURED_PYTHON = "3.12"
OLDEST_MACOS = "15.0"
MANYLINUX = ("_2_28", "_2_27", "_2_26", "_2_24", "_2_17", "2014", "_2_12", "_2_5")
# The lock's name of a platform, uv's, and the wheel tags that pip is to take
PLATFORMS = {
    "linux-x86_64": ("x86_64-manylinux_2_28", [f"manylinux{tag}_x86_64" for tag in MANYLINUX]),
    "linux-arm64": ("aarch64-manylinux_2_28", [f"manylinux{tag}_aarch64" for tag in MANYLINUX]),
    "macos-arm64": ("aarch64-apple-darwin", ["macosx_15_0_arm64"]),
    "macos-x86_64": ("x86_64-apple-darwin", ["macosx_15_0_x86_64"]),
    "windows-x86_64": ("x86_64-pc-windows-msvc", ["win_amd64"]),
}
HEADER = """\
# Made by scripts/make_lock.py from {source}; do not edit.
"""
SIZE_HEADER = "# Bytes by platform; installed is without byte code:\n"


def main() -> None:
    """Make both locks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    resolve("requirements.in", LOCK, upgrade)
    check_wheels()
    add_header(LOCK, "requirements.in", measure_sizes())
    resolve("requirements-dev.in", DEV_LOCK, [*upgrade, "--constraints", LOCK.name])
    add_header(DEV_LOCK, "requirements-dev.in", "")


def resolve(source: str, lock: Path, options: list[str]) -> None:
    """Pin every package for all platforms, by hash; the index's address stays out of it."""
    run(
        *("uv", "pip", "compile", source, "--output-file", lock.name, "--quiet"),
        *("--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"),
        *("--no-header", "--no-emit-index-url", "--no-emit-find-links"),
        *options,
    )


def check_wheels() -> None:
    """Check that no platform and no Python would have to compile a package."""
    for name, (target, _) in PLATFORMS.items():
        for python in PYTHONS:
            print(f"wheels for {name}, Python {python}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                run(
                    *("uv", "pip", "install", "--dry-run", "--quiet", "--target", folder),
                    *("--only-binary", ":all:", "--require-hashes", "--no-deps"),
                    *("--python-platform", target, "--python-version", python),
                    *("--requirements", LOCK.name),
                )


def measure_sizes() -> str:
    """One comment line a platform, with the bytes to download and to install."""
    lines = [SIZE_HEADER]
    for name, (target, tags) in PLATFORMS.items():
        with tempfile.TemporaryDirectory() as folder:
            pinned = Path(folder) / "pinned.txt"
            run(
                *("uv", "pip", "compile", "requirements.in", "--constraints", LOCK.name),
                *("--python-platform", target, "--python-version", MEASURED_PYTHON),
                *("--output-file", str(pinned), "--quiet", "--no-header", "--no-annotate"),
            )
            run(
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--python-version", MEASURED_PYTHON),
                *[option for tag in tags for option in ("--platform", tag)],
                *("--dest", folder, "--requirement", str(pinned)),
            )
            wheels = sorted(Path(folder).glob("*.whl"))
            download = sum(wheel.stat().st_size for wheel in wheels)
            installed = sum(map(unpacked_size, wheels))
            large = [f"{w.name} {unpacked_size(w) / 1e6:.0f} MB" for w in wheels]
            print("\n".join(text for text in large if int(text.split()[-2]) >= 10), flush=True)
        lines.append(f"# size {name} download={download} installed={installed}\n")
        print(lines[-1], end="", flush=True)
    return "".join(lines)


def unpacked_size(wheel: Path) -> int:
    """The bytes of all files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(entry.file_size for entry in archive.infolist())


def add_header(lock: Path, source: str, sizes: str) -> None:
    """Put the header above what uv wrote."""
    content = lock.read_text(encoding="utf-8")
    lock.write_text(HEADER.format(source=source) + sizes + content, encoding="utf-8")


def run(*command: str) -> None:
    """Run a command in the project's folder; its failure ends the script."""
    variables = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS}  # for uv's macOS targets
    subprocess.run(command, cwd=ROOT, check=True, env=variables)  # nosec B603: written above


if __name__ == "__main__":
    main()
