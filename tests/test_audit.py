"""The audit of the locks tells of known holes, of what is not known, and when nobody answers."""

import importlib.util
import json
import sys

import pytest

# Stands in for pip-audit: reads the file of pins that it is given, and answers from its own.
PIP_AUDIT = """
import json, sys
from pathlib import Path
answers = json.loads(Path(sys.argv[1]).read_text())
assert {"--disable-pip", "--no-deps"} <= set(sys.argv)
pins = Path(sys.argv[sys.argv.index("--requirement") + 1]).read_text().split()
if answers is None:
    sys.exit("the service cannot be reached")
packages = [dict(zip(("name", "version"), pin.split("=="))) for pin in pins]
print(json.dumps({"dependencies": [{**one, **answers.get(one["name"], {})} for one in packages]}))
sys.exit(any(one["name"] in answers for one in packages))
"""
KNOWN_HOLE = {"requests": {"vulns": [{"id": "CVE-1", "fix_versions": ["2.20"]}]}}


@pytest.fixture
def audit(plugin_root, tmp_path, monkeypatch):
    """A function that audits all locks, with what the database says of packages by name."""
    script = plugin_root / "scripts" / "audit.py"
    spec = importlib.util.spec_from_file_location("audit", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lock = tmp_path / "requirements.txt"
    # As a lock has it: hashes, and two versions of one package by Python's version.
    lock.write_text(
        "# numpy==0.1\nnumpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:0\n"
        "numpy==2.5.5 ; python_version >= '3.12'\nrequests==2.33.0 \\\n    --hash=sha256:1\n"
    )
    monkeypatch.setattr(module, "LOCKS", (lock,))
    program, answers = tmp_path / "pip_audit.py", tmp_path / "answers.json"
    program.write_text(PIP_AUDIT)
    command = [sys.executable, str(program), str(answers)]
    monkeypatch.setattr(module, "make_environment", lambda _: command)

    def run(said):
        answers.write_text(json.dumps(said))
        return module.main(tmp_path)

    run.module = module
    return run


def test_every_version_of_the_locks_is_asked_for_once(audit):
    assert audit.module.pins_of_all_locks() == [
        ["numpy==2.4.6", "requests==2.33.0"],
        ["numpy==2.5.5"],
    ]


def test_the_projects_own_locks_are_read(plugin_root, audit, monkeypatch):
    locks = [plugin_root / name for name in ("requirements.txt", "requirements-dev.txt")]
    monkeypatch.setattr(audit.module, "LOCKS", locks)
    pins = [pin for row in audit.module.pins_of_all_locks() for pin in row]
    wanted = {
        line.split()[0] for lock in locks for line in lock.read_text().splitlines()
        if "==" in line and line[0].isalnum()
    }  # fmt: skip
    assert set(pins) == wanted
    assert len(pins) == len(wanted) > 80


def test_a_known_vulnerability_is_told_once(audit, capsys):
    hole = {"vulns": [{"id": "CVE-2", "fix_versions": ["2.6"]}]}
    assert audit({**KNOWN_HOLE, "numpy": hole}) == 1
    assert capsys.readouterr().out.splitlines() == [
        "numpy 2.4.6: CVE-2 (mended in ['2.6'])",
        "numpy 2.5.5: CVE-2 (mended in ['2.6'])",
        "requests 2.33.0: CVE-1 (mended in ['2.20'])",
        "3 known vulnerabilities",
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**KNOWN_HOLE, "numpy": {"skip_reason": "not found"}}, "numpy: the database does not"),
        ({}, "cannot be asked from here"),
        (None, "cannot be asked from here"),
    ],
    ids=["one is not known", "not even the old hole is known", "nobody answers"],
)
def test_what_is_not_known_is_never_called_safe(audit, capsys, monkeypatch, said, words):
    monkeypatch.setattr(audit.module, "pins_of_all_locks", lambda: [["numpy==2.4.6"]])
    assert audit(said) == 2
    assert words in capsys.readouterr().err


def test_locks_without_a_known_hole_are_told_so(audit, capsys, monkeypatch):
    monkeypatch.setattr(audit.module, "pins_of_all_locks", lambda: [["numpy==2.4.6"]])
    assert audit(KNOWN_HOLE) == 0
    assert capsys.readouterr().out == "0 known vulnerabilities\n"
