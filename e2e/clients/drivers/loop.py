"""The loop of every driver in Python: one order per line on stdin, one answer per line on stdout.

An order is an object: `credential` (sha1, sha256, chain, secret, federated), `key` and `certificate` (who signs with what),
`tenant`, `client`, `scope`, and `same` to use the object of the order before. The answer is `{"token"}` or `{"error"}`.
`E2E_AUTHORITY` names the authority to be told of; it is empty under `run`, where drivers use their clients' own defaults.
"""

import json
import os
import sys
import traceback

AUTHORITY = os.environ.get("E2E_AUTHORITY", "")
FOLDER = os.environ.get("E2E_FOLDER", ".")


def texts(error):
    """All texts of an exception and of what caused it."""
    found = []
    while error is not None and len(found) < 8:
        found.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(found)


def loop(make, use):
    """`make(order)` gives the client object, `use(made, order)` a token; whatever is raised is the answer's error."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a client prints must not be taken for an answer
    made = None
    print(json.dumps({"ready": True}), file=out)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if not (order.get("same") and made is not None):
                made = make(order)
            answer = {"token": use(made, order)}
        except BaseException as error:  # noqa: BLE001  SystemExit of a client is an answer too
            traceback.print_exc()
            answer = {"error": texts(error)}
        print(json.dumps(answer), file=out)


def text(path):
    with open(path, encoding="ascii") as file:
        return file.read()
