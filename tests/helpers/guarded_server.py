"""Servers on loopback that let in only who has the right key; each keeps what it was sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from loopback import PLACE, serving


@dataclass(frozen=True)
class Seen:
    """One request; header names are in lower case."""

    method: str
    target: str
    headers: dict
    body: bytes = b""

    @property
    def path(self):
        return urlsplit(self.target).path

    @property
    def query(self):
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict = field(default_factory=dict)

    @classmethod
    def of_json(cls, content, status=200):
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})


class GuardedServer:
    """Serves the files of ``folder`` to those whom ``guard`` lets in.

    ``guard`` takes a ``Seen`` and answers None, or the ``Reply`` of who stays outside.
    ``answer``, asked first, may answer what is no file. ``place`` maps a request's path to that
    of the file.
    """

    def __init__(self, folder, guard=lambda _: None, place=lambda path: path):
        self.folder = Path(folder)
        self.guard = guard
        self.place = place
        self.answer = lambda _: None
        self.seen = []
        self.address = ""

    @property
    def host(self):
        return urlsplit(self.address).netloc

    def reply(self, seen):
        self.seen.append(seen)
        return self.answer(seen) or self.guard(seen) or self._file(seen)

    def _file(self, seen):
        path = self.folder / unquote(self.place(seen.path)).lstrip("/")
        if not path.is_file():
            return Reply(404, b"not here")
        content = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", seen.headers.get("range", ""))
        if not wanted:
            return Reply(200, content)
        start, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(content))
        if start >= len(content):
            return Reply(416)
        place = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
        return Reply(206, content[start:stop], place)


@contextmanager
def running(server):
    """Serve ``server`` on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.reply(Seen(self.command, self.path, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments):
            pass

    with serving(ThreadingHTTPServer(PLACE, Handler)) as server.address:
        yield server


@dataclass
class S3Guard:
    """Checks AWS Signature Version 4 by its description, with nothing of the code under test.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    ``bucket_region`` is what the endpoint says; paths begin with the region that is asked.
    """

    access_key: str = ""
    secret_key: str = ""
    region: str = "us-west-2"
    requester_pays: bool = False

    def __call__(self, seen):
        if seen.path.split("/")[1] != self.region:
            body = b"<Error><Code>PermanentRedirect</Code></Error>"
            return Reply(301, body, {"x-amz-bucket-region": self.region})
        code = self._fault(seen) if self.access_key else ""
        return _s3_error(code) if code else None

    def _fault(self, seen):
        """What is wrong with the request, empty if nothing is."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
            r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
            seen.headers.get("authorization", ""),
        )
        is_paid = seen.headers.get("x-amz-request-payer") == "requester"
        if not found or (self.requester_pays and not is_paid):
            return "AccessDenied"
        access_key, day, region, signed, signature = found.groups()
        names = signed.split(";")
        moment = seen.headers["x-amz-date"]
        given = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        amazons = {name for name in seen.headers if name.startswith("x-amz-")}
        faults = {
            "InvalidAccessKeyId": access_key != self.access_key,
            "AuthorizationHeaderMalformed": region != self.region or not amazons < set(names),
            "RequestTimeTooSkewed": abs(datetime.now(timezone.utc) - given) > timedelta(minutes=15),
            "SignatureDoesNotMatch": self._signature(seen, names, day, moment) != signature,
        }
        return next((code for code, is_so in faults.items() if is_so), "")

    def _signature(self, seen, names, day, moment):
        canonical = "\n".join(
            [
                seen.method,
                seen.path,
                urlsplit(seen.target).query,
                *(f"{name}:{seen.headers[name].strip()}" for name in names),
                "",
                ";".join(names),
                seen.headers["x-amz-content-sha256"],
            ]
        )
        scope = f"{day}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _s3_error(code):
    return Reply(403, f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode())


@dataclass
class Tokens:
    """Tokens that let in for ``seconds`` and ``uses`` requests; ``given`` are all there were."""

    seconds: float = 2700.0
    uses: int = 1_000_000
    given: list = field(default_factory=list)
    left: dict = field(default_factory=dict)

    def __post_init__(self):
        self.lock = threading.Lock()

    def give(self, prefix):
        with self.lock:
            text = f"{prefix}-{len(self.given)}"
            self.given.append(text)
            self.left[text] = (self.uses, time.monotonic() + self.seconds)
        return text

    def let_in(self, text):
        with self.lock:
            uses, end = self.left.get(text, (0, 0.0))
            if uses <= 0 or time.monotonic() > end:
                return False
            self.left[text] = (uses - 1, end)
            return True


@dataclass
class ContainerGuard:
    """Planetary Computer's way: a signature for each container, in the address."""

    tokens: Tokens = field(default_factory=Tokens)

    def answer(self, seen):
        """``/sas/<account>/<container>``: what the token service answers."""
        found = re.fullmatch(r"/sas/127/(\w+)", seen.path)
        if not found:
            return Reply(404) if seen.path.startswith("/sas/") else None
        signature = self.tokens.give(f"{found[1]}-secretsignature")
        end = datetime.now(timezone.utc) + timedelta(seconds=self.tokens.seconds)
        text = f"st=2020-01-01&sp=rl&sig={signature}%3D"
        return Reply.of_json({"msft:expiry": f"{end:%Y-%m-%dT%H:%M:%S.%fZ}", "token": text})

    def __call__(self, seen):
        signature = seen.query.get("sig", "").removesuffix("=")
        container = seen.path.split("/")[1]
        if signature.startswith(f"{container}-") and self.tokens.let_in(signature):
            return None
        return Reply(403, b"AuthenticationFailed")


@dataclass
class BearerGuard:
    """OAuth2: ``/token`` gives tokens for ``form``; they are asked for in a header."""

    form: dict = field(default_factory=dict)
    tokens: Tokens = field(default_factory=Tokens)
    needs: tuple = ("/",)

    def answer(self, seen):
        if seen.path != "/token":
            return None
        form = {name: values[-1] for name, values in parse_qs(seen.body.decode()).items()}
        if form != self.form:
            return Reply.of_json({"error": "invalid_client"}, 401)
        token = self.tokens.give("secretbearer")
        return Reply.of_json(
            {"access_token": token, "token_type": "Bearer", "expires_in": self.tokens.seconds}
        )

    def __call__(self, seen):
        if not seen.path.startswith(self.needs):
            return None
        text = seen.headers.get("authorization", "").removeprefix("Bearer ")
        return None if self.tokens.let_in(text) else Reply(401, b"who are you?")


def basic_guard(name, password):
    """HTTP Basic."""
    right = "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()
    return lambda seen: None if seen.headers.get("authorization") == right else Reply(401)


def header_guard(name, value):
    """A header of one's own."""
    return lambda seen: None if seen.headers.get(name.lower()) == value else Reply(403)
