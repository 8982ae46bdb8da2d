"""`az`, unmodified: a cloud of its own, a sign-in with a certificate, and applications as people manage them with it.

What the commands did is read back from the service, not from az.
"""

import base64
import json
import os
import subprocess

import pytest

from harness import keys, story
from harness.graph import Graph
from harness.service import binary, clean_environment


class Az:
    """One configuration folder."""

    def __init__(self, service, folder):
        self.environment = clean_environment(
            AZURE_CONFIG_DIR=str(folder),
            HOME=str(folder),
            REQUESTS_CA_BUNDLE=service.ca_file,
            AZURE_CORE_COLLECT_TELEMETRY="no",
            # Else az asks login.microsoftonline.com whether the authority is genuine.
            AZURE_CORE_INSTANCE_DISCOVERY="false",
        )

    def __call__(self, *arguments):
        done = subprocess.run(
            [os.environ["E2E_AZ"], *arguments, "--output", "json"],
            env=self.environment,
            cwd=self.environment["HOME"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=110,
        )
        assert done.returncode == 0, f"az {' '.join(arguments[:4])} ended with {done.returncode}: {done.stderr[-3000:]}"
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture(scope="module")
def az(service, cast, tmp_path_factory):
    az = Az(service, tmp_path_factory.mktemp("az"))
    az(
        *("cloud", "register", "--name", "local", "--endpoint-active-directory", service.url),
        *("--endpoint-active-directory-resource-id", "https://management.azure.com/"),
        *("--endpoint-microsoft-graph-resource-id", service.url, "--endpoint-resource-manager", service.url),
    )
    az("cloud", "set", "--name", "local")
    listed = az(
        *("login", "--service-principal", "--username", story.ADMINISTRATOR),
        *("--certificate", str(cast.sdk.both), "--tenant", story.TENANT),
    )
    assert [each["tenantId"] for each in listed] == [story.TENANT]
    return az


@pytest.fixture
def application(service):
    """An application with one certificate and one secret, gone after the test."""
    graph = Graph(service)
    made = graph.create("Managed by az", keys.new_identity("before"))
    assert graph.call("POST", f"/applications/{made['id']}/addPassword", json={"passwordCredential": {"displayName": "before"}}).status_code == 200
    yield made
    assert graph.delete(made["id"]).status_code == 204


def registered(service, application):
    """What is registered: names of certificates, `keyId` of certificates, of secrets."""
    answer = Graph(service).call("GET", f"/applications/{application['id']}").json()
    names = [each["displayName"] for each in answer["keyCredentials"]]
    return names, [each["keyId"] for each in answer["keyCredentials"]], [each["keyId"] for each in answer["passwordCredentials"]]


def signs_in(service, application, secret):
    form = {"grant_type": "client_credentials", "client_id": application["appId"], "client_secret": secret, "scope": story.GRAPH_SCOPE}
    return service.token(form).status_code == 200


def test_access_token(az, service):
    token = az("account", "get-access-token")
    assert token["tenant"] == story.TENANT and token["tokenType"] == "Bearer"


def test_list_and_show(az, application):
    assert application["appId"] in [each["appId"] for each in az("ad", "app", "list", "--all")]
    found = az("ad", "app", "list", "--display-name", "Managed by")
    assert [each["id"] for each in found] == [application["id"]]
    for name in (application["appId"], application["id"]):
        assert az("ad", "app", "show", "--id", name)["displayName"] == "Managed by az"


def test_credential_list(az, service, application):
    _, certificates, secrets = registered(service, application)
    assert [each["keyId"] for each in az("ad", "app", "credential", "list", "--id", application["appId"])] == secrets
    listed = az("ad", "app", "credential", "list", "--id", application["appId"], "--cert")
    assert [each["keyId"] for each in listed] == certificates
    # az prints what Graph gives: without the key, with the thumbprint.
    assert listed[0]["key"] is None and listed[0]["customKeyIdentifier"]


def test_reset_append_adds(az, service, application):
    _, certificates, secrets = registered(service, application)
    made = az("ad", "app", "credential", "reset", "--id", application["appId"], "--append")
    _, certificates_after, secrets_after = registered(service, application)
    assert certificates_after == certificates and set(secrets_after) > set(secrets) and len(secrets_after) == 2
    assert signs_in(service, application, made["password"])


def test_reset_append_with_a_certificate_adds(az, service, application, cast):
    _, certificates, secrets = registered(service, application)
    az("ad", "app", "credential", "reset", "--id", application["appId"], "--append", "--cert", cast.sdk.certificate_text)
    names, certificates_after, secrets_after = registered(service, application)
    # az sends the certificates that it read, without their keys, together with the added one.
    assert secrets_after == secrets and set(certificates_after) > set(certificates) and len(certificates_after) == 2
    assert "CN=sdk" in names


def test_plain_reset_replaces_the_secrets(az, service, application):
    """As az itself does it: a plain reset removes all secrets and leaves certificates."""
    _, certificates, secrets = registered(service, application)
    made = az("ad", "app", "credential", "reset", "--id", application["appId"])
    _, certificates_after, secrets_after = registered(service, application)
    assert certificates_after == certificates
    assert len(secrets_after) == 1 and not set(secrets_after) & set(secrets)
    assert signs_in(service, application, made["password"])


def test_plain_reset_with_a_certificate_replaces_all(az, service, application, cast):
    _, certificates, _ = registered(service, application)
    az("ad", "app", "credential", "reset", "--id", application["appId"], "--cert", cast.sdk.certificate_text)
    names, certificates_after, secrets_after = registered(service, application)
    assert names == ["CN=sdk"] and not set(certificates_after) & set(certificates) and secrets_after == []


def countersign(service, *arguments):
    """`countersign credential …` as an operator runs it beside az, with the service's admin token."""
    done = subprocess.run(
        [str(binary()), "credential", *arguments, "--ready-file", str(service.folder / "ready.json")],
        env=clean_environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 0, f"credential {' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout) if "json" in arguments else done.stdout.strip()


def test_each_sees_what_the_other_made(az, service, application, cast, tmp_path):
    """`credential add` and `az ad app credential`: lists, additions and removals of one show in the other, and lose nothing."""
    app = application["appId"]
    (tmp_path / "added.pem").write_text(keys.new_identity("added by countersign").certificate_pem.decode())
    added = countersign(service, "add", app, "--certificate", str(tmp_path / "added.pem"), "--format", "json")
    secret = countersign(service, "add", app, "--secret", "--name", "countersign", "--format", "json")
    listed = {each["keyId"]: each for each in az("ad", "app", "credential", "list", "--id", app, "--cert")}
    assert len(listed) == 2 and listed[added["keyId"]]["displayName"] == "added by countersign"
    assert listed[added["keyId"]]["endDateTime"] == added["endDateTime"]
    assert added["thumbprint"] in thumbprints(listed[added["keyId"]])
    assert secret["keyId"] in [each["keyId"] for each in az("ad", "app", "credential", "list", "--id", app)]

    before = {each["keyId"] for each in countersign(service, "list", app, "--format", "json")}
    az("ad", "app", "credential", "reset", "--id", app, "--append", "--cert", cast.sdk.certificate_text)
    made = az("ad", "app", "credential", "reset", "--id", app, "--append", "--display-name", "by az")
    now = {each["keyId"]: each for each in countersign(service, "list", app, "--format", "json")}
    fresh = [now[key_id] for key_id in set(now) - before]
    assert set(now) > before and sorted(each["kind"] for each in fresh) == ["certificate", "secret"]
    by_az = next(each for each in fresh if each["kind"] == "certificate")
    assert by_az["displayName"] == "CN=sdk" and by_az["usable"]
    assert next(each for each in fresh if each["kind"] == "secret")["displayName"] == "by az"
    assert signs_in(service, application, made["password"]) and signs_in(service, application, secret["secretText"])

    # What az removes is gone here, and what is removed here is gone there.
    az("ad", "app", "credential", "delete", "--id", app, "--cert", "--key-id", added["keyId"])
    countersign(service, "remove", app, by_az["keyId"])
    left = [each["keyId"] for each in countersign(service, "list", app, "--format", "json") if each["kind"] == "certificate"]
    assert left == [each["keyId"] for each in az("ad", "app", "credential", "list", "--id", app, "--cert")]
    assert len(left) == 1 and added["keyId"] not in left and by_az["keyId"] not in left


def thumbprints(entry):
    """The certificate's SHA-1 in hex, however `customKeyIdentifier` spells it: az shows hex where Graph has base64."""
    text = entry["customKeyIdentifier"]
    return text.upper(), base64.b64decode(text).hex().upper()
