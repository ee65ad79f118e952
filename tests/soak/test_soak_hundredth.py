"""A hundredth of each row of the soak, and of the kills more, with a fixed seed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROWS = sorted(path.stem for path in (HERE / "soak_rows").glob("*.py"))
SHARE = 0.01
SHARES = {"kills": 0.15}
WORKERS_KILLED = 30


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_hundredth_of_the_soak(name, tmp_path):
    board = tmp_path / "board.json"
    command = [sys.executable, HERE / "soak.py", "--row", name]
    command += ["--share", str(SHARES.get(name, SHARE))]
    subprocess.run([*command, "--scoreboard", board], check=False)
    [row] = json.loads(board.read_text(encoding="utf-8"))["rows"]
    assert row["kept"], row["why"]
    if name == "kills":
        killed = row["figures"]["kills_by_kind"].items()
        assert sum(times for kind, times in killed if kind.startswith("worker,")) >= WORKERS_KILLED
