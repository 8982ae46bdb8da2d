"""A service at the end of what its machine gives: file descriptors, room on the disk. It waits or refuses, and goes on."""

from __future__ import annotations

import resource
import socket
import time

import pytest

from harness import jws, story
from harness.answers import granted
from harness.graph import Graph


@pytest.fixture
def limited(own_service):
    # Python starts children with SIGXFSZ as it was; ignored, a write beyond the limit is an error and not the end.
    own_service.restore_signals = False
    own_service.start()
    yield own_service
    assert own_service.stop() == 0
    assert "panicked" not in own_service.log_text()


def limit(service, what: int, soft: int) -> None:
    hard = resource.prlimit(service.process.pid, what)[1]
    resource.prlimit(service.process.pid, what, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def ask(service, cast):
    claims = jws.claims(service.token_url(), story.DAEMON)
    return service.token(jws.form(story.DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key)))


def test_out_of_descriptors_it_waits_and_serves_again(limited, cast):
    granted(limited, ask(limited, cast), story.DAEMON, story.TENANT)
    limit(limited, resource.RLIMIT_NOFILE, 64)
    held = []
    try:
        for _ in range(150):
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(limited.address)
            held.append(peer)
        time.sleep(1)
        assert limited.process.poll() is None, limited.log_text()
    finally:
        for peer in held:
            peer.close()
    granted(limited, ask(limited, cast), story.DAEMON, story.TENANT)


def test_without_room_changes_are_refused_tokens_go_on_and_it_heals(limited, cast):
    graph = Graph(limited)
    before = resource.prlimit(limited.process.pid, resource.RLIMIT_FSIZE)
    assert graph.call("POST", "/applications", json={"displayName": "before"}).status_code == 201
    limit(limited, resource.RLIMIT_FSIZE, 1024)
    for _ in range(3):
        answer = graph.call("POST", "/applications", json={"displayName": "without room"})
        assert 500 <= answer.status_code < 600, answer.text
        assert answer.json()["error"]["code"] and answer.headers["Content-Type"].startswith("application/json"), answer.text
        granted(limited, ask(limited, cast), story.DAEMON, story.TENANT)
    resource.prlimit(limited.process.pid, resource.RLIMIT_FSIZE, before)
    end = time.monotonic() + 10
    while (answer := graph.call("POST", "/applications", json={"displayName": "after"})).status_code != 201:
        assert time.monotonic() < end, answer.text
        time.sleep(0.2)
    names = [each["displayName"] for each in graph.call("GET", "/applications").json()["value"]]
    assert "without room" not in names and {"before", "after"} <= set(names), names
