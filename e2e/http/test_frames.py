"""HTTP itself: frames that no library sends, sizes, and senders that take their time."""

import socket
import threading
import time
from urllib.parse import urlencode

import pytest
import requests

from harness import jws, story, wire
from harness.answers import granted, refused

TENANT, DAEMON = story.TENANT, story.DAEMON
PATH = f"/{TENANT}/oauth2/v2.0/token"
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


def request(service, extra="", body=b"", line=f"POST {PATH} HTTP/1.1", host=True):
    head = line + "\r\n" + (f"Host: {service.host}\r\n" if host else "") + FORM + extra + "\r\n"
    return head.encode("latin-1") + body


def right(service, cast):
    claims = jws.claims(service.token_url(), DAEMON)
    return urlencode(jws.form(DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))).encode()


def still_serves(service, cast):
    body = right(service, cast)
    received, _ = wire.exchange(service, request(service, f"Content-Length: {len(body)}\r\nConnection: close\r\n", body))
    granted(service, wire.response(received), DAEMON, TENANT)


def single_refusal(service, raw, within=5.0):
    """4xx once, or a closed connection; never 5xx, never a second answer."""
    received, closed = wire.exchange(service, raw, within)
    found = wire.answers(received) if received else []
    assert len(found) <= 1, received
    if found:
        assert found[0].startswith(b"4"), received[:300]
        assert b"access_token" not in received
    else:
        assert closed, "neither an answer nor a closed connection"
    return received, closed


def test_size_declared_1gb(service, cast):
    began = time.monotonic()
    with wire.connect(service) as connection:
        connection.sendall(request(service, "Content-Length: 1073741824\r\n"))
        received = connection.recv(65536)
        took = time.monotonic() - began
        rest, _ = wire.read_all(connection, 0.5)
    assert took < 2, f"refused after {took:.1f} s"
    refused(wire.response(received + rest), status=413)
    still_serves(service, cast)


@pytest.mark.parametrize("length", [262_145, 5_000_000])
def test_body_over_the_limit(service, cast, length):
    received, _ = wire.exchange(service, request(service, f"Content-Length: {length}\r\n", b"a=" + b"x" * (length - 2)), 3)
    if received:
        refused(wire.response(received), status=413)
    still_serves(service, cast)


def test_chunked_body_over_the_limit(service, cast):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    received, _ = wire.exchange(service, request(service, "Transfer-Encoding: chunked\r\n", chunk * 8 + b"0\r\n\r\n"), 3)
    if received:
        refused(wire.response(received), status=413)
    still_serves(service, cast)


def test_header_block_over_the_limit(service, cast):
    single_refusal(service, request(service, "X-Filler: " + "y" * 70_000 + "\r\n"))
    single_refusal(service, request(service, "".join(f"X-{number}: y\r\n" for number in range(5_000))))
    single_refusal(service, request(service, line=f"POST {PATH}?{'z' * 100_000} HTTP/1.1"))
    still_serves(service, cast)


HIDDEN = f"GET /{TENANT}/discovery/v2.0/keys HTTP/1.1\r\nHost: hidden\r\n\r\n".encode()


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: {n}\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ],
    ids=["cl-te", "te-cl", "te-short-cl"],
)
def test_smuggle_te_cl(service, cast, headers):
    body = b"0\r\n\r\n" + HIDDEN
    received, closed = wire.exchange(service, request(service, headers.format(n=len(body)), body))
    assert len(wire.answers(received)) <= 1, received
    assert closed, "the connection stays open after an ambiguous frame"
    assert b'"keys"' not in received
    still_serves(service, cast)


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "X: a\r\n folded\r\n",
        "X\0Y: z\r\n",
        "Bad Header: y\r\n",
        ": empty\r\n",
        "X: a\rb\r\n",
        "X: a\0b\r\n",
    ],
)
def test_broken_frames(service, cast, headers):
    single_refusal(service, request(service, headers, b"a=b&c" + HIDDEN), 3)
    still_serves(service, cast)


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\n", b"5;" + b"e" * 100_000 + b"\r\nabcde\r\n0\r\n\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"5\nabcde\n0\n\n"],
)
def test_broken_chunks(service, cast, chunks):
    single_refusal(service, request(service, "Transfer-Encoding: chunked\r\n", chunks), 3)
    still_serves(service, cast)


@pytest.mark.parametrize("line", ["POST", "GARBAGE", "POST  " + PATH + " HTTP/1.1", f"POST {PATH} HTTP/9.9", f"POST {PATH} HTTP/1.1 x", "\x16\x03\x01", "PRI * HTTP/2.0", f"PO ST {PATH} HTTP/1.1"])
def test_broken_request_lines(service, cast, line):
    single_refusal(service, request(service, "Content-Length: 0\r\n", line=line), 3)
    still_serves(service, cast)


def test_no_host_header(service, cast):
    single_refusal(service, request(service, "Content-Length: 0\r\nConnection: close\r\n", host=False), 3)


def test_two_host_headers(service, cast):
    single_refusal(service, request(service, "Host: evil.example\r\nContent-Length: 0\r\nConnection: close\r\n"), 3)


def test_head_and_options(service):
    for path in (f"/{TENANT}/v2.0/.well-known/openid-configuration", f"/{TENANT}/discovery/v2.0/keys"):
        assert requests.head(service.url + path, verify=service.ca_file, timeout=10).status_code == 200
    assert requests.options(service.token_url(), verify=service.ca_file, timeout=10).status_code < 500


def test_plain_http_on_the_tls_port(service, cast):
    with socket.create_connection(service.address, timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
        plain.settimeout(5)
        try:
            received = plain.recv(1000)
        except ConnectionError:
            received = b""
    assert not received.startswith(b"HTTP/1.1 2")
    still_serves(service, cast)


def test_paths_that_are_none(service):
    for path in ("/", "/nothing", "//", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", f"/{TENANT}", f"/{TENANT}/oauth2/v9/token", "/v1.0/nothing"):
        received, _ = wire.exchange(service, f"GET {path} HTTP/1.1\r\nHost: {service.host}\r\nConnection: close\r\n\r\n".encode())
        answer = wire.response(received)
        assert answer.status_code < 500 and "root:" not in answer.text, (path, answer.status_code)


@pytest.mark.timeout(90)
def test_senders_that_take_their_time(service, cast):
    """Half a header block, half a body, and nothing at all: each ends within 40 s, and nobody else waits meanwhile."""
    ended = {}

    def wait(name, sent):
        began = time.monotonic()
        with wire.connect(service) as connection:
            connection.sendall(sent)
            received, closed = wire.read_all(connection, 45)
            ended[name] = (time.monotonic() - began, closed, received)

    senders = {
        "half a header block": f"POST {PATH} HTTP/1.1\r\nHost: {service.host}\r\nX-A: ".encode(),
        "half a body": request(service, "Content-Length: 500\r\n", b"grant_type=client_cred"),
    }
    threads = [threading.Thread(target=wait, args=pair) for pair in senders.items()]
    for thread in threads:
        thread.start()
    for _ in range(10):
        still_serves(service, cast)
    for thread in threads:
        thread.join()
    for name, (took, closed, received) in ended.items():
        assert closed, f"{name}: still open after {took:.0f} s"
        assert took < 40, f"{name}: {took:.0f} s"
        if received:
            assert wire.answers(received)[0].startswith(b"4"), received


def test_many_idle_connections_disturb_nobody(service, cast):
    idle = [socket.create_connection(service.address, timeout=5) for _ in range(300)]
    try:
        began = time.monotonic()
        still_serves(service, cast)
        assert time.monotonic() - began < 2
    finally:
        for each in idle:
            each.close()
