"""The lock: what is read of it, and that the one in the project keeps its promises."""

import re

import pytest
from fairweather.core.bridge.environment.lock import (
    LOCK_FILE,
    InstallSize,
    platform_name,
    read_direct_dependencies,
    read_lock,
)

SMALL = """\
# Made by hand
# size linux-x86_64 download=10 installed=40
# size windows-x86_64 download=20 installed=30
alpha==1.2.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via beta
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:cc
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:dd
uv==0.13.9 \\
    --hash=sha256:ee
"""


def lock_of(tmp_path, text):
    path = tmp_path / "lock.txt"
    path.write_bytes(text.encode())
    return read_lock(path)


def test_a_lock_is_read(tmp_path):
    lock = lock_of(tmp_path, SMALL)
    assert lock.versions == {
        "alpha": {"1.2.3"},
        "numpy": {"2.4.6", "2.5.5"},
        "uv": {"0.13.9"},
    }
    assert lock.sizes["linux-x86_64"] == InstallSize(10, 40)
    assert lock.only("uv") == "uv==0.13.9 \\\n    --hash=sha256:ee\n"
    assert lock.only("uv") + lock.without("uv") != lock.without("uv")
    assert "uv==" not in lock.without("uv")
    assert lock.without("uv").count("--hash") == 4


def test_the_digest_follows_the_packages_and_not_the_comments_or_line_ends(tmp_path):
    digest = lock_of(tmp_path, SMALL).digest
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert lock_of(tmp_path, SMALL.replace("by hand", "again")).digest == digest
    assert lock_of(tmp_path, SMALL.replace("\n", "\r\n")).digest == digest
    assert lock_of(tmp_path, SMALL.replace("sha256:dd", "sha256:df")).digest != digest
    assert lock_of(tmp_path, SMALL.replace("1.2.3", "1.2.4")).digest != digest


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("linux", "aarch64", "linux-arm64"),
        ("win32", "AMD64", "windows-x86_64"),
        ("darwin", "arm64", "macos-arm64"),
        ("darwin", "x86_64", "macos-x86_64"),
    ],
)
def test_platforms_have_names_that_the_lock_knows(system, machine, name):
    assert platform_name(system, machine) == name
    assert name in read_lock().sizes


def test_an_unknown_platform_is_given_the_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert lock_of(tmp_path, SMALL).size == InstallSize(10, 40)


def test_every_package_of_the_project_is_pinned_and_hashed():
    lock = read_lock()
    assert len(lock.requirements) > 50
    assert all(text.count("--hash=sha256:") >= 1 for text in lock.requirements)
    assert set(read_direct_dependencies()) <= set(lock.versions)
    assert lock.only("uv")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_no_lock_names_an_index(plugin_root, name):
    text = (plugin_root / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(
        r"^\s*-", re.sub(r"^\s+--hash", "", text, flags=re.MULTILINE), re.MULTILINE
    )


def test_one_environment_holds_the_worker_and_the_test_tools(plugin_root):
    worker = read_lock(LOCK_FILE).versions
    tools = read_lock(plugin_root / "requirements-dev.txt").versions
    for name in worker.keys() & tools.keys():
        assert tools[name] <= worker[name], name


def test_each_direct_dependency_has_its_reason(plugin_root):
    lines = (plugin_root / "requirements.in").read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    assert named
    assert all(re.search(r"  # \w", line) for line in named)
    documented = (plugin_root / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in read_direct_dependencies():
        assert f"`{name}`" in documented, name
