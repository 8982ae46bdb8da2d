"""Traces over OTLP, received and decoded by OpenTelemetry's own definitions: what they show, and what they never cost."""

from __future__ import annotations

import re
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import jws, story
from harness.answers import granted, refused
from harness.otlp import Receiver
from harness.service import Service

SPANS = re.compile(r"^countersign_spans_(exported|dropped)_total (\d+)$", re.MULTILINE)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"


@pytest.fixture
def receiver():
    with Receiver() as running:
        yield running


@pytest.fixture
def traced(tmp_path, cast, receiver):
    """Starts a service that sends its traces to the receiver, with further flags."""
    started = []

    def start(*flags: str, endpoint: str = "") -> Service:
        service = Service(folder=tmp_path, seed=cast.seed, arguments=("--otlp-endpoint", endpoint or receiver.url, *flags))
        started.append(service.start())
        return service

    yield start
    for service in started:
        service.kill()


def right(service, cast, **changes):
    claims = jws.claims(service.token_url(), story.DAEMON)
    return jws.form(story.DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key), **changes)


def counted(service) -> dict:
    return {name: int(number) for name, number in SPANS.findall(service.get("/metrics").text)}


def test_a_token_request_and_its_stages(traced, cast, receiver):
    service = traced("--profile", "strict")
    before = time.time_ns()
    answer = service.token(right(service, cast))
    granted(service, answer, story.DAEMON, story.TENANT)
    root = receiver.root_of(answer.headers["x-ms-request-id"])
    span, said = root.span, root.attributes
    assert span.name == "POST /{tenant}/oauth2/v2.0/token" and span.kind == 2 and not span.parent_span_id
    # From the ids of an answer one finds its trace.
    assert span.trace_id == uuid.UUID(answer.headers["x-ms-request-id"]).bytes
    assert before - 1e9 < span.start_time_unix_nano <= span.end_time_unix_nano < time.time_ns() + 1e9
    assert said["http.request.method"] == "POST" and said["http.response.status_code"] == 200
    assert said["http.route"] == "/{tenant}/oauth2/v2.0/token" and said["url.scheme"] == "https"
    assert (said["server.address"], said["server.port"]) == service.address and said["network.protocol.version"] == "1.1"
    assert said["countersign.tenant_id"] == story.TENANT and said["countersign.app_id"] == story.DAEMON
    assert said["countersign.aadsts"] == 0 and said["countersign.credential.type"] == "certificate"
    assert span.status.code == 0
    stages = receiver.below(root)
    assert [s.name for s in stages] == ["receive", "read", "look-up", "verify", "replay", "queue", "sign", "journal"]
    assert len({s.span_id for s in stages} | {span.span_id}) == len(stages) + 1, "span ids must differ"
    for stage in stages:
        assert stage.kind == 1 and stage.trace_id == span.trace_id
        assert span.start_time_unix_nano <= stage.start_time_unix_nano <= stage.end_time_unix_nano <= span.end_time_unix_nano
    assert root.resource["service.name"] == "countersign" and root.resource["service.instance.id"]
    service.stop()


def test_a_refusal_says_why_and_is_no_error(traced, cast, receiver):
    service = traced()
    claims = jws.claims(service.token_url(), story.DAEMON)
    form = jws.form(story.DAEMON, jws.compact(jws.header(cast.stranger), claims, cast.stranger.key))
    answer = service.token(form)
    refused(answer, 700027)
    root = receiver.root_of(answer.headers["x-ms-request-id"])
    assert root.attributes["countersign.aadsts"] == 700027 and root.attributes["countersign.refused_by"]
    assert root.attributes["http.response.status_code"] == 401 and root.span.status.code == 0
    names = [s.name for s in receiver.below(root)]
    assert "verify" in names and "sign" not in names, names


def test_other_requests_have_a_span_and_probes_none(traced, receiver):
    service = traced()
    service.get("/livez"), service.get("/readyz"), service.get("/metrics")
    keys = service.get("/common/discovery/v2.0/keys")
    lost = service.get("/no/such/place")
    root = receiver.root_of(keys.headers["x-ms-request-id"])
    assert root.span.name == "GET /{tenant}/discovery/keys" and root.attributes["http.response.status_code"] == 200
    assert receiver.root_of(lost.headers["x-ms-request-id"]).attributes["http.route"] == "/{unknown}"
    assert {r.attributes["http.route"] for r in receiver.roots()} == {"/{tenant}/discovery/keys", "/{unknown}"}


def test_the_callers_trace_goes_on(traced, cast, receiver):
    service = traced("--otlp-sample", "0")
    ask = lambda flags: service.token(right(service, cast), headers={"traceparent": PARENT + flags})
    silent, answer = ask("00"), ask("01")
    service.token(right(service, cast))
    root = receiver.root_of(answer.headers["x-ms-request-id"])
    assert root.span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert root.span.parent_span_id.hex() == "b7ad6b7169203331"
    assert service.stop() == 0, "what is queued is sent at the end"
    ids = {r.attributes["countersign.request_id"] for r in receiver.roots()}
    assert ids == {answer.headers["x-ms-request-id"]} and silent.headers["x-ms-request-id"] not in ids


def test_nothing_secret_leaves_with_a_trace(traced, cast, receiver):
    service = traced()
    assertion = right(service, cast)["client_assertion"]
    token = service.token(jws.form(story.DAEMON, assertion)).json()["access_token"]
    # What people paste into the wrong field.
    for form in (
        {"client_id": story.SDK_SECRET, "client_secret": story.SDK_SECRET, "grant_type": "client_credentials", "scope": story.GRAPH_SCOPE},
        {"client_id": story.SDK_CLIENT, "client_secret": "wrong~" + story.SDK_SECRET, "grant_type": "client_credentials", "scope": story.SDK_SECRET},
        jws.form(story.DAEMON, assertion, scope=f"api://{story.SDK_SECRET}/.default"),
    ):
        service.token(form, headers={"User-Agent": story.SDK_SECRET, "traceparent": story.SDK_SECRET, "tracestate": f"x={story.SDK_SECRET}"})
    service.token({"client_id": "x"}, tenant=story.SDK_SECRET)
    service.get(f"/v1.0/applications?$filter={story.SDK_SECRET}", headers={"Authorization": f"Bearer {service.admin_token}"})
    service.get(f"/{story.SDK_SECRET}/nothing")
    assert service.stop() == 0
    assert len(receiver.roots()) >= 7
    everything = b"".join(receiver.messages)
    secrets = [story.SDK_SECRET, token, assertion, assertion.split(".")[2], service.admin_token]
    assert story.DAEMON.encode() in everything
    for secret in secrets:
        assert secret.encode() not in everything, f"{secret[:12]}… is in a trace"


def test_a_receiver_in_trouble_is_tried_again_and_what_is_lost_is_counted(traced, cast, receiver):
    receiver.statuses += [503, 429]
    service = traced()
    answer = service.token(right(service, cast))
    root = receiver.root_of(answer.headers["x-ms-request-id"])
    spans = 1 + len(receiver.below(root))
    receiver.wait(lambda: counted(service) == {"exported": spans, "dropped": 0})
    receiver.statuses.append(400)
    service.token(right(service, cast))
    lost = receiver.wait(lambda: counted(service)["dropped"])
    assert lost == spans, "a refused batch is not sent again"
    assert "traces are lost until" in service.log_text()
    receiver.rejected = 2
    service.token(right(service, cast))
    receiver.wait(lambda: counted(service) == {"exported": 2 * spans - 2, "dropped": lost + 2})


@pytest.mark.parametrize("trouble", ["refuses connections", "accepts and says nothing", "has a name that nobody knows"])
def test_a_receiver_that_is_away_delays_nobody(traced, cast, trouble):
    with socket.create_server(("127.0.0.1", 0), backlog=512) as deaf:
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        if trouble == "refuses connections":
            deaf.close()
        if trouble == "has a name that nobody knows":
            address = "receiver.invalid:4318"
        service = traced(endpoint=f"http://{address}")
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: service.token(right(service, cast)), range(200)))
        assert all(a.status_code == 200 for a in answers)
        began = time.monotonic()
        # Ten seconds are promised; a receiver may cost one of them.
        assert service.stop(within=10) == 0
        print(f"ended {time.monotonic() - began:.2f} s after SIGTERM")


@pytest.mark.parametrize("value", ["127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://user:hidden@127.0.0.1:4318", "http://x?token=hidden"])
def test_addresses_that_are_none_end_the_start(tmp_path, cast, value):
    with pytest.raises(RuntimeError, match="--otlp-endpoint") as failed:
        Service(folder=tmp_path, seed=cast.seed, arguments=("--otlp-endpoint", value)).start()
    assert "status 3" in str(failed.value) and "hidden" not in str(failed.value)


def test_off_by_default(own_service, cast, receiver):
    own_service.start()
    own_service.token(right(own_service, cast), headers={"traceparent": PARENT + "01"})
    assert counted(own_service) == {"exported": 0, "dropped": 0}
