"""Whatever goes wrong in a worker, what lets somebody in is in no event, log, stderr or file."""

import base64
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fairweather.core.bridge.credentials import (
    Headers,
    Login,
    StorageKeys,
    TokenGrant,
    credentials_to_line,
)
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.events import Failure
from fairweather.core.bridge.home import worker_log_file
from fairweather.core.bridge.plain_text import without_secrets
from fairweather.core.bridge.request import SearchScenesRequest, request_to_json
from fairweather.core.science.log_without_secrets import LogWithoutSecrets
from guarded_server import Reply

PLANTED = "plantedXthing4711"
PASSWORD = "it's a \\ quoted 'päss' wörd"

# The real worker, in which one function fails as libraries do: with all that it had in hand in its
# words, in those of its causes and notes, in warnings, logs, prints, and in a thread.
LAUNCH = """
import importlib, importlib.util, logging, sys, threading, warnings
from urllib.parse import quote
spec = importlib.util.spec_from_file_location("launch", {launch!r})
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
worker = importlib.import_module("fairweather.core.science.worker")
module = importlib.import_module("fairweather.core.science.{module}")

def fail(*_, **__):
    planted, password = {planted!r}, {password!r}
    address = "https://me:" + planted + "@files.example/a.tif?X-Signature=" + planted + "&b=c"
    header = {{"Authorization": "Bearer " + planted}}
    path = "Max retries exceeded with url: /a/b.tif?sig=" + planted + " (Caused by nothing)"
    words = f"{{address}} {{header}} {{path}} {{password}} {{password!r}} {{quote(password)}}"
    print(words)
    print(words, file=sys.stderr, end="")
    warnings.warn(words)
    logging.getLogger("a.library").warning("Retrying after %r: %s", words, path)
    thread = threading.Thread(target=lambda: 1 / (words == planted))
    thread.start()
    thread.join()
    error = RuntimeError(words)
    error.add_note(words)
    others = ExceptionGroup(words, [ValueError(words), KeyError(words)])
    raise error from others

assert callable(module.{function})
module.{function} = fail
sys.exit(worker.main(sys.argv[2:]))
"""

STAGES = {
    "search": ("catalog.job", "find_scenes"),
    "block": ("composite.run", "compose_block"),
    "report": ("composite.job", "write_composite_report"),
}


@pytest.fixture
def failing_worker(tmp_path, plugin_root):
    """A function: the script of a worker in which a stage fails."""

    def make(stage):
        module, function = STAGES[stage]
        script = tmp_path / f"{stage}.py"
        launch = str(plugin_root / "core" / "launch.py")
        words = {"launch": launch, "module": module, "function": function}
        text = LAUNCH.format(**words, planted=PLANTED, password=PASSWORD)
        script.write_text(text, encoding="utf-8")
        return script

    return make


@pytest.fixture
def request_(scenes, watched):
    catalog = scenes.catalog(scenes.folder / "pixels")
    return scenes.request(catalog, scenes.profile(), watched.folder / "it.tif")


def shapes_of(secret):
    """As it is, and as reprs and addresses have it."""
    return secret, repr(secret)[1:-1], secret.replace("'", "\\'")


slow = pytest.mark.slow


@pytest.mark.parametrize("stage", ["block", pytest.param("report", marks=slow)])
def test_an_unexpected_error_shows_no_secret(failing_worker, watched, request_, stage):
    with pytest.raises(WorkerError, match=r"unexpected error \(RuntimeError"):
        watched.run(request_, Login("me", PASSWORD), launch_script=failing_worker(stage))
    watched.assert_shows_no(PLANTED, *shapes_of(PASSWORD))
    log = worker_log_file().read_text(encoding="utf-8")
    for words in ("Traceback", "RuntimeError", "ValueError", "ZeroDivisionError", "Retrying after"):
        assert words in log
    assert "files.example/a.tif" in log


@slow
def test_a_worker_by_hand_shows_none_either(failing_worker, request_, tmp_path):
    search = SearchScenesRequest(request_.search, str(tmp_path / "items.json"), "")
    path = tmp_path / "request.json"
    path.write_text(request_to_json(search), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, failing_worker("search"), "worker", path, "--read-credentials"],
        input=credentials_to_line(Login("me", PASSWORD)) + "\n",
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
    shown = done.stdout + done.stderr
    assert done.returncode == 1
    assert "RuntimeError" in shown
    assert not [secret for secret in (PLANTED, *shapes_of(PASSWORD)) if secret in shown]


@slow
def test_a_catalogue_whose_connection_breaks(scenes, serve, watched):
    """The library that asks again logs the address, with the token in it."""
    server = serve(folder=scenes.folder)
    server.answer = lambda _: Reply(200, b"{", {"Content-Length": "99"})
    address = f"{server.address}/items.json?token={PLANTED}"
    request = scenes.request(address, scenes.profile(), watched.folder / "it.tif")
    search = SearchScenesRequest(request.search, str(watched.folder / "items.json"), "")
    path = scenes.folder / "asked.json"
    path.write_text(request_to_json(search), encoding="utf-8")
    script = Path(__file__).resolve().parents[3] / "core" / "launch.py"
    done = subprocess.run(
        [sys.executable, script, "worker", path], capture_output=True, encoding="utf-8",
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert PLANTED in server.seen[0].target
    assert PLANTED not in done.stdout + done.stderr


class TestLog:
    """Each way of writing, without a worker."""

    @pytest.fixture
    def stream(self):
        return io.StringIO()

    @pytest.mark.parametrize(
        ("credentials", "secrets"),
        [
            (Login("me", PASSWORD), shapes_of(PASSWORD)),
            (Login("me", "a b&c=d"), ["a b&c=d", "a%20b%26c%3Dd", "a+b%26c%3Dd"]),
            (Login("me", "hidden"), ["hidden", base64.b64encode(b"me:hidden").decode()]),
            (
                Headers({"X-Key": "key 4711 words", "A": "Token abcdef"}),
                ["key 4711 words", "abcdef"],
            ),
            (
                TokenGrant("https://a.example", "me", "hidden1", "you", "hidden2"),
                ["hidden1", "hidden2"],
            ),
            (StorageKeys("AKIA", "hidden"), ["hidden"]),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_the_users_own_keys(self, stream, credentials, secrets):
        log = LogWithoutSecrets(stream)
        log.hide(credentials_to_line(credentials))
        for secret in secrets:
            print("it is", secret, file=log)
            log.write(secret[:3])
            log.write(f"{secret[3:]} in parts\n")
            shown = log.shown(Failure("WorkerError", f"no {secret} here")).text
            assert secret not in shown
            assert shown.startswith("no ")
        written = stream.getvalue()
        assert not [secret for secret in secrets if secret in written]
        assert written.count("it is ") == written.count(" in parts") == len(secrets)

    def test_what_is_no_credentials_hides_nothing(self, stream):
        log = LogWithoutSecrets(stream)
        for line in ("", "{", "[]", '{"kind": "login"}'):
            log.hide(line)
        log.write("as it is\n")
        assert stream.getvalue() == "as it is\n"

    def test_a_line_that_never_ends_is_written(self, stream):
        log = LogWithoutSecrets(stream)
        for _ in range(30):
            log.write("x" * 10_000)
        assert len(stream.getvalue()) > 200_000
        log.write("the end")
        log.flush()
        assert stream.getvalue().endswith("the end")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("with url: /a/b.tif?sig=hidden&c=d (Caused", "with url: /a/b.tif (Caused"),
        ("'s3://bucket/a.tif?X-Amz-Signature=hidden'", "'s3://bucket/a.tif'"),
        ("(https://a.example/b.tif?bands=1,2;&sig=hidden), and", "(https://a.example/b.tif), and"),
        ("see https://a.example/b.", "see https://a.example/b."),
        ("ftp://me:hidden@a.example/b", "ftp://…@a.example/b"),
        ("{'Authorization': 'Bearer hid.den-4711'}", "{'Authorization': 'Bearer …'}"),
        ("Proxy-Authorization: Basic bWU6aGlkZGVu=", "Proxy-Authorization: Basic …"),
        ("https://a.example/b?c=1;token=hidden is gone", "https://a.example/b is gone"),
        ("('https://a.example/b?c=(1)&sig=hidden', 2)", "('https://a.example/b', 2)"),
        ("https://a.example/it's?c='d'&sig=hidden.", "https://a.example/it's."),
        ("https://a.example/b#access_token=hidden", "https://a.example/b"),
        ("'/a/b.json?c=(1);sig=hidden' is", "'/a/b.json' is"),
        ("gs://a/b c.tif?d=1;sig=hidden", "gs://a/b c.tif"),
        ("https://a.example/b?c=d e&sig=hidden f", "https://a.example/b e f"),
        ("https://me:hid/den@a.example/b", "https://…@a.example/b"),
        ("https://me:hid?den@a.example/b", "https://…"),
        ("https://me:hid@den@a.example/b:", "https://…@a.example/b:"),
        ("https://hidden@a.example:8080/b)", "https://…@a.example:8080/b)"),
        # What is none stays as it is.
        (
            "(http://[::1]:80/a): https://a.example:8080;",
            "(http://[::1]:80/a): https://a.example:8080;",
        ),
        (
            "text/html;charset=utf-8, a@2x, /a/b@2x.png and/or?",
            "text/html;charset=utf-8, a@2x, /a/b@2x.png and/or?",
        ),
        ("Basic settings of the bearer of it", "Basic settings of the bearer of it"),
        ("unexpected token = 5; is it so? yes", "unexpected token = 5; is it so? yes"),
        ("me@a.example has C://a/b and a/b@c", "me@a.example has C://a/b and a/b@c"),
    ],
)
def test_words_of_libraries(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    "text", ["/", "://", "a?", "?a=", "Bearer ", "http://", "Basic a", "@", "&a", "a:", "?", "'"]
)
def test_any_long_text_is_soon_read(text):
    began = time.process_time()
    without_secrets(text * 30_000)
    assert time.process_time() - began < 2
