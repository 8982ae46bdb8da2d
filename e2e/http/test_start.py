"""Starts that must not succeed: each ends within 10 s, with a status other than 0, one message that names the key and the cause, no panic."""

import json
import os
import socket
import subprocess
import time

import pytest

from harness import story
from harness.answers import INSIDE
from harness.service import Service, binary, clean_environment


def start(folder, *arguments, environment=None, defaults=True):
    """Runs `serve` to its end; it must end by itself."""
    command = [str(binary()), "serve"]
    if defaults:
        command += ["--listen", "127.0.0.1:0", "--data", str(folder / "data")]
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        cwd=folder,
        env=clean_environment(**(environment or {})),
        stdin=subprocess.DEVNULL,
    )


def ended(done, *words, status=None):
    assert done.returncode not in (0, None) and done.returncode > 0, (done.returncode, done.stderr)
    assert done.returncode != 101 and "panicked" not in done.stderr and "RUST_BACKTRACE" not in done.stderr, done.stderr
    if status is not None:
        assert done.returncode == status, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, f"{word!r} is missing in:\n{done.stderr}"
    assert done.stdout == "", "all but data goes to stderr"
    return done.stderr


@pytest.mark.parametrize("key,value,accepted", [("mode", "staging", "production"), ("profile", "lenient", "strict"), ("tls", "sometimes", "auto")])
@pytest.mark.parametrize("source", ["flag", "environment", "file"])
def test_invalid_values_name_key_origin_and_what_is_accepted(tmp_path, key, value, accepted, source):
    if source == "flag":
        ended(start(tmp_path, f"--{key}", value), f"--{key}", value, accepted, status=3)
    elif source == "environment":
        name = f"COUNTERSIGN_{key.upper()}"
        ended(start(tmp_path, environment={name: value}), name, value, accepted)
    else:
        (tmp_path / "countersign.toml").write_text(f'# settings\n{key} = "{value}"\n')
        ended(start(tmp_path), "countersign.toml", key, value, accepted)
    assert not (tmp_path / "data").exists() or not os.listdir(tmp_path / "data"), "a start that failed left files"


def test_unknown_key_in_the_file(tmp_path):
    (tmp_path / "countersign.toml").write_text('lissten = "127.0.0.1:1"\n')
    ended(start(tmp_path), "countersign.toml", "lissten")


def test_file_that_is_no_toml(tmp_path):
    (tmp_path / "other.toml").write_text("mode = = 5\n")
    ended(start(tmp_path, "--config", str(tmp_path / "other.toml")), "other.toml")
    ended(start(tmp_path, "--config", str(tmp_path / "none.toml")), "none.toml")


def test_unknown_variable_only_warns(tmp_path, cast):
    process = subprocess.Popen(
        Service(folder=tmp_path, seed=cast.seed).command(),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
        env=clean_environment(COUNTERSIGN_LISSTEN="x"),
    )
    end = time.monotonic() + 15
    while not (tmp_path / "ready.json").exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.terminate()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0 and (tmp_path / "ready.json").exists(), errors
    assert "COUNTERSIGN_LISSTEN" in errors


def test_unknown_flag_is_usage(tmp_path):
    ended(start(tmp_path, "--lissten", "x"), "--lissten", status=3)


def test_port_in_use(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended(start(tmp_path, "--listen", address, "--data", str(tmp_path / "data"), defaults=False), address)


@pytest.mark.parametrize("value", ["here", "127.0.0.1", "127.0.0.1:99999", ":", ""])
def test_listen_addresses_that_are_none(tmp_path, value):
    ended(start(tmp_path, "--listen", value, "--data", str(tmp_path / "data"), defaults=False), "listen")


def test_data_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("I am a file")
    ended(start(tmp_path), str(tmp_path / "data"))
    assert (tmp_path / "data").read_text() == "I am a file"


def test_damaged_store(tmp_path, cast):
    service = Service(folder=tmp_path, seed=cast.seed).start()
    assert service.stop() == 0
    stores = [path for path in service.data.rglob("*") if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
    assert len(stores) == 1
    stores[0].write_bytes(b"this is no database " * 500)
    message = ended(start(tmp_path), stores[0].name)
    assert stores[0].read_bytes().startswith(b"this is no database"), "a damaged store is evidence: it must not be overwritten"
    assert "SELECT" not in message


def test_damaged_key_file(tmp_path, cast):
    """The file that the signing keys are encrypted under: without it they are lost, and saying so beats making others."""
    service = Service(folder=tmp_path, seed=cast.seed).start()
    assert service.stop() == 0
    hidden = [path for path in service.data.rglob("*") if path.is_file() and "key" in path.name.lower() and path.suffix not in (".pem", ".crt")]
    assert hidden, sorted(path.name for path in service.data.rglob("*"))
    for path in hidden:
        path.write_bytes(b"\x00")
    ended(start(tmp_path), hidden[0].name)


def test_tls_off_beyond_loopback(tmp_path):
    ended(start(tmp_path, "--listen", "0.0.0.0:0", "--tls", "off", "--data", str(tmp_path / "data"), defaults=False), "tls", "loopback")


def test_tls_files_that_do_not_exist(tmp_path):
    ended(start(tmp_path, "--tls", f"{tmp_path}/none.pem,{tmp_path}/none.key"), "none.pem")


def test_tls_key_of_another_certificate(tmp_path, cast):
    ended(start(tmp_path, "--tls", f"{cast.sdk.certificate},{cast.sdk_stranger.key}"), cast.sdk_stranger.key.name)


def test_tls_certificate_where_the_key_belongs(tmp_path, cast):
    ended(start(tmp_path, "--tls", f"{cast.sdk.certificate},{cast.sdk.certificate}"), cast.sdk.certificate.name)


def test_public_url_that_is_none(tmp_path):
    for value in ("not a url", "ftp://a.example", "https://a.example/path?x=y", "https://"):
        ended(start(tmp_path, "--public-url", value), "public-url")


def test_behind_proxy_that_is_no_network(tmp_path):
    for value in ("10.0.0.0/99", "everywhere", ""):
        ended(start(tmp_path, "--behind-proxy", value), "behind-proxy")


def test_database_of_an_unknown_kind(tmp_path):
    ended(start(tmp_path, "--database", "mysql://localhost/x"), "mysql", "sqlite")


def test_admin_token_file(tmp_path):
    ended(start(tmp_path, "--admin-token-file", str(tmp_path / "none")), "none")
    for text in ("", "short", "two words here 0123456789abcdef"):
        (tmp_path / "token").write_text(text)
        message = ended(start(tmp_path, "--admin-token-file", str(tmp_path / "token")), "token")
        assert not text.strip() or text not in message


def seed(tmp_path, text, name="seed.yaml"):
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


GOOD = f"tenants:\n  - tenantId: {story.TENANT}\n    displayName: Contoso\n"


@pytest.mark.parametrize(
    "text,words",
    [
        ("", ("seed.yaml",)),
        ("tenants: [", ("seed.yaml", "line")),
        (GOOD + "    colour: red\n", ("seed.yaml", "colour", "4")),
        ("tenants:\n  - tenantId: not-a-guid\n", ("seed.yaml", "not-a-guid", "2")),
        ("tenants:\n  - displayName: Nameless\n", ("seed.yaml", "tenantId")),
        (GOOD + "    applications:\n      - appId: nope\n", ("seed.yaml", "nope", "5")),
        (GOOD + f"    applications:\n      - appId: {story.DAEMON}\n        certificateFiles: [missing.pem]\n", ("seed.yaml", "missing.pem", "6")),
        (GOOD + f"    applications:\n      - appId: {story.DAEMON}\n        certificateFiles: [seed.yaml]\n", ("seed.yaml", "certificate")),
        (GOOD + f"    applications:\n      - appId: {story.DAEMON}\n        keyCredentials:\n          - key: '!!!'\n", ("seed.yaml", "key", "7")),
        (GOOD + f"    applications:\n      - appId: {story.DAEMON}\n      - appId: {story.DAEMON}\n", ("seed.yaml", story.DAEMON)),
        (GOOD + GOOD.split("\n", 1)[1], ("seed.yaml", story.TENANT)),
    ],
    ids=range(11),
)
def test_seed_faults_name_file_line_and_member(tmp_path, text, words):
    done = start(tmp_path, "--seed", seed(tmp_path, text))
    message = ended(done, *words)
    assert not INSIDE.search(message), message


def test_seed_that_does_not_exist(tmp_path):
    ended(start(tmp_path, "--seed", str(tmp_path / "none.yaml")), "none.yaml")


def test_seed_fault_writes_nothing(tmp_path, cast):
    """One wrong application behind a right one: neither is there afterwards."""
    good = json.loads(cast.seed.read_text())
    wrong = json.loads(cast.seed.read_text())
    wrong["tenants"][1]["applications"].append({"appId": "nope"})
    path = cast.seed.with_name("seed-with-fault.json")
    path.write_text(json.dumps(wrong, indent=2))
    service = Service(folder=tmp_path, seed=path)
    with pytest.raises(RuntimeError, match="nope"):
        service.start()
    service.seed = None
    service.arguments = ()
    good["tenants"] = [{"tenantId": story.OTHER_TENANT, "displayName": "Only me", "domains": []}]
    only = tmp_path / "only.json"
    only.write_text(json.dumps(good))
    service.seed = only
    service.start()
    try:
        assert service.ready["tenant"] == story.OTHER_TENANT
        assert service.get(f"/{story.TENANT}/v2.0/.well-known/openid-configuration").status_code >= 400
    finally:
        assert service.stop() == 0


def test_private_key_in_certificate_files_is_refused_and_not_shown(tmp_path, cast):
    text = GOOD + f"    applications:\n      - appId: {story.DAEMON}\n        certificateFiles: ['{cast.sdk.key}']\n"
    message = ended(start(tmp_path, "--seed", seed(tmp_path, text)), "seed.yaml", cast.sdk.key.name)
    assert "BEGIN" not in message
    assert cast.sdk.key_text.splitlines()[3] not in message


def test_deleted_stays_deleted_and_changed_stays_changed(own_service):
    from harness.graph import Graph

    own_service.start()
    graph = Graph(own_service)

    def object_id(client):
        (found,) = graph.call("GET", "/applications", params={"$filter": f"appId eq '{client}'"}).json()["value"]
        return found["id"]

    assert graph.delete(object_id(story.NEIGHBOUR)).status_code == 204
    assert graph.patch(object_id(story.DAEMON), displayName="Renamed").status_code in (200, 204)
    assert own_service.stop() == 0
    own_service.start()
    graph = Graph(own_service)
    assert graph.call("GET", "/applications", params={"$filter": f"appId eq '{story.NEIGHBOUR}'"}).json()["value"] == []
    assert graph.read(object_id(story.DAEMON))["displayName"] == "Renamed"


def test_help_and_version():
    for arguments in (["--help"], ["--version"], ["serve", "--help"]):
        done = subprocess.run([str(binary()), *arguments], capture_output=True, text=True, timeout=10, env=clean_environment())
        assert done.returncode == 0 and done.stdout and not done.stderr
    done = subprocess.run([str(binary()), "no-such-verb"], capture_output=True, text=True, timeout=10, env=clean_environment())
    assert done.returncode == 3, done.stderr
