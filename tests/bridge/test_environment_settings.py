"""pip's settings for uv, and uv's for pip."""

import importlib.util
import os
import subprocess
import sys

import pytest
from fairweather.core.bridge.clean_environment import clean_environment
from fairweather.core.bridge.environment.package_settings import (
    pip_environment,
    read_pip_settings,
    uv_environment,
    uv_options,
)

COMPANY = "https://packages.example.org/simple"


@pytest.mark.skipif(not importlib.util.find_spec("pip"), reason="this environment has no pip")
def test_pip_prints_what_is_read(monkeypatch, tmp_path):
    """Against the real pip: a file, a command's own section, and a variable, in pip's order."""
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://one.example.org/simple\ntimeout = 7\n"
        "find-links =\n    /wheels-one\n    /wheels-two\nproxy = proxy.example.org:3128\n"
        "[install]\ntimeout = 8\n[download]\ntimeout = 9\n",
        encoding="utf-8",
    )
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    variables.update(PIP_CONFIG_FILE=str(config), PIP_INDEX_URL=COMPANY)
    command = [sys.executable, "-I", "-m", "pip", "config", "list"]
    listed = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    settings = read_pip_settings(listed.stdout)
    assert settings["index-url"] == COMPANY
    assert settings["timeout"] == "8"
    assert settings["find-links"].split("\n") == ["", "/wheels-one", "/wheels-two"]
    assert settings["proxy"] == "proxy.example.org:3128"


def test_what_is_no_setting_is_passed_over():
    assert read_pip_settings("WARNING: x\nglobal.a=not quoted\nother.b='c'\nglobal.d='e'\n") == {
        "d": "e"
    }


def test_uv_is_told_what_pip_knows():
    told = uv_environment(
        {"PATH": "kept"},
        {
            "index-url": COMPANY,
            "extra-index-url": "https://a.example.org\nhttps://b.example.org",
            "find-links": "/wheels https://c.example.org",
            "trusted-host": "a.example.org",
            "cert": "/company.pem",
            "proxy": "http://proxy.example.org:3128",
            "default-timeout": "60",
        },
    )
    assert told["PATH"] == "kept"
    assert told["UV_DEFAULT_INDEX"] == COMPANY
    assert told["UV_INDEX"] == "https://a.example.org https://b.example.org"
    assert told["UV_FIND_LINKS"] == "/wheels,https://c.example.org"
    assert told["UV_INSECURE_HOST"] == "a.example.org"
    assert told["SSL_CERT_FILE"] == "/company.pem"
    assert told["HTTPS_PROXY"] == told["HTTP_PROXY"] == "http://proxy.example.org:3128"
    assert told["UV_HTTP_TIMEOUT"] == "60"


def test_uvs_own_settings_win():
    own = {
        "UV_DEFAULT_INDEX": "https://own.example.org",
        "UV_INDEX": "https://more.example.org",
        "UV_FIND_LINKS": "/own",
        "SSL_CERT_FILE": "/own.pem",
        "HTTPS_PROXY": "http://own.example.org",
        "UV_INDEX_STRATEGY": "first-index",
    }
    pip = {
        "index-url": COMPANY,
        "extra-index-url": COMPANY,
        "find-links": "/pip",
        "cert": "/pip.pem",
        "proxy": "http://pip.example.org",
    }
    told = uv_environment(own, pip)
    assert {name: told[name] for name in own} == own


def test_a_cache_of_the_users_own_is_copied_from_and_never_linked():
    assert "UV_LINK_MODE" not in uv_environment({}, {})
    assert uv_environment({"UV_CACHE_DIR": "/cache"}, {})["UV_LINK_MODE"] == "copy"


@pytest.mark.parametrize(("value", "options"), [("1", ["--no-index"]), ("false", []), ("", [])])
def test_no_index_is_an_option_of_uv(value, options):
    assert uv_options({"no-index": value}) == options


def test_pip_is_told_what_uv_knows():
    told = pip_environment(
        {
            "UV_DEFAULT_INDEX": f"company={COMPANY}",
            "UV_INDEX": "more=https://more.example.org https://third.example.org",
            "UV_FIND_LINKS": "/wheels,/others",
            "UV_INSECURE_HOST": "more.example.org",
        }
    )
    assert told["PIP_INDEX_URL"] == COMPANY
    assert told["PIP_EXTRA_INDEX_URL"] == "https://more.example.org https://third.example.org"
    assert told["PIP_FIND_LINKS"] == "/wheels /others"
    assert told["PIP_TRUSTED_HOST"] == "more.example.org"


def test_pips_own_settings_win():
    told = pip_environment(
        {"PIP_INDEX_URL": "https://own.example.org", "UV_DEFAULT_INDEX": COMPANY}
    )
    assert told["PIP_INDEX_URL"] == "https://own.example.org"


def test_settings_that_lead_out_of_the_environment_are_dropped():
    told = pip_environment({"PIP_USER": "1", "PIP_TARGET": "/elsewhere", "PIP_PROXY": "kept"})
    assert "PIP_USER" not in told
    assert "PIP_TARGET" not in told
    assert told["PIP_PROXY"] == "kept"
    assert "UV_PYTHON" not in uv_environment({"UV_PYTHON": "3.9"}, {})


def test_a_child_sees_nothing_of_qgis_and_all_of_the_users_network(monkeypatch):
    theirs = ["PYTHONPATH", "PYTHONEXECUTABLE", "PROJ_LIB", "GDAL_DATA", "QT_PLUGIN_PATH"]
    users = ["HTTPS_PROXY", "PIP_INDEX_URL", "UV_INDEX", "SSL_CERT_FILE", "FAIRWEATHER_HOME"]
    for name in [*theirs, *users]:
        monkeypatch.setenv(name, "value")
    seen = clean_environment()
    assert not set(theirs) & set(seen)
    assert set(users) <= set(seen)
