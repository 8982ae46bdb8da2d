"""Drives a program that carries its client with it: `azmcp` (Azure.Identity for .NET) or `azcopy` (MSAL Go).

The first argument says which. Each order is one run of the program, so nothing is kept from one to the next.
"""

import json
import os
import subprocess
import sys
import tempfile

from loop import FOLDER, loop

WHICH, PROGRAM = sys.argv[1:3]


def run(arguments, **variables):
    home = tempfile.mkdtemp(prefix=f"{WHICH}-", dir=FOLDER)
    environment = os.environ | {"HOME": home, "AZCOPY_LOG_LOCATION": home, "AZCOPY_JOB_PLAN_LOCATION": home} | variables
    done = subprocess.run([PROGRAM, *arguments], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=150)
    return done.returncode, done.stdout + done.stderr


def azmcp(order):
    variables = {"AZURE_TENANT_ID": order["tenant"], "AZURE_CLIENT_ID": order["client"], "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"}
    if order["credential"] == "secret":
        variables["AZURE_CLIENT_SECRET"] = order["secret"]
    elif order["credential"] == "federated":
        variables |= {"AZURE_FEDERATED_TOKEN_FILE": order["federated"], "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"}
    else:
        variables["AZURE_CLIENT_CERTIFICATE_PATH"] = order["both"]
        if order["credential"] == "chain":
            variables["AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"] = "true"
    _status, said = run(["subscription", "list"], **variables)
    try:
        listed = json.loads(said[said.index("\n{") if "\n{" in said else said.index("{"):])["results"]["subscriptions"]
    except (ValueError, KeyError, TypeError):
        # The reason stands in its log, between traces.
        raise RuntimeError("\n".join(line for line in said.splitlines() if not line.lstrip().startswith("at "))) from None
    return f"{len(listed)} subscriptions"


def azcopy(order):
    if order["credential"] == "secret":
        variables = {"AZCOPY_SPA_CLIENT_SECRET": order["secret"]}
        more = []
    else:
        variables, more = {}, ["--certificate-path", order["both"]]
    status, said = run(
        ["login", "--login-type=spn", "--application-id", order["client"], "--tenant-id", order["tenant"], *more], **variables
    )
    if status != 0:
        raise RuntimeError(said)
    return "logged in"


loop(lambda order: order, lambda _made, order: {"azmcp": azmcp, "azcopy": azcopy}[WHICH](order))
