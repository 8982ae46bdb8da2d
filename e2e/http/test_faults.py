"""What operators fear: thousands of idle connections, the end of the process under load, a disk that is really full.

Each starts a service of its own. Other limits of the machine stand in `test_limits`, slow senders in `test_frames`.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from harness import jws, wire
from harness.answers import granted
from harness.graph import Graph
from harness.story import DAEMON, TENANT

IDLE = 5_000
MEGABYTE = 1_000_000


def assertion_form(service, cast) -> dict:
    return jws.form(DAEMON, jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), DAEMON), cast.daemon.key))


def resident(service) -> int:
    with open(f"/proc/{service.process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def open_connections(service) -> int:
    """By the service's own count, this question's connection left out."""
    values = {}
    for line in service.get("/metrics").text.splitlines():
        name, _, value = line.partition(" ")
        values[name] = value
    return int(values["countersign_connections_total"]) - int(values["countersign_connections_ended_total"]) - 1


@pytest.fixture
def descriptors():
    """Enough of them for this process and what it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 1_000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} descriptors may be had, {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(240)
def test_five_thousand_idle_connections_cost_less_than_256_megabytes(descriptors, own_service, cast):
    """TLS connections, each after its handshake. The service ends idle ones after a while; those are opened again."""
    own_service.start()
    granted(own_service, own_service.token(assertion_form(own_service, cast)), DAEMON, TENANT)
    before = resident(own_service)
    context = ssl.create_default_context(cafile=own_service.ca_file)
    name = own_service.address[0]

    def connect(_):
        plain = socket.create_connection(own_service.address, timeout=30)
        return context.wrap_socket(plain, server_hostname=name)

    held = []
    try:
        with ThreadPoolExecutor(8) as threads:
            end = time.monotonic() + 180
            while (missing := IDLE - open_connections(own_service)) > 0:
                assert time.monotonic() < end, f"{missing} connections short"
                held.extend(threads.map(connect, range(missing)))
        cost = resident(own_service) - before
        assert cost < 256 * MEGABYTE, f"{cost / MEGABYTE:.0f} MB"
        granted(own_service, own_service.token(assertion_form(own_service, cast)), DAEMON, TENANT)
    finally:
        for connection in held:
            connection.close()
    assert own_service.stop() == 0


def test_sigterm_under_load_finishes_every_request_that_was_accepted(own_service, cast):
    """`100 Continue` is the service's own word that it has taken a request. Whoever got it gets the whole answer."""
    own_service.start()
    body = urlencode(assertion_form(own_service, cast)).encode()
    head = (
        f"POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nHost: {own_service.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    ).encode()
    accepted = b"HTTP/1.1 100 Continue\r\n\r\n"
    outcomes, ending = [], threading.Event()

    def one(hold: threading.Event | None = None) -> bool:
        """Whether there is still a service; what became of a request that was accepted goes to `outcomes`."""
        try:
            connection = wire.connect(own_service)
        except OSError:
            return False
        with connection:
            try:
                connection.sendall(head)
                said = connection.recv(len(accepted))
            except OSError:
                said = b""
            if said != accepted:
                # Not accepted: the process ended before it had read the head.
                outcomes.append((False, said, ending.is_set()))
                return not ending.is_set()
            if hold is not None:
                held.release()
                hold.wait(20)
            try:
                connection.sendall(body)
                received, _ = wire.read_all(connection, 8)
            except OSError as error:
                received = repr(error).encode()
            outcomes.append((True, received, ending.is_set()))
        return True

    def steadily():
        while one():
            pass

    held, go_on = threading.Semaphore(0), threading.Event()
    threads = [threading.Thread(target=steadily) for _ in range(8)]
    threads += [threading.Thread(target=one, args=(go_on,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        assert held.acquire(timeout=20)
    time.sleep(1)
    ending.set()
    began = time.monotonic()
    own_service.process.terminate()
    time.sleep(0.2)
    go_on.set()
    status = own_service.process.wait(15)
    took = time.monotonic() - began
    for thread in threads:
        thread.join(20)
    assert (status, took < 10) == (0, True), f"status {status} after {took:.1f} s: {own_service.log_text()[-2000:]}"
    whole = [received.startswith(b"HTTP/1.1 200 ") and received.endswith(b"}") for taken, received, _ in outcomes if taken]
    assert all(whole), [outcome for outcome in outcomes if outcome[0] and not outcome[1].endswith(b"}")][:3]
    assert sum(taken and late for taken, _, late in outcomes) >= 8, "none was under way at the end"
    assert sum(taken and not late for taken, _, late in outcomes) >= 8, "that was no load"
    assert not [said for taken, said, late in outcomes if not taken and not late], "refused before the end"


@pytest.fixture
def small_disk(tmp_path):
    """The data folder on a file system of its own, as root alone can make one."""
    if os.geteuid() != 0:
        pytest.skip("a file system can be mounted by root only")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "none", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"nothing may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path) -> None:
    with open(path, "wb", buffering=0) as file:
        block = 64 * 1024
        while block:
            try:
                file.write(bytes(block))
            except OSError as error:
                assert error.errno == errno.ENOSPC
                block //= 2


def test_on_a_full_disk_changes_are_refused_tokens_go_on_and_it_heals(small_disk, own_service, cast):
    own_service.start()
    graph = Graph(own_service)
    assert graph.call("POST", "/applications", json={"displayName": "before"}).status_code == 201
    granted(own_service, own_service.token(assertion_form(own_service, cast)), DAEMON, TENANT)
    refused = 0
    for attempt in range(200):
        fill(small_disk / f"filler-{attempt}")
        answer = graph.call("POST", "/applications", json={"displayName": f"without room {attempt}"})
        if answer.status_code != 201:
            # What was taken before went into room that the store already had.
            assert 500 <= answer.status_code < 600 and answer.json()["error"]["code"], answer.text
            refused += 1
            granted(own_service, own_service.token(assertion_form(own_service, cast)), DAEMON, TENANT)
        if refused == 3:
            break
    assert refused == 3, "the disk was never full"
    for filler in small_disk.glob("filler-*"):
        filler.unlink()
    end = time.monotonic() + 60
    while (answer := graph.call("POST", "/applications", json={"displayName": "after"})).status_code != 201:
        assert time.monotonic() < end, answer.text
        time.sleep(0.2)
    own_service.kill()
    own_service.start()
    answer = Graph(own_service).call("GET", "/applications?$filter=displayName eq 'after'")
    assert [each["displayName"] for each in answer.json()["value"]] == ["after"]
    granted(own_service, own_service.token(assertion_form(own_service, cast)), DAEMON, TENANT)
    assert own_service.stop() == 0
    assert "panicked" not in own_service.log_text()
