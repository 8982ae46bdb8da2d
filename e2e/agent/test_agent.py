"""`countersign agent` under programs that nobody here wrote, and under those that must get nothing."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest
import requests

from harness import story
from harness.agent import over_socket
from harness.answers import verified
from harness.service import Service, binary, clean_environment

from agent.conftest import VAULT, credential

GRAPH = "https://graph.microsoft.com"
APP_SERVICE = f"/msi/token?api-version=2019-08-01&resource={GRAPH}"
IMDS = f"/metadata/identity/oauth2/token?api-version=2018-02-01&resource={GRAPH}"
PLAIN = f"/token?scope={GRAPH}/.default"


def good(upstream, token: str) -> None:
    assert verified(upstream, token, story.TENANT)["appid"] == story.DAEMON


# --- the forms of managed identities, by SDKs


@pytest.fixture
def app_service(agent, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", agent.ready["identity_endpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", agent.secret)


def test_azure_identity_as_on_app_service(agent, upstream, app_service, monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ManagedIdentityCredential

    for made in (ManagedIdentityCredential(), ManagedIdentityCredential(client_id=story.DAEMON)):
        good(upstream, made.get_token(story.GRAPH_SCOPE).token)
    for made, scope, words in [
        (ManagedIdentityCredential(), VAULT, "not on the agent's list"),
        (ManagedIdentityCredential(client_id=story.NEIGHBOUR), story.GRAPH_SCOPE, "No User Assigned"),
    ]:
        with pytest.raises(ClientAuthenticationError) as raised:
            made.get_token(scope)
        assert words in str(raised.value)
    monkeypatch.setenv("IDENTITY_HEADER", "not-the-secret-of-anybody")
    with pytest.raises(ClientAuthenticationError) as raised:
        ManagedIdentityCredential().get_token(story.GRAPH_SCOPE)
    assert "IDENTITY_HEADER" in str(raised.value)


def test_azure_identity_as_on_a_virtual_machine(agent, upstream, monkeypatch):
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import ManagedIdentityCredential

    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", agent.url)
    for made in (ManagedIdentityCredential(), ManagedIdentityCredential(client_id=story.DAEMON)):
        good(upstream, made.get_token(story.GRAPH_SCOPE).token)
    with pytest.raises(ClientAuthenticationError) as raised:
        ManagedIdentityCredential().get_token(VAULT)
    assert "not on the agent's list" in str(raised.value)


@pytest.mark.parametrize("form", ["app_service", "imds"])
def test_msal_managed_identity(agent, upstream, form, monkeypatch):
    import msal

    if form == "imds":
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", agent.url)
    else:
        monkeypatch.setenv("IDENTITY_ENDPOINT", agent.ready["identity_endpoint"])
        monkeypatch.setenv("IDENTITY_HEADER", agent.secret)
    client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
    good(upstream, client.acquire_token_for_client(resource=GRAPH)["access_token"])
    refused = client.acquire_token_for_client(resource="https://vault.azure.net")
    assert "access_token" not in refused and "not on the agent's list" in str(refused)


def test_node_sdk_in_both_forms(agent, upstream):
    program = """
        import { createRequire } from "node:module";
        const { ManagedIdentityCredential } = createRequire(process.env.NODE_MODULES_FOLDER + "/")("@azure/identity");
        const token = await new ManagedIdentityCredential().getToken(process.argv[1]);
        process.stdout.write(token.token);
    """
    line = [os.environ["NODE"], "--input-type=module", "-e", program, story.GRAPH_SCOPE]
    for variables in (
        {"IDENTITY_ENDPOINT": agent.ready["identity_endpoint"], "IDENTITY_HEADER": agent.secret},
        {"AZURE_POD_IDENTITY_AUTHORITY_HOST": agent.url},
    ):
        done = subprocess.run(line, env=clean_environment(**variables), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        good(upstream, done.stdout)


# --- the plain form


def test_plain_form_as_json_and_as_text(agent, upstream):
    body = agent.get(PLAIN, agent.secret).json()
    assert body["token_type"] == "Bearer" and 300 < body["expires_in"] < 90_000
    assert body["client_id"] == story.DAEMON
    good(upstream, body["access_token"])
    text = agent.get(PLAIN, agent.secret, headers={"Accept": "text/plain"})
    assert text.headers["Content-Type"].startswith("text/plain") and "no-store" in text.headers["Cache-Control"]
    assert text.text == body["access_token"], "one token for all who ask for the same"
    bearer = requests.get(agent.url + "/token", headers={"Authorization": f"Bearer {agent.secret}"}, timeout=60)
    assert bearer.json()["access_token"] == body["access_token"], "the only scope need not be named"


def test_the_socket_is_private_and_needs_no_secret(agent, upstream):
    path = agent.ready["socket"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    done = subprocess.run(
        ["curl", "--silent", "--fail", "--unix-socket", path, "--header", "Accept: text/plain", f"http://agent{PLAIN}"],
        capture_output=True, text=True, timeout=60,
    )
    good(upstream, done.stdout)
    assert over_socket(path, PLAIN, **{"X-IDENTITY-HEADER": "a-secret-that-nobody-has"})[0] == 401
    assert over_socket(path, "/token?scope=https://vault.azure.net")[0] == 403
    assert over_socket(path, IMDS, Metadata="true")[0] == 200


# --- who gets nothing


@pytest.mark.parametrize("path", [APP_SERVICE, PLAIN, "/AuthorizationHeader/Graph"])
@pytest.mark.parametrize("secret", [None, "not-the-secret-of-anybody", "x" * 2_000])
def test_without_the_right_secret_there_is_no_token(agent, path, secret):
    answer = agent.get(path, secret)
    assert answer.status_code == 401 and "eyJ" not in answer.text, answer.text
    assert not secret or secret not in answer.text


@pytest.mark.parametrize("path,status", [(APP_SERVICE.replace("graph", "vault"), 400), (PLAIN.replace("graph", "vault"), 403), ("/AuthorizationHeader/Vault", 403)])
def test_other_scopes_are_refused_in_clear_words(agent, upstream, path, status):
    before = upstream.token_requests()
    answer = agent.get(path, agent.secret)
    assert answer.status_code == status and "not on the agent's list" in answer.text and GRAPH in answer.text
    assert upstream.token_requests() == before, "the authority is not even asked"


@pytest.mark.parametrize(
    "headers,words",
    [
        ({"Host": "evil.example"}, "Host"),
        ({"Host": "127.0.0.1"}, "Host"),
        ({"Origin": "https://evil.example"}, "browser"),
        ({"Origin": "null"}, "browser"),
        ({"Sec-Fetch-Site": "cross-site"}, "browser"),
        ({"X-Forwarded-For": "127.0.0.1"}, "X-Forwarded-For"),
        ({"Forwarded": "for=127.0.0.1"}, "forwarded"),
    ],
)
@pytest.mark.parametrize("path", [APP_SERVICE, IMDS, PLAIN, "/AuthorizationHeader/Graph", "/metrics"])
def test_browsers_rebinding_and_proxies_are_refused(agent, path, headers, words):
    answer = agent.get(path, agent.secret, headers={"Metadata": "true", **headers})
    assert answer.status_code == 403 and words in answer.text and "eyJ" not in answer.text
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_imds_keeps_its_own_guards(agent):
    assert agent.get(IMDS).status_code == 400
    assert agent.get(IMDS).json()["error"] == "bad_request_102"
    assert agent.get(IMDS.replace("2018-02-01", "x"), headers={"Metadata": "true"}).status_code == 400
    assert requests.post(agent.url + IMDS, headers={"Metadata": "true"}, timeout=60).status_code == 405


def test_imds_is_off_unless_asked_for(cast, upstream, own_agent):
    running = own_agent(*credential(cast, upstream), "--allow", GRAPH, "--caller-secret-file", "s").start()
    answer = running.get(IMDS, headers={"Metadata": "true"})
    assert answer.status_code == 404 and "--without-secret imds" in answer.text
    assert running.get("/AuthorizationHeaderUnauthenticated/x").status_code == 401
    assert running.stop() == 0


def test_broken_frames_and_large_ones_end_in_refusals(agent):
    port = int(agent.url.rsplit(":", 1)[1])

    def sent(request: bytes) -> bytes:
        answer = b""
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, contextlib.suppress(ConnectionError, OSError):
            # The agent may answer and close before it has read everything.
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65_536):
                answer += chunk
        return answer

    host = f"Host: 127.0.0.1:{port}\r\n".encode()
    assert sent(b"GET /token HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 4")
    assert sent(b"GET /token HTTP/1.1\r\n" + host + host + b"\r\n").startswith(b"HTTP/1.1 403")
    secret = b"X-IDENTITY-HEADER: " + agent.secret.encode() + b"\r\n"
    right = b"GET /token HTTP/1.1\r\n" + host + secret
    assert sent(right + b"\r\n").startswith(b"HTTP/1.1 200")
    assert b"eyJ" not in sent(right + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n")
    large = b"POST /t/oauth2/v2.0/token HTTP/1.1\r\n" + host + b"Content-Length: 1000000000\r\n\r\n"
    assert sent(large).startswith(b"HTTP/1.1 413")
    assert sent(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert agent.get("/livez").text == "ok\n"


# --- callers with lists of their own


def test_callers_have_their_own_secrets_and_scopes(cast, upstream, own_agent, tmp_path):
    secrets = {"billing": "billing-secret-0123456789", "reports": "reports-secret-0123456789"}
    for name, secret in secrets.items():
        (tmp_path / f"{name}.secret").write_text(secret + "\n")
    (tmp_path / "callers.toml").write_text(
        '[[caller]]\nname = "billing"\nsecret_file = "billing.secret"\nscopes = ["https://vault.azure.net"]\n'
        '[[caller]]\nname = "reports"\nsecret_file = "reports.secret"\n'
        f'[apis]\nVault = "{VAULT}"\n'
    )
    running = own_agent(*credential(cast, upstream), "--allow", GRAPH, "--callers", "callers.toml").start()
    asked = {
        (name, scope): running.get(f"/token?scope={scope}", secrets[name]).status_code
        for name in secrets
        for scope in (GRAPH, "https://vault.azure.net")
    }
    assert asked == {
        ("billing", GRAPH): 403, ("billing", "https://vault.azure.net"): 200,
        ("reports", GRAPH): 200, ("reports", "https://vault.azure.net"): 403,
    }
    assert running.get("/AuthorizationHeader/vault", secrets["billing"]).status_code == 200
    assert running.get("/AuthorizationHeader/vault", secrets["reports"]).status_code == 403
    samples = running.samples()
    assert samples['countersign_agent_requests_total{caller="billing",form="token",outcome="token"}'] == 1
    assert samples['countersign_agent_requests_total{caller="billing",form="token",outcome="scope_refused"}'] == 1
    assert samples[f'countersign_agent_token_lifetime_seconds{{scope="{VAULT}"}}'] > 300
    text = running.get("/metrics").text + running.log_text()
    assert not any(secret in text for secret in secrets.values()) and "eyJ" not in text
    assert running.stop() == 0


# --- when the authority is away, or says no


class Returning(Service):
    """A service that comes back at the port where it was."""

    port = 0

    def command(self) -> list[str]:
        return [part.replace("127.0.0.1:0", f"127.0.0.1:{self.port}") for part in super().command()]


def test_an_authority_that_is_away_is_said_and_missed_only_as_long(cast, own_agent, tmp_path):
    (tmp_path / "service").mkdir()
    service = Returning(folder=tmp_path / "service", seed=cast.seed).start()
    service.port = service.address[1]
    running = own_agent(
        *credential(cast, service), "--allow", f"{GRAPH},https://vault.azure.net", "--caller-secret-file", "s", "--timeout", "3",
    ).start()
    assert running.get(f"/token?scope={GRAPH}", running.secret).status_code == 200
    assert running.get("/readyz").status_code == 200
    service.kill()
    # The token that is at hand still serves; another one cannot be had.
    assert running.get(f"/token?scope={GRAPH}", running.secret).status_code == 200
    vault = "https://vault.azure.net"
    running.stop()
    again = own_agent(*credential(cast, service), "--allow", vault, "--caller-secret-file", "s", "--timeout", "2").start()
    answer = again.get(f"/token?scope={vault}", again.secret)
    assert answer.status_code == 503 and answer.json()["error"] == "temporarily_unavailable", answer.text
    assert str(service.port) in answer.text and int(answer.headers["Retry-After"]) >= 1
    imitation = again.get(APP_SERVICE.replace("graph.microsoft.com", "vault.azure.net"), again.secret)
    assert imitation.status_code == 503 and imitation.json()["statusCode"] == 503
    assert again.get("/readyz").status_code == 503
    service.start()
    for _ in range(60):
        if again.get("/readyz").status_code == 200:
            break
        time.sleep(1)
    assert again.get(f"/token?scope={vault}", again.secret).status_code == 200
    assert any(name.startswith("countersign_agent_upstream_errors_total") for name in again.samples())
    assert again.stop() == 0
    service.stop()


def test_a_refused_assertion_is_explained_in_the_log(cast, upstream, own_agent):
    elsewhere = ("--token-url", upstream.token_url(), "--audience", f"{upstream.url}/{story.OTHER_TENANT}/oauth2/v2.0/token")
    flags = (*credential(cast, upstream), *elsewhere)
    running = own_agent(*flags, "--allow", story.GRAPH_SCOPE, "--caller-secret-file", "s").start()
    answer = running.get(PLAIN, running.secret)
    assert answer.status_code == 502 and answer.json()["error_codes"] == [700023], answer.text
    assert answer.json()["trace_id"]
    log = running.log_text()
    assert "why it was refused" in log and re.search(r'finding="?[a-z-]+"? certainty=Proven', log), log
    assert "eyJ" not in log and running.secret not in log
    assert running.samples()['countersign_agent_upstream_errors_total{kind="AADSTS700023"}'] >= 1
    assert running.stop() == 0


def test_a_refusal_that_the_request_does_not_explain_says_what_would(cast, upstream, own_agent, tmp_path):
    (tmp_path / "stranger.pem").write_bytes(cast.stranger.key_pem + cast.stranger.certificate_pem)
    flags = list(credential(cast, upstream))
    flags[flags.index("--cert") + 1] = "stranger.pem"
    running = own_agent(*flags, "--allow", GRAPH, "--caller-secret-file", "s").start()
    as_app_service = running.get(APP_SERVICE, running.secret)
    assert as_app_service.status_code == 400 and "AADSTS700027" in as_app_service.json()["message"]
    log = running.log_text()
    assert "countersign explain 700027" in log and "application" in log and "eyJ" not in log, log
    assert running.stop() == 0


# --- the sidecar's form


def test_the_agents_sdk_takes_it_for_the_entra_auth_sidecar(agent, upstream):
    import asyncio

    from microsoft_agents.authentication.entra_auth_sidecar import SidecarHttpClient, SidecarRequestOptions

    async def ask(name: str, **options):
        client = SidecarHttpClient(agent.url, retry_count=0)
        try:
            assert await client.is_healthy()
            return await client.get_authorization_header_unauthenticated(name, SidecarRequestOptions(**options))
        finally:
            await client.aclose()

    for options in ({}, {"request_app_token": True, "scopes": [story.GRAPH_SCOPE], "tenant": story.TENANT}):
        result = asyncio.run(ask("Graph", **options))
        assert result.scheme == "Bearer"
        good(upstream, result.token)
    for name, options in [("Nothing", {}), ("Graph", {"agent_identity": story.NEIGHBOUR}), ("Graph", {"tenant": story.OTHER_TENANT})]:
        with pytest.raises(ValueError):
            asyncio.run(ask(name, **options))
    with pytest.raises(Exception, match="403"):
        asyncio.run(ask("Vault"))


def test_the_sidecar_form_answers_as_microsofts(agent, upstream):
    answer = requests.get(agent.url + "/AuthorizationHeader/graph", headers={"Authorization": f"Bearer {agent.secret}"}, timeout=60)
    assert list(answer.json()) == ["authorizationHeader"]
    good(upstream, answer.json()["authorizationHeader"].removeprefix("Bearer "))
    refused = agent.get("/AuthorizationHeader/nothing", agent.secret)
    assert refused.status_code == 400 and refused.headers["Content-Type"].startswith("application/problem+json")
    assert refused.json()["status"] == 400 and "--api" in refused.json()["detail"]


# --- the token endpoint for programs that can only send a secret


@pytest.fixture
def endpoint(agent) -> str:
    return f"{agent.url}/{story.TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_with_a_secret_gets_tokens(agent, upstream, endpoint, method):
    from authlib.integrations.httpx_client import OAuth2Client
    from authlib.integrations.requests_client import OAuth2Session

    for client_class in (OAuth2Session, OAuth2Client):
        client = client_class(story.DAEMON, agent.secret, scope=story.GRAPH_SCOPE, token_endpoint_auth_method=method)
        token = client.fetch_token(endpoint, grant_type="client_credentials")
        good(upstream, token["access_token"])
        assert token["token_type"] == "Bearer" and token["expires_in"] > 300


@pytest.mark.parametrize(
    "client_id,secret,scope,error",
    [
        (story.DAEMON, None, "https://vault.azure.net/.default", "invalid_scope"),
        (story.DAEMON, None, f"{story.GRAPH_SCOPE} {VAULT}", "invalid_scope"),
        (story.DAEMON, "not-the-secret-of-anybody", story.GRAPH_SCOPE, "invalid_client"),
        (story.NEIGHBOUR, None, story.GRAPH_SCOPE, "invalid_client"),
    ],
)
def test_authlib_gets_nothing_else(agent, upstream, endpoint, client_id, secret, scope, error):
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

    before = upstream.token_requests()
    client = OAuth2Session(client_id, secret or agent.secret, scope=scope)
    with pytest.raises(OAuthError) as raised:
        client.fetch_token(endpoint, grant_type="client_credentials")
    assert raised.value.error == error
    assert upstream.token_requests() == before


def test_authlib_through_the_agent_as_its_proxy(agent, upstream):
    from authlib.integrations.requests_client import OAuth2Session

    def fetch(target: str, proxy_user: str, secret: str | None):
        client = OAuth2Session(story.DAEMON, secret, scope=story.GRAPH_SCOPE, token_endpoint_auth_method="client_secret_post" if secret else "none")
        client.trust_env = False
        client.proxies = {"http": agent.url.replace("://", f"://{proxy_user}")}
        return client.fetch_token(target, grant_type="client_credentials")

    # The authority as the program would name it, but for the s.
    target = f"http://{upstream.host}/{story.TENANT}/oauth2/v2.0/token"
    good(upstream, fetch(target, "", agent.secret)["access_token"])
    good(upstream, fetch(target, f"default:{agent.secret}@", None)["access_token"])
    for other in (f"http://evil.example/{story.TENANT}/oauth2/v2.0/token", f"http://{upstream.host}/v1.0/applications"):
        answer = requests.post(other, proxies={"http": agent.url}, data={"client_secret": agent.secret}, timeout=60)
        assert answer.status_code == 403 and "eyJ" not in answer.text


def test_the_endpoint_by_its_rules(agent, upstream, endpoint):
    form = {"grant_type": "client_credentials", "client_id": story.DAEMON, "client_secret": agent.secret}

    def post(to: str = endpoint, **changed):
        return requests.post(to, data={**form, **changed}, timeout=60)

    assert post().status_code == 200, "the only scope need not be named"
    assert post(scope="openid profile " + story.GRAPH_SCOPE).status_code == 200
    assert post(client_id="default").status_code == 200, "the caller's name will do"
    old = post(f"{agent.url}/{story.TENANT}/oauth2/token", resource=GRAPH).json()
    assert isinstance(old["expires_in"], str) and old["resource"] == GRAPH
    good(upstream, old["access_token"])
    for answer, status, error in [
        (post(grant_type="password"), 400, "unsupported_grant_type"),
        (post(client_assertion="a.b.c"), 401, "invalid_client"),
        (post(client_secret=""), 401, "invalid_client"),
        (post(f"{agent.url}/{story.OTHER_TENANT}/oauth2/v2.0/token"), 400, "invalid_request"),
        (requests.post(endpoint, data=[*form.items(), ("scope", "a"), ("scope", "b")], timeout=60), 400, "invalid_request"),
        (requests.post(endpoint, data=form, auth=(story.DAEMON, agent.secret), timeout=60), 400, "invalid_request"),
        (requests.post(endpoint, json=form, timeout=60), 400, "invalid_request"),
        (requests.get(endpoint, timeout=60), 405, "invalid_request"),
    ]:
        assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
        assert agent.secret not in answer.text


def test_what_the_authority_refuses_comes_back_as_it_said_it(cast, upstream, own_agent, tmp_path):
    (tmp_path / "stranger.pem").write_bytes(cast.stranger.key_pem + cast.stranger.certificate_pem)
    flags = list(credential(cast, upstream))
    flags[flags.index("--cert") + 1] = "stranger.pem"
    running = own_agent(*flags, "--allow", GRAPH, "--caller-secret-file", "s").start()
    form = {"grant_type": "client_credentials", "client_id": story.DAEMON, "client_secret": running.secret, "scope": story.GRAPH_SCOPE}
    answer = requests.post(f"{running.url}/{story.TENANT}/oauth2/v2.0/token", data=form, timeout=60)
    assert answer.status_code == 401 and answer.json()["error"] == "invalid_client"
    assert answer.json()["error_codes"][0] == 700027 and answer.json()["correlation_id"]
    assert running.stop() == 0


# --- processes and files


def test_many_at_once_cost_the_authority_one_request(cast, upstream, own_agent):
    running = own_agent(*credential(cast, upstream), "--allow", GRAPH, "--caller-secret-file", "s")
    before = upstream.token_requests()
    running.start()
    answers = []
    ask = lambda: answers.append(running.get(PLAIN, running.secret).status_code)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40 and upstream.token_requests() == before + 1
    assert running.stop() == 0


def test_a_socket_of_a_killed_agent_is_taken_over_and_of_a_living_one_is_not(cast, upstream, own_agent, tmp_path):
    flags = (*credential(cast, upstream), "--allow", GRAPH)
    first = own_agent(*flags, listen=("unix:a.sock",)).start()
    assert first.ready["url"] is None
    second = own_agent(*flags, listen=("unix:a.sock",))
    with pytest.raises(RuntimeError, match="another agent serves this socket"):
        second.start()
    assert over_socket(first.ready["socket"], PLAIN)[0] == 200
    first.kill()
    assert (tmp_path / "a.sock").exists()
    second.start()
    assert over_socket(second.ready["socket"], PLAIN)[0] == 200
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(10) == 0
    assert not (tmp_path / "a.sock").exists() and not (tmp_path / "a.sock.lock").exists()


def test_the_callers_secret_is_made_once_and_private(cast, upstream, own_agent, tmp_path):
    running = own_agent(*credential(cast, upstream), "--allow", GRAPH, "--caller-secret-file", "made").start()
    made = running.secret
    assert stat.S_IMODE(os.stat(tmp_path / "made").st_mode) == 0o600 and len(made) >= 40
    running.stop()
    running.start()
    assert running.secret == made
    running.stop()


@pytest.mark.parametrize(
    "arguments,status,words",
    [
        (("--allow", GRAPH), 3, "nobody could ask"),
        (("--caller-secret-file", "s"), 3, "--allow"),
        (("--allow", "", "--caller-secret-file", "s"), 3, "is no scope"),
        (("--allow", GRAPH, "--listen", "0.0.0.0:0", "--caller-secret-file", "s"), 3, "no loopback address"),
        (("--allow", GRAPH, "--listen", "unix:/nowhere/a.sock"), 2, "/nowhere/a.sock"),
        (("--allow", GRAPH, "--callers", "missing.toml"), 2, "missing.toml"),
        (("--allow", GRAPH, "--caller-secret-file", "short"), 2, "5 characters"),
        (("--allow", GRAPH, "--caller-secret-file", "s", "--api", "Graph"), 3, "NAME=SCOPE"),
    ],
)
def test_mistakes_end_the_start_in_words(cast, upstream, tmp_path, arguments, status, words):
    (tmp_path / "short").write_text("short")
    line = [str(binary()), "agent", *credential(cast, upstream), *arguments]
    if "--listen" not in arguments:
        line += ["--listen", "127.0.0.1:0"]
    done = subprocess.run(line, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=30)
    assert done.returncode == status and words in done.stderr, (done.returncode, done.stderr)
