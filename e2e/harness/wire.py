"""Bytes on a TLS connection, for requests that no HTTP library would send."""

from __future__ import annotations

import socket
import ssl
import time

import requests

from .service import Service


def connect(service: Service, timeout: float = 10.0) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=service.ca_file)
    context.set_alpn_protocols(["http/1.1"])
    plain = socket.create_connection(service.address, timeout=timeout)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(plain, server_hostname=service.address[0])


def read_all(connection: ssl.SSLSocket, within: float) -> tuple[bytes, bool]:
    """Everything that comes until the other side closes or `within` seconds have passed; and whether it closed."""
    received = b""
    end = time.monotonic() + within
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            part = connection.recv(65536)
        except (TimeoutError, socket.timeout):
            return received, False
        except (ConnectionError, ssl.SSLError):
            return received, True
        if not part:
            return received, True
        received += part
    return received, False


def exchange(service: Service, raw: bytes, within: float = 5.0) -> tuple[bytes, bool]:
    """Sends `raw` on a connection of its own; returns what came back and whether the service closed."""
    with connect(service) as connection:
        try:
            connection.sendall(raw)
        except (ConnectionError, ssl.SSLError, TimeoutError):
            pass  # an answer may have come before all was taken
        return read_all(connection, within)


def answers(received: bytes) -> list[bytes]:
    """The status lines in a byte stream, each with what follows it."""
    parts = received.split(b"HTTP/1.1 ")
    assert parts[0] == b"", received[:200]
    return parts[1:]


def response(received: bytes) -> requests.Response:
    """A single raw answer as the object `answers.refused` looks at."""
    import datetime
    import http.client
    import io

    class Held:
        def __init__(self, data: bytes):
            self.data = data

        def makefile(self, *_):
            return io.BytesIO(self.data)

    parsed = http.client.HTTPResponse(Held(received))
    parsed.begin()
    made = requests.Response()
    made.status_code = parsed.status
    made.headers = requests.structures.CaseInsensitiveDict(parsed.getheaders())
    made._content = parsed.read()
    made.encoding = "utf-8"
    made.elapsed = datetime.timedelta(0)
    return made
