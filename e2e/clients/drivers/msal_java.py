"""Requests as MSAL for Java 1.17 builds them; it is in no registry these tests install from.

As its source has it (JwtHelper.java, ClientCertificate.java, OAuthHttpRequest.java): RS256 with `x5t#S256` in padded standard
base64, or `x5t` for SHA-1; no `typ`; `x5c` as an array; `nbf` and `exp` but no `iat`; scope `openid profile offline_access`
around the resource's; `client_info=1`; headers of the JDK. Under a host that it trusts it first asks that host for its aliases
(AadInstanceDiscoveryProvider.java); otherwise `instanceDiscovery(false)` is what its user sets, and it asks nothing before.
"""

import base64
import hashlib
import json
import os
import ssl
import time
import urllib.parse
import urllib.request
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from loop import AUTHORITY, loop, text

HEADERS = {
    "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
    "Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
    "x-client-SKU": "MSAL.Java",
    "x-client-VER": "1.17.2",
    "x-client-OS": "Linux",
    "x-client-CPU": "amd64",
    "User-Agent": "Java/17.0.12",
    "return-client-request-id": "true",
    "x-ms-lib-capability": "retry-after, h429",
}


def segment(value):
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=")


def assertion(order, endpoint):
    if order["credential"] == "federated":
        return text(order["federated"])
    key = serialization.load_pem_private_key(text(order["key"]).encode(), None)
    der = x509.load_pem_x509_certificate(text(order["certificate"]).encode()).public_bytes(serialization.Encoding.DER)
    header = {"alg": "RS256"}
    if order["credential"] == "sha1":
        header["x5t"] = base64.b64encode(hashlib.sha1(der).digest()).decode()
    else:
        header["x5t#S256"] = base64.b64encode(hashlib.sha256(der).digest()).decode()
    if order["credential"] == "chain":
        header["x5c"] = [base64.b64encode(der).decode()]
    now = int(time.time())
    claims = {"aud": endpoint, "iss": order["client"], "jti": str(uuid.uuid4()), "nbf": now, "exp": now + 600, "sub": order["client"]}
    signing_input = segment(header) + b"." + segment(claims)
    signature = base64.urlsafe_b64encode(key.sign(signing_input, padding.PKCS1v15(), hashes.SHA256())).rstrip(b"=")
    return (signing_input + b"." + signature).decode()


def send(url, headers, body=None):
    context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), context=context, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from None


def discover(host, tenant):
    query = f"api-version=1.1&authorization_endpoint=https://{host}/{tenant}/oauth2/v2.0/authorize"
    headers = {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    found = send(f"https://{host}/common/discovery/instance?{query}", headers)
    if not any(host in entry["aliases"] for entry in found["metadata"]):
        raise RuntimeError(f"{host} is among no aliases: {found}")


def use(_made, order):
    if not AUTHORITY:
        discover("login.microsoftonline.com", order["tenant"])
    endpoint = f"{AUTHORITY or 'https://login.microsoftonline.com'}/{order['tenant']}/oauth2/v2.0/token"
    form = {"client_id": order["client"], "client_info": "1", "grant_type": "client_credentials"}
    form["scope"] = f"openid profile offline_access {order['scope']}"
    if order["credential"] == "secret":
        form["client_secret"] = order["secret"]
    else:
        form["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form["client_assertion"] = assertion(order, endpoint)
    headers = HEADERS | {"client-request-id": str(uuid.uuid4())}
    return send(endpoint, headers, urllib.parse.urlencode(form).encode())["access_token"]


loop(lambda order: order, use)
