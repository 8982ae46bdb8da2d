"""Token requests whose parameters are wrong, doubled, misplaced, or name the wrong things."""

import base64

import pytest
import requests

from harness import jws, story
from harness.answers import granted, refused

TENANT, DAEMON = story.TENANT, story.DAEMON


@pytest.fixture
def right(service, cast):
    return jws.form(DAEMON, jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), DAEMON), cast.daemon.key))


@pytest.mark.parametrize("name", ["client_id", "client_assertion", "client_assertion_type", "scope", "grant_type"])
@pytest.mark.parametrize("second", ["same", "other", "empty"])
def test_dup_client_id(service, right, name, second):
    value = {"same": right[name], "other": "other", "empty": ""}[second]
    for pairs in ([*right.items(), (name, value)], [(name, value), *right.items()]):
        refused(service.token(pairs), error=None)


@pytest.mark.parametrize("name", ["client_id", "client_assertion", "client_assertion_type", "scope", "grant_type"])
def test_missing(service, right, name):
    del right[name]
    codes = {"client_id": 900144, "scope": 900144, "grant_type": 900144}.get(name)
    refused(service.token(right), *([codes] if codes else []))


@pytest.mark.parametrize("name", ["client_id", "client_assertion", "client_assertion_type", "scope", "grant_type"])
def test_empty(service, right, name):
    right[name] = ""
    refused(service.token(right))


def test_params_in_query(service, right):
    answer = requests.post(service.token_url(), params=right, verify=service.ca_file, timeout=10)
    refused(answer, status=None)
    answer = requests.post(
        service.token_url(), params={"client_assertion": right.pop("client_assertion")}, data=right, verify=service.ca_file, timeout=10
    )
    refused(answer)


def test_get_at_the_token_endpoint(service, right):
    answer = service.get(f"/{TENANT}/oauth2/v2.0/token", params=right)
    refused(answer, status=405)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods(service, right, method):
    answer = requests.request(method, service.token_url(), data=right, verify=service.ca_file, timeout=10)
    refused(answer, status=405)


def test_two_methods_wrong_secret(service, right):
    refused(service.token(right | {"client_secret": "wrong"}))


def test_two_methods_right_secret(service, right):
    refused(service.token(right | {"client_secret": story.SDK_SECRET}))


def test_assertion_and_basic(service, right):
    refused(service.token(right, auth=(DAEMON, story.SDK_SECRET)))


def test_wrong_secret(service, cast):
    form = {"grant_type": "client_credentials", "client_id": DAEMON, "scope": story.GRAPH_SCOPE}
    for secret in ("wrong", story.SDK_SECRET[:-1], story.SDK_SECRET + "x", story.SDK_SECRET.lower(), " " + story.SDK_SECRET, "x" * 3000):
        answer = service.token(form | {"client_secret": secret})
        refused(answer, 7000215, error="invalid_client")
        assert secret.strip() == "wrong" or secret not in answer.text


def test_no_credential(service):
    form = {"grant_type": "client_credentials", "client_id": DAEMON, "scope": story.GRAPH_SCOPE}
    refused(service.token(form), 7000216, error="invalid_client")


def test_secret_for_an_application_without_one(service):
    form = {"grant_type": "client_credentials", "client_id": story.NEIGHBOUR, "scope": story.GRAPH_SCOPE, "client_secret": "anything"}
    refused(service.token(form), 7000215)


@pytest.mark.parametrize("assertion_type", ["jwt-bearer", jws.ASSERTION_TYPE + " ", jws.ASSERTION_TYPE.upper(), "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
def test_assertion_type(service, right, assertion_type):
    refused(service.token(right | {"client_assertion_type": assertion_type}), 90011, 900144, 90023)


@pytest.mark.parametrize("grant", ["password", "authorization_code", "Client_Credentials", "client_credentials ", "urn:ietf:params:oauth:grant-type:jwt-bearer", "x"])
def test_grant_type(service, right, grant):
    refused(service.token(right | {"grant_type": grant}))


def test_unknown_grant_type(service, right):
    refused(service.token(right | {"grant_type": "x"}), 70003, error="unsupported_grant_type")


@pytest.mark.parametrize(
    "scope,codes",
    [
        ("https://graph.microsoft.com/User.Read", (1002012, 70011)),
        ("openid", (1002012, 70011)),
        ("https://nowhere.example/.default", (500011, 70011)),
        ("api://not-here/.default", (500011, 70011)),
        ("https://graph.microsoft.com/.default https://vault.azure.net/.default", (700022, 70011)),
        ("/.default", (70011, 1002012, 500011)),
        (".default", (70011, 1002012, 500011)),
    ],
)
def test_scope(service, right, scope, codes):
    refused(service.token(right | {"scope": scope}), *codes)


def test_unknown_client(service, cast):
    client = story.UNKNOWN_CLIENT
    assertion = jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), client), cast.daemon.key)
    refused(service.token(jws.form(client, assertion)), 700016, error="unauthorized_client")


def test_client_of_the_other_tenant(service, cast):
    client = story.FOREIGNER
    assertion = jws.compact(jws.header(cast.foreigner), jws.claims(service.token_url(), client), cast.foreigner.key)
    refused(service.token(jws.form(client, assertion)), 700016)
    home = service.token_url(story.OTHER_TENANT)
    assertion = jws.compact(jws.header(cast.foreigner), jws.claims(home, client), cast.foreigner.key)
    answer = service.token(jws.form(client, assertion), tenant=story.OTHER_TENANT)
    granted(service, answer, client, story.OTHER_TENANT)


def test_unknown_tenant(service, right):
    for tenant in (story.UNKNOWN_TENANT, "nowhere.example"):
        refused(service.token(right, tenant=tenant), 90002)


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers"])
def test_tenant_less_endpoints(service, right, tenant):
    refused(service.token(right, tenant=tenant), 50059, 50194, 90010, 9001023, 700016, 90002, 9002332, 700023)


@pytest.mark.parametrize("tenant", ["00000000-0000-0000-0000-000000000000", "not a domain!", "..", "a" * 300, "%00", "%2e%2e", "%ff", "'%20OR%201=1"])
def test_odd_tenants(service, right, tenant):
    answer = requests.post(f"{service.url}/{tenant}/oauth2/v2.0/token", data=right, verify=service.ca_file, timeout=10)
    assert 400 <= answer.status_code < 500, answer.text
    assert "access_token" not in answer.text


def test_basic_with_a_wrong_secret(service):
    form = {"grant_type": "client_credentials", "scope": story.GRAPH_SCOPE}
    for value in (f"{DAEMON}:wrong", f"{DAEMON}", ":", "", "\0:\0"):
        header = "Basic " + base64.b64encode(value.encode()).decode()
        refused(service.token(form, headers={"Authorization": header}))
    for header in ("Basic", "Basic !!!", "Basic " + "A" * 9000, "Bearer abc", "Negotiate x"):
        refused(service.token(form, headers={"Authorization": header}))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_content_type(service, right, content_type):
    answer = requests.post(service.token_url(), data="{}", headers={"Content-Type": content_type}, verify=service.ca_file, timeout=10)
    refused(answer)


def test_many_parameters(service, right):
    many = list(right.items()) + [(f"p{number}", "x") for number in range(5000)]
    answer = service.token(many)
    refused(answer)


@pytest.mark.parametrize("raw", [b"", b"&", b"=", b"&&&&", b"client_id", b"%", b"%zz=%", b"grant_type=%ff%fe", b"\xff\xfe\x00", b"{}", b"grant_type=client_credentials&client_id=%00"])
def test_bodies_that_are_no_forms(service, raw):
    answer = requests.post(
        service.token_url(), data=raw, headers={"Content-Type": "application/x-www-form-urlencoded"}, verify=service.ca_file, timeout=10
    )
    refused(answer)
