"""Programs that know Microsoft's hosts and nothing else, unmodified, under `run`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import story
from harness.service import Service
from harness.wrapper import Wrapper

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def wrapper(tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    made = Wrapper(temporary)
    yield made
    made.assert_nothing_left()


def succeeded(done: subprocess.CompletedProcess) -> dict:
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def is_ours(claims: dict) -> None:
    assert claims["tid"] == story.TENANT
    assert claims.get("appid", claims.get("azp")) == story.SDK_CLIENT


def msal_line(cast, host="login.microsoftonline.com") -> list[str]:
    material = cast.sdk
    return [
        sys.executable,
        str(PROGRAMS / "msal_public.py"),
        host,
        story.TENANT,
        story.SDK_CLIENT,
        str(material.key),
        str(material.certificate),
        story.GRAPH_SCOPE,
    ]


@pytest.mark.parametrize("host", ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"])
def test_msal_python_with_a_hard_coded_authority(wrapper, cast, host):
    found = succeeded(wrapper.run("--seed", str(cast.seed), "--", *msal_line(cast, host)))
    is_ours(found["claims"])
    # Graph knows the token, and that this client has no role for what it asks.
    assert found["graph"][0] == 403, found["graph"]
    assert found["graph"][1]["error"]["code"] == "Authorization_RequestDenied"


def test_azure_identity_at_its_defaults(wrapper, cast):
    line = [sys.executable, str(PROGRAMS / "azure_identity_public.py"), story.TENANT, story.SDK_CLIENT, str(cast.sdk.both)]
    found = succeeded(
        wrapper.run("--seed", str(cast.seed), "--managed-identity", story.SDK_CLIENT, "--", *line, story.GRAPH_SCOPE, "managed")
    )
    for way in ("sync", "async", "managed"):
        is_ours(found[way])


def node_line(cast) -> list[str]:
    material = cast.sdk
    return [
        os.environ.get("NODE", "node"),
        str(PROGRAMS / "public.mjs"),
        story.TENANT,
        story.SDK_CLIENT,
        *(str(path) for path in (material.key, material.certificate, material.both)),
        material.sha256,
        story.GRAPH_SCOPE,
    ]


def node_found_everything(done):
    found = succeeded(done)
    is_ours(found["msal"])
    is_ours(found["identity"])
    assert found["https"] == 200
    # The service's own refusal: nobody signed in.
    assert found["fetch"] == 401
    assert found["loopback"] == ["connected", "connected"]
    return found


def test_node_whose_fetch_ignores_proxies(wrapper, cast):
    found = node_found_everything(wrapper.run("--seed", str(cast.seed), "--", *node_line(cast)))
    for refused in [found["other"], found["otherPort"], *found["rawOther"]]:
        assert "not among the hosts answered here" in refused, found


def test_curl_and_the_nature_of_the_ca(wrapper):
    script = (
        "curl -sS --fail https://login.microsoftonline.com/common/discovery/v2.0/keys >/dev/null && "
        'openssl x509 -in "$COUNTERSIGN_CA_FILE" -noout -ext nameConstraints,basicConstraints && '
        'd=$(dirname "$SSL_CERT_FILE") && ls -R "$d" && ! grep -l "PRIVATE KEY" "$d"/*.pem && '
        "curl -sS https://elsewhere.example/"
    )
    done = wrapper.run("--", "sh", "-c", script)
    # curl's word for a proxy that says no.
    assert done.returncode == 56, (done.stdout, done.stderr)
    assert "refused a connection to elsewhere.example:443" in done.stderr
    assert "X509v3 Name Constraints: critical" in done.stdout
    assert "DNS:login.microsoftonline.com" in done.stdout and "pathlen:0" in done.stdout
    assert "ca-key" not in done.stdout and "tls" not in done.stdout.split(), done.stdout


def test_a_service_that_runs_already(wrapper, cast, tmp_path):
    service = Service(folder=tmp_path / "service", seed=cast.seed)
    service.folder.mkdir()
    service.arguments = ("--public-url", "https://login.microsoftonline.com")
    service.start()
    try:
        done = wrapper.run("--ready-file", str(service.folder / "ready.json"), "--", *msal_line(cast))
        is_ours(succeeded(done)["claims"])
        assert service.token_requests() == 1
        assert done.stderr == ""
        done = wrapper.run("--url", service.url, "--ca-file", service.ca_file, "--", *node_line(cast))
        node_found_everything(done)
    finally:
        assert service.stop() == 0


def test_a_service_that_does_not_know_the_name_is_warned_of(wrapper, cast, own_service):
    own_service.start()
    done = wrapper.run("--ready-file", str(own_service.folder / "ready.json"), "--", "true")
    assert done.returncode == 0
    assert "does not count login.microsoftonline.com among its names" in done.stderr
    assert own_service.stop() == 0
    done = wrapper.run("--url", "https://127.0.0.1:1", "--", "true")
    assert done.returncode == 5 and "cannot be reached" in done.stderr, done.stderr


def isolation_is_allowed() -> bool:
    """Whether the system lets this user make the namespaces, asked without the program under test."""
    tool = shutil.which("unshare")
    assert tool, "util-linux's unshare is part of every Debian"
    ways = (["--mount", "--net"], ["--user", "--mount", "--net"])
    return any(subprocess.run([tool, *way, "true"], capture_output=True).returncode == 0 for way in ways)


def test_isolated_programs_need_no_variable(wrapper, cast):
    """Proxy, CA variables and preload are taken away again: names and trust come from the network and mounts alone."""
    without = ["env"]
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_OPTIONS"):
        without += ["-u", name]
    system = "/etc/ssl/certs/ca-certificates.crt"
    line = [*without, f"REQUESTS_CA_BUNDLE={system}", *msal_line(cast)]
    done = wrapper.run("--isolate", "--seed", str(cast.seed), "--", *line)
    if not isolation_is_allowed():
        assert done.returncode == 2 and "--isolate: namespaces" in done.stderr and "without --isolate" in done.stderr
        return
    is_ours(succeeded(done)["claims"])
    found = node_found_everything(wrapper.run("--isolate", "--seed", str(cast.seed), "--", *without, *node_line(cast)))
    for closed in [found["other"], found["otherPort"], *found["rawOther"]]:
        assert "connected" not in closed and "answered" not in closed, found
    # Outside, nothing has changed.
    assert "login.microsoftonline.com" not in Path("/etc/hosts").read_text()
    done = wrapper.run("--isolate", "--", "sh", "-c", "curl -sS --max-time 5 https://elsewhere.example/ || curl -sS --max-time 5 https://192.0.2.1/")
    assert done.returncode in (6, 7), (done.returncode, done.stderr)


def test_isolation_where_it_is_forbidden(wrapper):
    """A system that lets nobody make a network (here: a user namespace with that limit) is said so; nothing is started."""
    limit = "echo 0 > /proc/sys/user/max_net_namespaces && "
    forbidding = ["unshare", "--map-root-user", "sh", "-c"]
    if subprocess.run([*forbidding, f"{limit} ! unshare --net true"], capture_output=True).returncode != 0:
        # Then user namespaces themselves are forbidden, and the test above has seen what is said.
        assert subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode != 0
        return
    line = wrapper.line("--isolate", "--", "sh", "-c", "echo started")
    done = subprocess.run(
        [*forbidding, f'{limit} exec "$@"', "sh", *line], env=wrapper.environment(), capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, ""), (done.returncode, done.stdout, done.stderr)
    assert "--isolate: namespaces" in done.stderr and "without --isolate a proxy is used instead" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else to try it without rights")
def test_isolation_without_root(cast):
    tool = shutil.which("setpriv")
    assert tool, "util-linux's setpriv is part of every Debian"
    with_own_folder = Path("/tmp") / f"countersign-e2e-nobody-{os.getpid()}"
    with_own_folder.mkdir()
    os.chown(with_own_folder, 65534, 65534)
    program = with_own_folder / "countersign"
    try:
        from harness.service import binary

        shutil.copy(binary(), program)
        wrapper = Wrapper(with_own_folder)
        ask = "id -u; curl -sS --fail --max-time 10 https://login.microsoftonline.com/common/discovery/v2.0/keys"
        line = [tool, "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", str(program), "run"]
        done = subprocess.run(
            [*line, "--isolate", "--", "sh", "-c", ask],
            env=wrapper.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
        )
        allowed = subprocess.run(
            [tool, "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "--mount", "--net", "true"],
            capture_output=True,
        )
        if allowed.returncode != 0:
            assert done.returncode == 2 and "--isolate: namespaces" in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            first, rest = done.stdout.split("\n", 1)
            assert first == "65534" and json.loads(rest)["keys"]
        program.unlink()
        wrapper.assert_nothing_left()
    finally:
        shutil.rmtree(with_own_folder)
