"""``make soak``: every promise of docs/reliability.md tried many times, one scoreboard in JSON.

``python tests/soak/soak.py --row NAME`` runs one row alone, ``--share 0.01`` a hundredth of each.
Each row runs in a process of its own, so that one that crashes or hangs costs only itself; its line
in the scoreboard is written anew as soon as it ends.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import math
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

from soak_package import ROOT, load_package
from soak_row import Trial

HERE = Path(__file__).resolve().parent
SEED = 20_260_101
MOST_SECONDS_OF_A_ROW = 3600
SCOREBOARD = ROOT / "build" / "soak" / "scoreboard.json"


def row_names() -> list[str]:
    """The rows: one file each in ``soak_rows``."""
    return sorted(path.stem for path in (HERE / "soak_rows").glob("*.py"))


def run_row(name: str, share: float, seed: int, folder: Path) -> dict[str, object]:
    """Run one row here; its line of the scoreboard."""
    row = importlib.import_module(f"soak_rows.{name}").ROW
    times = max(1, math.ceil(row.times * share))
    line = {"row": name, "promise": row.promise, "times": times, "seed": seed, "commit": _commit()}
    began = time.monotonic()
    try:
        figures = row.run(Trial(times, random.Random(f"{seed} {name}"), folder))
        line |= {"kept": True, "figures": figures}
    except Exception as error:
        traceback.print_exc()
        line |= {"kept": False, "why": f"{type(error).__name__}: {error}"[:2000]}
    return {**line, "seconds": round(time.monotonic() - began, 1)}


def main(arguments: list[str]) -> int:
    """Run the rows asked for; 0 where every promise was kept."""
    options = _parse(arguments)
    if options.line:
        # The jobs that a shell runs in the background ignore it, and so would all they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as folder:
            home, work = Path(folder, "home"), Path(folder, "work")
            home.mkdir()
            work.mkdir()
            os.environ["FAIRWEATHER_HOME"] = str(home)
            load_package()
            line = run_row(options.row[0], options.share, options.seed, work)
        options.line.write_text(json.dumps(line), encoding="utf-8")
        return 0
    lines = []
    for name in options.row or row_names():
        print(f"== {name}", flush=True)
        lines.append(_in_its_own_process(name, options))
        print(json.dumps(lines[-1], ensure_ascii=False), flush=True)
        _save(options.scoreboard, lines)
    return 0 if all(line["kept"] for line in lines) else 1


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak.py", description=__doc__)
    parser.add_argument("--row", action="append", choices=row_names(), help="this one only")
    parser.add_argument("--share", type=float, default=1.0, help="of the times of each row")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--scoreboard", type=Path, default=SCOREBOARD)
    parser.add_argument("--line", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _in_its_own_process(name: str, options: argparse.Namespace) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="soak-line-") as folder:
        line = Path(folder) / "line.json"
        command = [sys.executable, __file__, "--row", name, "--share", str(options.share)]
        command += ["--seed", str(options.seed), "--line", str(line)]
        began = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, check=False, timeout=MOST_SECONDS_OF_A_ROW)
        if line.exists():
            return json.loads(line.read_text(encoding="utf-8"))
    seconds = round(time.monotonic() - began, 1)
    return {"row": name, "kept": False, "why": "its process ended early", "seconds": seconds}


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    said = subprocess.run(
        [git, "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    return said.stdout.strip() or None


def _save(scoreboard: Path, new: list[dict[str, object]]) -> None:
    """Write the lines of these rows into the scoreboard; those of others stay as they are."""
    old = json.loads(scoreboard.read_text(encoding="utf-8"))["rows"] if scoreboard.exists() else []
    lines = {line["row"]: line for line in [*old, *new]}
    board = {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "seconds": round(sum(line["seconds"] for line in lines.values()), 1),
        "kept": sum(line["kept"] for line in lines.values()),
        "rows": [lines[name] for name in sorted(lines)],
    }
    scoreboard.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(board, indent=1, ensure_ascii=False)
    scoreboard.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
