"""Drives `msal`."""

import msal
from loop import AUTHORITY, loop, text


def make(order):
    credential = {
        "sha1": lambda: {"private_key": text(order["key"]), "thumbprint": order["sha1"]},
        # With the certificate MSAL sends SHA-256; it then always adds the chain too.
        "sha256": lambda: {"private_key_pfx_path": order["pfx"], "passphrase": order["passphrase"]},
        "chain": lambda: {"private_key": text(order["key"]), "public_certificate": text(order["certificate"])},
        "secret": lambda: order["secret"],
        "federated": lambda: {"client_assertion": lambda: text(order["federated"])},
    }[order["credential"]]()
    more = {"instance_discovery": False} if AUTHORITY else {}
    base = AUTHORITY or "https://login.microsoftonline.com"
    return msal.ConfidentialClientApplication(order["client"], authority=f"{base}/{order['tenant']}", client_credential=credential, **more)


def use(application, order):
    result = application.acquire_token_for_client([order["scope"]])
    if "access_token" not in result:
        raise RuntimeError(str(result))
    return result["access_token"]


loop(make, use)
