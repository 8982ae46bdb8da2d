"""The contract's facts about a running service: ready file, endpoints, files, how it ends."""

import json
import os
import re
import socket
import ssl
import stat
import subprocess
import time
from pathlib import Path

import jwt
import pytest
import requests

from harness import jws, story, wire
from harness.answers import GUID, granted
from harness.service import Service, binary, clean_environment

TENANT, DAEMON = story.TENANT, story.DAEMON


def ask(service, cast, client=DAEMON):
    claims = jws.claims(service.token_url(), client)
    return service.token(jws.form(client, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key)))


def test_ready_file(service):
    ready = service.ready
    assert sorted(ready) == sorted(["pid", "url", "authority", "tenant", "graph", "portal", "ca_file", "admin_token_file", "metrics"])
    assert ready["pid"] == service.process.pid
    assert re.fullmatch(r"https://127\.0\.0\.1:\d+", ready["url"])
    assert ready["tenant"] == TENANT and ready["authority"] == f"{ready['url']}/{TENANT}"
    assert ready["graph"].startswith(ready["url"]) and ready["portal"].startswith(ready["url"] + "/portal")
    assert requests.get(ready["metrics"], verify=ready["ca_file"], timeout=10).status_code == 200
    assert Path(ready["ca_file"]).is_file() and Path(ready["admin_token_file"]).is_file()


def test_banner_tells_the_same_facts(service):
    log = service.log_text()
    for name in ("url", "authority", "ca_file", "admin_token_file"):
        assert service.ready[name] in log, f"{name} is missing in:\n{log[:2000]}"


def test_modes_of_files(service):
    """Databases with their side files and everything that holds a key or token: for the owner only."""
    checked = []
    for path in service.data.rglob("*"):
        held = path.read_bytes()[:64] if path.is_file() else b""
        secret = path == Path(service.ready["admin_token_file"]) or b"PRIVATE" in held or held.startswith(b"SQLite format 3")
        if path.is_file() and (secret or re.search(r"(\.db|\.sqlite3?|-wal|-shm|\.key|key\.pem)$", path.name)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, f"{path} has mode {path.stat().st_mode:o}"
            checked.append(path.name)
    assert any("-wal" in name or name.endswith((".db", ".sqlite", ".sqlite3")) for name in checked), checked
    assert Path(service.ready["admin_token_file"]).name in checked


def test_health(service):
    for path in ("/livez", "/readyz"):
        assert service.get(path).status_code == 200
    metrics = service.get("/metrics")
    assert metrics.status_code == 200 and metrics.headers["Content-Type"].startswith("text/plain")


def test_metrics_count_token_requests(service, cast):
    before = None
    granted(service, ask(service, cast), DAEMON, TENANT)
    before = service.token_requests()
    granted(service, ask(service, cast), DAEMON, TENANT)
    service.token({"grant_type": "client_credentials"})
    assert service.token_requests() == before + 2


def test_discovery_v2(service):
    for tenant in (TENANT, story.TENANT_DOMAIN):
        answer = service.get(f"/{tenant}/v2.0/.well-known/openid-configuration")
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("application/json")
        found = answer.json()
        assert found["issuer"] == service.issuer()
        assert found["token_endpoint"] == service.token_url()
        assert found["jwks_uri"] == f"{service.url}/{TENANT}/discovery/v2.0/keys"
        assert found["authorization_endpoint"].startswith(service.url)
        assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
        for name in ("response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported"):
            assert found[name], name


def test_discovery_follows_the_name_the_client_used(service):
    for name in ("localhost", "127.0.0.1"):
        host = f"{name}:{service.address[1]}"
        found = requests.get(
            f"https://{host}/{TENANT}/v2.0/.well-known/openid-configuration", verify=service.ca_file, timeout=10
        ).json()
        assert found["issuer"] == f"https://{host}/{TENANT}/v2.0"
        assert found["token_endpoint"] == f"https://{host}/{TENANT}/oauth2/v2.0/token"


def test_discovery_v1(service):
    found = service.get(f"/{TENANT}/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == service.token_url(version="")
    assert service.get(f"/{TENANT}/discovery/keys").json()["keys"]
    assert service.get("/common/discovery/keys").json()["keys"]
    assert service.get("/common/discovery/v2.0/keys").json()["keys"]


def test_discovery_of_an_unknown_tenant_carries_90002(service):
    answer = service.get(f"/{story.UNKNOWN_TENANT}/v2.0/.well-known/openid-configuration")
    assert 400 <= answer.status_code < 500
    body = answer.json()
    assert body["error"] == "invalid_tenant" and body["error_codes"] == [90002]
    assert GUID.fullmatch(body["trace_id"])


def test_jwk_set(service):
    (key, *_) = service.get(f"/{TENANT}/discovery/v2.0/keys").json()["keys"]
    assert key["kty"] == "RSA" and key["use"] == "sig" and key["e"] == "AQAB"
    assert key["kid"] == key["x5t"] and len(key["x5t"]) == 27
    assert len(key["x5c"]) == 1
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key), "a private member is published"


def test_instance_discovery(service):
    endpoint = f"{service.url}/{TENANT}/oauth2/v2.0/authorize"
    found = service.get("/common/discovery/instance", params={"api-version": "1.1", "authorization_endpoint": endpoint}).json()
    assert found["tenant_discovery_endpoint"] == f"{service.url}/{TENANT}/v2.0/.well-known/openid-configuration"
    assert found["metadata"]


def test_error_page(service):
    answer = service.get("/error?code=700027")
    assert answer.status_code == 200 and "700027" in answer.text


def test_error_uri_leads_to_it(service):
    body = service.token({"grant_type": "client_credentials"}).json()
    if "error_uri" in body:
        assert body["error_uri"] == f"{service.url}/error?code={body['error_codes'][0]}"


def test_access_token_v1_claims(service, cast):
    answer = ask(service, cast)
    claims = granted(service, answer, DAEMON, TENANT)
    assert claims["ver"] == "1.0" and claims["iss"].endswith(f"/{TENANT}/")
    assert claims["exp"] - claims["iat"] >= 3600 and claims["iat"] == claims["nbf"]
    assert claims["appid"] == DAEMON and claims["appidacr"] == "2" and claims["tid"] == TENANT
    head = jwt.get_unverified_header(answer.json()["access_token"])
    assert head["kid"] == head["x5t"]


def test_tls_names(service):
    for name in ("127.0.0.1", "localhost"):
        context = ssl.create_default_context(cafile=service.ca_file)
        with socket.create_connection((name, service.address[1]), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_sigterm_finishes_what_is_in_flight(own_service, cast):
    """An idle connection does not hold the end up, a request under way is finished, the status is 0."""
    own_service.start()
    idle = wire.connect(own_service)
    from urllib.parse import urlencode

    claims = jws.claims(own_service.token_url(), DAEMON)
    body = urlencode(jws.form(DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))).encode()
    head = (
        f"POST /{TENANT}/oauth2/v2.0/token HTTP/1.1\r\nHost: {own_service.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    with wire.connect(own_service) as busy:
        busy.sendall(head + body[:-10])
        time.sleep(0.3)
        own_service.process.terminate()
        time.sleep(0.3)
        with pytest.raises(OSError):
            socket.create_connection(own_service.address, timeout=2).close()
        busy.sendall(body[-10:])
        received, _ = wire.read_all(busy, 5)
    assert wire.answers(received)[0].startswith(b"200"), received[:300]
    assert own_service.process.wait(10) == 0
    idle.close()


def published(service):
    """The JWK Set, once the next signing key, made after the start, is in it."""
    for _ in range(300):
        found = service.get(f"/{TENANT}/discovery/v2.0/keys").json()
        if len(found["keys"]) > 1:
            return found
        time.sleep(0.1)
    raise AssertionError(f"no second key after 30 s: {found}")


def test_tokens_and_registrations_outlive_a_restart(own_service, cast):
    own_service.start()
    token = ask(own_service, cast).json()["access_token"]
    before = published(own_service)
    admin = own_service.admin_token
    assert own_service.stop() == 0
    own_service.start()
    after = own_service.get(f"/{TENANT}/discovery/v2.0/keys").json()
    assert [key["kid"] for key in before["keys"]] == [key["kid"] for key in after["keys"]]
    keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(after).keys}
    jwt.decode(token, keys[jwt.get_unverified_header(token)["kid"]], algorithms=["RS256"], options={"verify_aud": False})
    assert own_service.admin_token == admin
    granted(own_service, ask(own_service, cast), DAEMON, TENANT)


def test_json_banner_is_one_line(tmp_path, cast):
    process = subprocess.Popen(
        [str(binary()), "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--seed", str(cast.seed), "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=clean_environment(),
    )
    try:
        facts = json.loads(process.stdout.readline())
        assert facts["tenant"] == TENANT and facts["pid"] == process.pid
    finally:
        process.terminate()
        rest, _ = process.communicate(timeout=10)
    assert rest == "" and process.returncode == 0


def test_wait_and_healthcheck(service, tmp_path):
    for verb in (["wait", "--timeout", "5"], ["healthcheck"]):
        done = subprocess.run(
            [str(binary()), *verb, "--url", service.url, "--ca-file", service.ca_file],
            capture_output=True,
            text=True,
            timeout=15,
            cwd=tmp_path,
            env=clean_environment(),
        )
        assert done.returncode == 0, done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([str(binary()), "healthcheck", "--url", url], capture_output=True, text=True, timeout=15, cwd=tmp_path, env=clean_environment())
        assert done.returncode == 5, (done.returncode, done.stderr)
        done = subprocess.run([str(binary()), "wait", "--timeout", "1", "--url", url], capture_output=True, text=True, timeout=15, cwd=tmp_path, env=clean_environment())
        assert done.returncode == 6, (done.returncode, done.stderr)


def test_tls_off_on_loopback(tmp_path, cast):
    plain = Service(folder=tmp_path, seed=cast.seed, arguments=("--tls", "off")).start()
    try:
        assert plain.ready["ca_file"] is None and plain.url.startswith("http://127.0.0.1:")
        claims = jws.claims(plain.token_url(), DAEMON)
        form = jws.form(DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))
        answer = requests.post(plain.token_url(), data=form, timeout=10)
        granted(plain, answer, DAEMON, TENANT)
        assert plain.stop() == 0
    finally:
        plain.kill()


def test_restart_is_quick(own_service, cast):
    own_service.start()
    assert own_service.stop() == 0
    own_service.start()
    # The promise is 200 ms on a machine at rest; under a test run with two cores a second is still far from a slow start.
    assert own_service.ready_after < 1.0, own_service.ready_after


def test_nothing_outside_the_data_folder(own_service):
    own_service.start()
    names = {path.name for path in own_service.folder.iterdir()}
    assert names <= {"data", "ready.json", "service.log"}, names
    assert os.listdir(own_service.data)
