"""SIGHUP: certificate files are read anew while connections go on; a closed terminal still ends the service."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import socket
import ssl
import subprocess
import termios
import time

import pytest

from harness.keys import certificate_around, new_identity, new_key
from harness.service import Service


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "tls"
    folder.mkdir()
    return folder / "tls.pem", folder / "tls.key.pem"


def write(files, identity) -> None:
    certificate, key = files
    certificate.write_bytes(identity.certificate_pem)
    key.write_bytes(identity.key_pem)
    os.chmod(key, 0o600)


def connect(service) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(service.address, timeout=10), server_hostname="localhost")


def lives(connection) -> None:
    """One request more on the same connection."""
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(65536)
        assert part, "the connection was closed"
        answer += part
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def until(what, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def serves(service, identity) -> bool:
    with connect(service) as connection:
        return connection.getpeercert(binary_form=True) == identity.der


def test_certificates_are_taken_up_on_sighup_and_connections_go_on(tmp_path, files):
    first, second = new_identity("first"), new_identity("second")
    write(files, first)
    service = Service(folder=tmp_path, arguments=("--tls", ",".join(map(str, files)))).start()
    try:
        open_one = connect(service)
        lives(open_one)
        assert open_one.getpeercert(binary_form=True) == first.der
        write(files, second)
        service.process.send_signal(signal.SIGHUP)
        until(lambda: serves(service, second))
        lives(open_one)
        # What cannot be used never takes the place of what serves: a key of another certificate, nothing, one that has ended.
        key = new_key()
        ended = type(first)(key, certificate_around(key, "ended", (-10, -1)))
        for spoil in (
            lambda: files[1].write_bytes(first.key_pem),
            lambda: files[0].write_bytes(b"no certificate"),
            lambda: write(files, ended),
        ):
            said = service.log_text().count("stays in force")
            spoil()
            service.process.send_signal(signal.SIGHUP)
            until(lambda: service.log_text().count("stays in force") > said)
            assert serves(service, second)
        lives(open_one)
        assert "PRIVATE KEY" not in service.log_text()
        # Nobody has to tell it when they are right again.
        write(files, first)
        until(lambda: serves(service, first), within=60)
        lives(open_one)
        assert service.stop() == 0
    finally:
        service.kill()


@pytest.mark.parametrize("tls", ["auto", "off"])
def test_sighup_ends_no_service_that_has_no_files(tmp_path, tls):
    service = Service(folder=tmp_path, arguments=("--tls", tls)).start()
    try:
        for _ in range(3):
            service.process.send_signal(signal.SIGHUP)
        with socket.create_connection(service.address, timeout=10):
            pass
        assert service.process.poll() is None
        assert service.stop() == 0
    finally:
        service.kill()


def test_a_closed_terminal_ends_the_service(tmp_path):
    service = Service(folder=tmp_path, arguments=("--tls", "off"))
    ours, its = pty.openpty()

    def at_the_terminal():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(service.command(), stdin=its, stdout=its, stderr=its, cwd=tmp_path, preexec_fn=at_the_terminal)
    try:
        os.close(its)
        until(lambda: (tmp_path / "ready.json").exists(), within=60)
        os.close(ours)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
