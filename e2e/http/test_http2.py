"""The same service over HTTP/2, which SDKs choose when it is offered: tokens, refusals, HEAD, and what HTTP/2 alone makes possible."""

from __future__ import annotations

import asyncio
import ssl

import httpx
import pytest

from harness import jws, story
from harness.answers import granted, graph_refused, refused


@pytest.fixture
def client(service):
    context = ssl.create_default_context(cafile=service.ca_file)
    with httpx.Client(http2=True, verify=context, base_url=service.url, timeout=10, trust_env=False) as made:
        yield made


def form(service, cast) -> dict:
    claims = jws.claims(service.token_url(), story.DAEMON)
    return jws.form(story.DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))


def test_token_and_refusals(service, cast, client):
    answer = client.post(f"/{story.TENANT}/oauth2/v2.0/token", data=form(service, cast))
    assert answer.http_version == "HTTP/2"
    granted(service, answer, story.DAEMON, story.TENANT)
    refused(client.post(f"/{story.TENANT}/oauth2/v2.0/token", data={"a": "b"}), 900144, status=400)
    refused(client.get(f"/{story.TENANT}/oauth2/v2.0/token"), 900561, status=405)
    refused(client.request("BREW", "/nothing"), status=404)
    graph_refused(client.get("/v1.0/applications"), 401)
    granted(service, client.post(f"/{story.TENANT}/oauth2/v2.0/token", data=form(service, cast)), story.DAEMON, story.TENANT)


@pytest.mark.parametrize("path", ["/livez", "/common/discovery/v2.0/keys", f"/{story.TENANT}/oauth2/v2.0/token", "/v1.0/applications", "/nothing"])
def test_head_has_the_length_and_no_body(client, path):
    get, head = client.get(path), client.head(path)
    assert head.http_version == "HTTP/2" and head.content == b""
    assert head.status_code == get.status_code
    # A refusal of the method names it.
    named = len("HEAD") - len("GET") if get.status_code == 405 else 0
    assert head.headers["content-length"] == str(len(get.content) + named), (head.headers, get.text)


def test_a_strangers_host_beside_the_authority_shows_up_nowhere(service, client):
    for headers in ({"host": "evil.example"}, {"x-forwarded-host": "evil.example"}):
        answer = client.get(f"/{story.TENANT}/v2.0/.well-known/openid-configuration", headers=headers)
        assert "evil" not in answer.text and "evil" not in str(answer.headers), answer.text


def test_many_streams_of_one_connection(service, cast):
    path = f"/{story.TENANT}/oauth2/v2.0/token"
    bodies = [form(service, cast) if number % 2 else {"a": str(number)} for number in range(60)]

    async def ask():
        context = ssl.create_default_context(cafile=service.ca_file)
        limits = httpx.Limits(max_connections=1)
        async with httpx.AsyncClient(http2=True, verify=context, base_url=service.url, timeout=10, trust_env=False, limits=limits) as client:
            return await asyncio.gather(*(client.post(path, data=body) for body in bodies))

    for body, answer in zip(bodies, asyncio.run(ask())):
        assert answer.http_version == "HTTP/2"
        granted(service, answer, story.DAEMON, story.TENANT) if "client_id" in body else refused(answer, 900144)
