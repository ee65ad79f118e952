"""Real STAC servers on loopback: ``python tests/helpers/real_servers.py prepare|pgstac|rustac``.

``prepare`` makes their environment in build/real-servers from the lock in tests/real_servers. The
other two serve a few made-up items until Enter is pressed. The tests use the same functions.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from made_up_items import made_up_items

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "tests" / "real_servers" / "requirements.txt"
ENVIRONMENT = ROOT / "build" / "real-servers"
SECONDS_TO_START = 60
USER = "postgres"
DATABASE = "postgres"


class ServerMissingError(Exception):
    """A server is not installed; the message says what is missing."""


def prepare() -> int:
    """Make the servers' environment; does nothing where it is there and the lock is unchanged."""
    made_from = ENVIRONMENT / "made-from.txt"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if made_from.is_file() and made_from.read_text(encoding="utf-8") == digest:
        return 0
    print("== Making the environment of the real servers (once, about half a minute)", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    venv.create(ENVIRONMENT, with_pip=True)
    install = [program("python"), "-m", "pip", "install", "--quiet", "--quiet", "--no-compile"]
    code = subprocess.run([*install, "--require-hashes", "-r", LOCK], check=False).returncode
    if code == 0:
        made_from.write_text(digest, encoding="utf-8")
    return code


def program(name: str) -> str:
    """The path of a program of the servers' environment."""
    return str(ENVIRONMENT / "bin" / name)


def check_environment() -> None:
    """Raises ServerMissingError where ``prepare`` has not been run, or could not be."""
    if not (ENVIRONMENT / "made-from.txt").is_file():
        raise ServerMissingError(
            "the real servers are not installed (make real-servers, which needs a network)"
        )


@contextmanager
def rustac(items: list[dict]) -> Iterator[str]:
    """The address of ``rustac serve`` with these items."""
    check_environment()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = folder / "items.json"
        content = {"type": "FeatureCollection", "features": items}
        file.write_text(json.dumps(content), encoding="utf-8")
        port = free_port()
        serve = [program("rustac"), "serve", file, "--addr", f"127.0.0.1:{port}"]
        address = f"http://127.0.0.1:{port}"
        stack.enter_context(running([*serve, "--create-collections"], address, folder))
        yield address


@contextmanager
def pgstac(items: list[dict]) -> Iterator[str]:
    """The address of stac-fastapi with these items in pgstac, on a PostgreSQL of its own."""
    check_environment()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables = stack.enter_context(postgresql(folder))
        pypgstac = program("pypgstac")
        run([pypgstac, "migrate"], variables)
        # Without this it does not tell how many items match.
        setting = "INSERT INTO pgstac.pgstac_settings VALUES ('context', 'on')"
        setting += " ON CONFLICT (name) DO UPDATE SET value = 'on'"
        run([postgresql_program("psql"), "--quiet", "--command", setting], variables)
        for table, rows in (("collections", collections_of(items)), ("items", items)):
            file = folder / f"{table}.ndjson"
            file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            run([pypgstac, "load", table, file, "--method", "upsert"], variables)
        port = free_port()
        serve = [program("uvicorn"), "stac_fastapi.pgstac.app:create_app", "--factory"]
        serve += ["--host", "127.0.0.1", "--port", str(port)]
        address = f"http://127.0.0.1:{port}"
        stack.enter_context(running(serve, address, folder, variables))
        yield address


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    """A PostgreSQL on loopback whose data lie in ``folder``; the variables that lead to it."""
    if not list(Path("/usr/share/postgresql").glob("*/extension/postgis.control")):
        raise ServerMissingError("PostGIS is not installed (Debian's package postgresql-postgis)")
    data, password_file = folder / "data", folder / "password"
    password = secrets.token_hex()
    password_file.write_text(password, encoding="utf-8")
    data.mkdir()
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        for path in (folder, data, password_file):
            shutil.chown(path, USER)
    port = str(free_port())
    initdb = [postgresql_program("initdb"), "--pgdata", data, "--username", USER]
    initdb += ["--auth", "scram-sha-256", "--pwfile", password_file, "--no-sync"]
    run(as_user([*initdb, "--encoding", "UTF8"]))
    options = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off"
    control = [postgresql_program("pg_ctl"), "--pgdata", data, "--wait"]
    run(as_user([*control, "--log", folder / "data" / "log", "--options", options, "start"]))
    names = {"HOST": "127.0.0.1", "PORT": port, "USER": USER, "PASSWORD": password}
    try:
        yield {
            **os.environ,
            **{f"PG{name}": value for name, value in names.items()},
            "PGDATABASE": DATABASE,
        }
    finally:
        run(as_user([*control, "--mode", "immediate", "stop"]))


def postgresql_program(name: str) -> str:
    """The path of a program of the newest PostgreSQL that Debian has installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        raise ServerMissingError("PostgreSQL is not installed (Debian's package postgresql)")
    return str(found[-1])


def as_user(command: list) -> list:
    """The command as it runs under a user that PostgreSQL accepts."""
    return ["runuser", "-u", USER, "--", *command] if os.geteuid() == 0 else command


def collections_of(items: list[dict]) -> list[dict]:
    """A plain collection document for each collection that the items name."""
    extent = {
        "spatial": {"bbox": [[-180, -90, 180, 90]]},
        "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]},
    }
    return [
        {
            "type": "Collection", "id": name, "description": name, "stac_version": "1.0.0",
            "license": "other", "links": [], "extent": extent,
        }
        for name in sorted({item["collection"] for item in items})
    ]  # fmt: skip


def run(command: list, variables: dict[str, str] | None = None) -> None:
    """Run a command to its end, in a folder that any user may enter."""
    done = subprocess.run(
        command,
        env=variables,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-2000:]}")


@contextmanager
def running(
    command: list, address: str, folder: Path, variables: dict[str, str] | None = None
) -> Iterator[None]:
    """The server that ``command`` starts, once it answers, until the block ends."""
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            wait_for(address, process, log)
            yield
        finally:
            process.terminate()
            process.wait(20)


def wait_for(address: str, process: subprocess.Popen, log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server does not start: {log.read_text()}") from error
            time.sleep(0.1)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main(name: str) -> int:
    """Prepare, or serve the tests' items until Enter is pressed."""
    if name == "prepare":
        return prepare()
    with {"pgstac": pgstac, "rustac": rustac}[name](made_up_items()) as address:
        input(f"{address} (press Enter to stop) ")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
