"""A TLS proxy before the service that spoils answers on request: 429, 503, slow ones. The service has no switch for tests.

Used by the matrix of clients. Hands everything else on as it came, `Host` included, and keeps what the token endpoints were
asked and what they answered.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from .keys import new_key

HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Seen:
    """One request to a token endpoint: when, what was sent, what was answered."""

    at: float
    form: dict
    header: dict  # JOSE header of the assertion, empty without one
    claims: dict
    status: int = 0
    body: dict = field(default_factory=dict)


@dataclass
class Fault:
    """What the next `times` token requests are answered instead of reaching the service; with `delay` alone they reach it late."""

    status: int = 0
    retry_after: int | None = None
    delay: float = 0.0
    times: int = 1


def write_certificate(folder: Path, ca_of_service: str) -> tuple[Path, Path]:
    """A CA and a leaf for loopback; returns the file with leaf and key, and a bundle that trusts this CA and the service's."""
    import datetime
    import ipaddress

    now = datetime.datetime.now(datetime.timezone.utc)
    ca_key, key = new_key(), new_key()
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e faults CA")])

    def builder(subject, public_key):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    leaf = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    both, bundle = folder / "faults.pem", folder / "bundle.pem"
    both.write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    bundle.write_text(Path(ca_of_service).read_text() + ca.public_bytes(pem).decode())
    return both, bundle


class Faults:
    """One proxy on a port of its own, so that clients tried side by side do not see each other's faults."""

    def __init__(self):
        self.lock = threading.Lock()
        self.fault: Fault | None = None
        self.seen: list[Seen] = []
        self.upstream = ("", 0)
        self.upstream_context: ssl.SSLContext | None = None
        handler = type("Bound", (_Handler,), {"faults": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"https://127.0.0.1:{self.server.server_port}"

    def start(self, service, certificate: Path) -> "Faults":
        self.upstream = service.address
        self.upstream_context = ssl.create_default_context(cafile=service.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.context = context
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def arm(self, fault: Fault | None) -> int:
        """Sets what happens next; returns how many token requests were seen so far."""
        with self.lock:
            self.fault = fault
            return len(self.seen)

    def since(self, mark: int) -> list[Seen]:
        with self.lock:
            return self.seen[mark:]

    def take(self) -> Fault | None:
        with self.lock:
            fault = self.fault
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self.fault = None
            return fault


def _decoded(assertion: str, part: int) -> dict:
    try:
        segment = assertion.split(".")[part]
        return json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (ValueError, IndexError):
        return {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: Faults

    def setup(self):
        # The handshake in this connection's own thread: a client that hangs in it holds up nobody.
        self.request = self.faults.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self):
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError, TimeoutError):
            pass

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = None
        if self.command == "POST" and self.path.split("?")[0].endswith("/token"):
            form = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
            assertion = form.get("client_assertion", "")
            seen = Seen(time.monotonic(), form, _decoded(assertion, 0), _decoded(assertion, 1))
            fault = self.faults.take()
            if fault and fault.delay:
                time.sleep(fault.delay)
            if fault and fault.status:
                headers = [("Content-Type", "application/json; charset=utf-8")]
                if fault.retry_after is not None:
                    headers.append(("Retry-After", str(fault.retry_after)))
                spoiled = json.dumps({"error": "temporarily_unavailable", "error_description": f"a fault of the test: {fault.status}"})
                return self.give(seen, fault.status, headers, spoiled.encode())
        upstream = http.client.HTTPSConnection(*self.faults.upstream, context=self.faults.upstream_context, timeout=30)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP:
                    upstream.putheader(name, value)
            if body or self.command in ("POST", "PATCH", "PUT"):
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body or None)
            came = upstream.getresponse()
            data = came.read()
            headers = [(name, value) for name, value in came.getheaders() if name.lower() not in HOP]
            self.give(seen, came.status, headers, data)
        finally:
            upstream.close()

    def give(self, seen: Seen | None, status: int, headers: list, data: bytes):
        if seen is not None:
            seen.status = status
            try:
                seen.body = json.loads(data)
            except ValueError:
                pass
            with self.faults.lock:
                self.faults.seen.append(seen)
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = do_OPTIONS = answer
