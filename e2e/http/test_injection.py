"""What the caller writes must not come back able to act, and the service must not be led by it."""

import json

import pytest
import requests

from harness import jws, story
from harness.answers import graph_refused, harmless, refused
from harness.graph import Graph

TENANT, DAEMON = story.TENANT, story.DAEMON
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\r\nSet-Cookie: x=y",
    "a\\u003cb",
    "\u001b[31mred",
    "\u0000",
    "a\u2028b\u202eb",
    "${jndi:ldap://127.0.0.1/a}",
    "{{7*7}}",
    "' OR '1'='1' --",
    "%0d%0aX: y",
    "\U0001f600" * 200,
    "x" * 60_000,
]


@pytest.fixture
def right(service, cast):
    return jws.form(DAEMON, jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), DAEMON), cast.daemon.key))


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", ["client_id", "scope", "grant_type", "client_assertion", "client_assertion_type", "client_secret"])
def test_client_id_xss(service, right, name, value):
    if name == "client_secret":
        del right["client_assertion"], right["client_assertion_type"]
    answer = service.token(right | {name: value})
    refused(answer)
    assert "<script" not in answer.text and "\u202e" not in answer.text
    assert "Set-Cookie" not in answer.headers or "x=y" not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("value", HOSTILE[:11], ids=range(11))
def test_claims_and_header_members(service, cast, value):
    for name in ("iss", "sub", "aud"):
        claims = jws.claims(service.token_url(), DAEMON, **{name: value})
        refused(service.token(jws.form(DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))))
    for name in ("alg", "kid", "typ", "x5t#S256"):
        head = jws.header(cast.daemon) | {name: value}
        if name == "kid":
            del head["x5t#S256"]
        claims = jws.claims(service.token_url(), DAEMON)
        refused(service.token(jws.form(DAEMON, jws.compact(head, claims, cast.daemon.key, alg="PS256"))))


@pytest.mark.parametrize("value", ["<b>", "not-a-guid", "x" * 4000, "5f6a9e53-9b61-4f84-a0f5-2b6a3f1cf0aa<b>", "' or 1=1"])
def test_correlation_html(service, right, value):
    del right["scope"]
    answer = service.token(right, headers={"client-request-id": value})
    body = refused(answer)
    assert value not in answer.text and value not in str(answer.headers), answer.headers
    assert body["correlation_id"] != value


def test_correlation_id_echoed(service, right):
    del right["scope"]
    mine = "5f6a9e53-9b61-4f84-a0f5-2b6a3f1cf0aa"
    body = refused(service.token(right, headers={"client-request-id": mine}))
    assert body["correlation_id"] == mine


def test_host_evil(service, cast):
    headers = {"Host": "evil.example"}
    for path in (
        f"/{TENANT}/v2.0/.well-known/openid-configuration",
        f"/{TENANT}/.well-known/openid-configuration",
        "/common/v2.0/.well-known/openid-configuration",
        f"/common/discovery/instance?api-version=1.1&authorization_endpoint=https://evil.example/{TENANT}/oauth2/v2.0/authorize",
        f"/{TENANT}/discovery/v2.0/keys",
    ):
        answer = service.get(path, headers=headers)
        assert "evil.example" not in answer.text, path
        assert "evil.example" not in str(answer.headers), path
    claims = jws.claims(f"https://evil.example/{TENANT}/oauth2/v2.0/token", DAEMON)
    form = jws.form(DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))
    refused(service.token(form, headers=headers), 700023)


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Host"])
def test_forwarded_headers_of_strangers(service, name):
    value = "host=evil.example;proto=http" if name == "Forwarded" else "evil.example"
    answer = service.get(f"/{TENANT}/v2.0/.well-known/openid-configuration", headers={name: value})
    assert answer.status_code == 200 and "evil.example" not in answer.text
    assert answer.json()["token_endpoint"] == service.token_url()


@pytest.mark.parametrize("code", ["<script>alert(1)</script>", "700027\"><b>", "x", "-1", "9" * 400, "%00"])
def test_error_page(service, code):
    answer = requests.get(f"{service.url}/error", params={"code": code}, verify=service.ca_file, timeout=10)
    assert answer.status_code < 500
    assert "<script>alert" not in answer.text and "<b>" not in answer.text


def test_admin_client_access_token(service, right):
    token = service.token(right).json()["access_token"]
    for path in ("/applications", f"/applications(appId='{DAEMON}')", "/servicePrincipals"):
        graph_refused(Graph(service, token).call("GET", path), 401, 403)
    graph_refused(Graph(service, token).call("POST", "/applications", json={"displayName": "mine"}), 401, 403)


def test_graph_without_or_with_wrong_token(service):
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic YTpi"}, {"Authorization": service.admin_token}):
        answer = service.get("/v1.0/applications", headers=header)
        graph_refused(answer, 401)


@pytest.mark.parametrize("value", HOSTILE[:10], ids=range(10))
def test_graph_filter(graph, value):
    answer = graph.call("GET", "/applications", params={"$filter": f"appId eq '{value}'"})
    assert answer.status_code < 500
    if answer.status_code == 200:
        assert answer.json()["value"] == []
    else:
        graph_refused(answer)


def test_graph_display_name_is_data(graph):
    """In Graph's JSON the usual escapes are fine: what went in comes out, as data."""
    name = "<b>\"Ann's\" \\ app</b>"
    made = graph.create(name)
    assert graph.read(made["id"])["displayName"] == name
    assert graph.delete(made["id"]).status_code == 204


def test_description_stays_harmless_when_names_are_hostile(service, graph, cast):
    made = graph.create('<script>"x"</script>\\')
    claims = jws.claims(service.token_url(), made["appId"])
    form = jws.form(made["appId"], jws.compact(jws.header(cast.stranger), claims, cast.stranger.key))
    body = refused(service.token(form))
    harmless(body["error_description"])
    graph.delete(made["id"])


def test_log_holds_no_credential(service, cast, right):
    """Runs after requests of every kind went by; reads what the service wrote about them."""
    answer = service.token(right)
    token = answer.json()["access_token"]
    secret_form = {"grant_type": "client_credentials", "client_id": DAEMON, "scope": story.GRAPH_SCOPE, "client_secret": story.SDK_SECRET}
    service.token(secret_form)
    service.token(secret_form | {"client_secret": story.SDK_SECRET + "-wrong"})
    log = service.log_text()
    for secret in (token, token.split(".")[2], right["client_assertion"], right["client_assertion"].split(".")[2], story.SDK_SECRET, service.admin_token):
        assert secret not in log
    assert "PRIVATE KEY" not in log
    assert json.dumps(right["client_assertion"]) not in log


def test_trace_log_holds_no_credential(own_service, cast, monkeypatch):
    """The same with every line that the service and its libraries can write."""
    monkeypatch.setenv("RUST_LOG", "trace")
    own_service.start()
    assertion = jws.compact(jws.header(cast.daemon), jws.claims(own_service.token_url(), DAEMON), cast.daemon.key)
    right = jws.form(DAEMON, assertion)
    token = own_service.token(right).json()["access_token"]
    secret_form = {"grant_type": "client_credentials", "client_id": DAEMON, "scope": story.GRAPH_SCOPE, "client_secret": story.SDK_SECRET}
    assert own_service.token(secret_form).status_code == 200
    own_service.token(secret_form | {"client_secret": story.SDK_SECRET + "-wrong"})
    answer = Graph(own_service).call("POST", f"/applications(appId='{DAEMON}')/addPassword", json={})
    assert answer.status_code == 200, answer.text
    made = answer.json()["secretText"]
    log = own_service.log_text()
    assert " TRACE " in log or '"TRACE"' in log, log[:2000]
    for secret in (token, token.split(".")[2], right["client_assertion"], right["client_assertion"].split(".")[2], story.SDK_SECRET, own_service.admin_token, made):
        assert secret not in log
    assert "PRIVATE KEY" not in log
