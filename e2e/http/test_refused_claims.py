"""Assertions with a right signature over wrong claims. Names follow the published list: `claims/nbf-string-ahead` and so on."""

import json
import time

import pytest

from harness import jws, story
from harness.answers import granted, refused

TENANT, DAEMON = story.TENANT, story.DAEMON


def send(service, cast, claims, head=None, **form):
    assertion = jws.compact(head or jws.header(cast.daemon), claims, cast.daemon.key)
    return service.token(jws.form(DAEMON, assertion, **form))


def changed(service, **changes):
    return jws.claims(service.token_url(), DAEMON, **changes)


@pytest.mark.parametrize("kind", [int, str, float])
def test_nbf_string_ahead(service, cast, kind):
    tomorrow = int(time.time()) + 86_400
    claims = changed(service, nbf=kind(tomorrow), exp=tomorrow + 600)
    refused(send(service, cast, claims), 700024, error="invalid_client")


@pytest.mark.parametrize("kind", [int, str, float])
def test_expired(service, cast, kind):
    claims = changed(service, nbf=int(time.time()) - 7200, iat=int(time.time()) - 7200, exp=kind(int(time.time()) - 3600))
    refused(send(service, cast, claims), 700024, error="invalid_client")


NO_TIMES = [True, [], {}, "soon", "", "1e400", "0x7fffffff", "NaN", " 4102444800 "]


@pytest.mark.parametrize(
    "name,value",
    # As `nbf` a huge number is a time that never comes, as `exp` a negative one has long passed.
    [*(("nbf", value) for value in [*NO_TIMES, 10**30, "9" * 40]), *(("exp", value) for value in [*NO_TIMES, -1])],
    ids=repr,
)
def test_times_that_are_no_times_are_not_taken_as_absent(service, cast, name, value):
    refused(send(service, cast, changed(service, **{name: value})))


@pytest.mark.parametrize("name", ["nbf", "exp"])
def test_null_time(service, cast, name):
    text = json.dumps(changed(service) | {name: None})
    answer = send(service, cast, text)
    if name == "exp":
        refused(answer)
    else:
        assert answer.status_code in (200, 400, 401)


def test_no_exp(service, cast):
    refused(send(service, cast, changed(service, exp=None)), 90014, 700024)


def test_exp_in_milliseconds_does_not_last_for_ever(service, cast):
    now = int(time.time())
    answer = send(service, cast, changed(service, exp=(now + 600) * 1000))
    # No limit of Entra's is on record; whatever is answered must be well formed.
    if answer.status_code == 200:
        granted(service, answer, DAEMON, TENANT)
    else:
        refused(answer)


def other(service, which):
    return {
        "evil": "https://evil.example/token",
        "entra": f"https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token",
        "common": service.token_url("common"),
        "prefix": service.token_url() + ".evil.example",
        "user info": service.token_url().replace("https://", "https://evil.example@"),
        "port": service.token_url().replace(service.host, "127.0.0.1:1"),
        "http": service.token_url().replace("https:", "http:"),
        "query": service.token_url() + "?a=b",
        "fragment": service.token_url() + "#a",
        "host only": service.url,
        "client": DAEMON,
        "empty": "",
    }[which]


@pytest.mark.parametrize("which", ["evil", "entra", "common", "prefix", "user info", "port", "http", "query", "fragment", "host only", "client", "empty"])
def test_audiences_of_others(service, cast, which):
    refused(send(service, cast, changed(service, aud=other(service, which))), 700023, 90014, error=None)


@pytest.mark.parametrize("order", ["ours first", "ours last", "twice ours"])
def test_aud_injection(service, cast, order):
    ours, theirs = service.token_url(), "https://other-server.example/token"
    audience = {"ours first": [ours, theirs], "ours last": [theirs, ours], "twice ours": [ours, ours]}[order]
    refused(send(service, cast, changed(service, aud=audience)), 5002741)


@pytest.mark.parametrize("value", [7, True, {}, [], [[]], [7], {"a": "b"}], ids=repr)
def test_aud_of_another_type(service, cast, value):
    refused(send(service, cast, changed(service, aud=value)))


def test_aud_missing(service, cast):
    refused(send(service, cast, changed(service, aud=None)), 90014)


@pytest.mark.parametrize("written", ["token endpoint", "issuer", "domain"])
def test_aud_other_tenant(service, cast, written):
    audience = {
        "token endpoint": service.token_url(story.OTHER_TENANT),
        "issuer": service.issuer(story.OTHER_TENANT),
        "domain": service.token_url(story.OTHER_TENANT_DOMAIN),
    }[written]
    refused(send(service, cast, changed(service, aud=audience)), 700023, error="invalid_client")


@pytest.mark.parametrize("name", ["iss", "sub"])
@pytest.mark.parametrize("value", [None, "", story.NEIGHBOUR, story.UNKNOWN_CLIENT, DAEMON + " ", "https://login.microsoftonline.com", 5, [DAEMON]], ids=repr)
def test_iss_and_sub_are_this_client(service, cast, name, value):
    refused(send(service, cast, changed(service, **{name: value})))


def test_iss_missing(service, cast):
    refused(send(service, cast, changed(service, iss=None)), 90014)


def test_both_of_another_client(service, cast):
    refused(send(service, cast, changed(service, iss=story.NEIGHBOUR, sub=story.NEIGHBOUR)), 700021)


def test_access_token_as_assertion(service, cast):
    token = send(service, cast, changed(service)).json()["access_token"]
    refused(service.token(jws.form(DAEMON, token)))


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize("name,value", [("aud", '"https://evil.example"'), ("exp", "1"), ("iss", '"someone"'), ("sub", '"someone"'), ("x", "1")])
def test_member_twice(service, cast, where, name, value):
    claims = changed(service, x=1)
    text = json.dumps(claims)
    extra = f'"{name}":{value}'
    text = "{" + extra + "," + text[1:] if where == "first" else text[:-1] + "," + extra + "}"
    refused(send(service, cast, text), 50027)


@pytest.mark.parametrize("behind", ["x", "{}", "\0", "/* */", " ,"])
def test_anything_behind_the_claims(service, cast, behind):
    refused(send(service, cast, json.dumps(changed(service)) + behind), 50027)


@pytest.mark.parametrize("text", ["", "null", "[]", '"x"', "{", "{'aud':1}", "\ufeff{}"])
def test_claims_that_are_no_object(service, cast, text):
    refused(send(service, cast, text))


def test_claims_deep(service, cast):
    text = json.dumps(changed(service))[:-1] + ',"deep":' + "[" * 12_000 + "]" * 12_000 + "}"
    refused(send(service, cast, text))


def test_claims_not_utf8(service, cast):
    head = jws.b64u(json.dumps(jws.header(cast.daemon)).encode())
    body = jws.b64u(json.dumps(changed(service)).encode()[:-1] + b',"x":"\xff\xc0"}')
    signature = jws.b64u(jws.sign("PS256", cast.daemon.key, f"{head}.{body}".encode()))
    refused(service.token(jws.form(DAEMON, f"{head}.{body}.{signature}")), 50027)
