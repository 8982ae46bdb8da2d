"""Which clients are tried, how each is driven, and what it cannot do and why. The matrix itself is made by the test.

A reason stands where a cell is not tried because the client has no way to do it; every other cell is tried and must pass.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

CELLS = [
    "certificate SHA-1",
    "certificate SHA-256",
    "with chain",
    "secret",
    "federated",
    "wrong key",
    "unregistered",
    "expired",
    "wrong tenant",
    "bad scope",
    "cached second call",
    "429 with Retry-After honoured",
    "503 retried",
]
MODES = ["direct", "through run"]

# Programs from npm that carry a client with them.
AZMCP = "@azure/mcp-linux-x64/dist/azmcp"
AZCOPY = "@azure-tools/azcopy-linux/dist/bin/azcopy_linux_amd64"

ONLY_SHA1 = "sends SHA-1 only"
ONLY_SHA256 = "sends SHA-256 only"
NO_CHAIN = "no such option"
NO_RETRY = "does not retry; the caller may"
REFUSES_PAIR = "refuses a pair that does not match before it asks"
ASKS_MICROSOFT = "asks login.microsoftonline.com whether the authority is genuine, without an option not to"
KEEPS_NOTHING = "keeps no token between two runs"


@dataclass(frozen=True)
class Client:
    """One row."""

    name: str
    command: tuple[str, ...]
    version: str
    own: str  # which certificate credential it uses when nothing else is asked for
    lacks: dict = field(default_factory=dict)  # cell → why it is not tried
    lacks_direct: str = ""  # why nothing is tried without `run`
    note: str = ""  # what its user has to know
    lanes: int = 1  # how many share its cells: more for whoever starts a slow program for each
    patience: str = "retries"  # after a 429: `retries` by itself, or `remembers`: refuses the caller until the time is over


def _python(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(HERE / "drivers" / name), *arguments)


def _installed(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _modules() -> Path:
    return Path(os.environ["NODE_MODULES_FOLDER"]) / "node_modules"


def programs() -> Path:
    """Where the programs from npm are installed."""
    return Path(os.environ["E2E_PROGRAMS_FOLDER"]) / "node_modules"


def _npm(package: str, folder=_modules) -> str:
    return json.loads((folder() / package / "package.json").read_text())["version"]


def _node(package: str) -> tuple[str, ...]:
    return (os.environ.get("NODE", "node"), str(HERE / "drivers" / "node.mjs"), package)


def program(path: str) -> str:
    """A program that npm installed; npm keeps no mode for what is not listed under `bin`."""
    found = programs() / path
    if not os.access(found, os.X_OK):
        found.chmod(0o755)
    return str(found)


def _binary(name: str, path: str) -> tuple[str, ...]:
    return _python("binary.py", name, program(path))


def _az_version() -> str:
    (found,) = Path(os.environ["E2E_AZ"]).parents[1].glob("lib/python3*/site-packages/azure_cli-*.dist-info")
    return found.name.removeprefix("azure_cli-").removesuffix(".dist-info")


def _crate_version(name: str) -> str:
    lock = (HERE / "rust" / "Cargo.lock").read_text()
    return re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock)[1]


def clients() -> list[Client]:
    """All rows; asks each installed package for its version."""
    return [
        Client(
            "msal (Python)",
            _python("msal_python.py"),
            _installed("msal"),
            "sha1",
            {"503 retried": NO_RETRY},
            patience="remembers",
        ),
        Client(
            "azure-identity (Python)", _python("azure_identity.py", "sync"), _installed("azure-identity"), "sha1", {"certificate SHA-256": ONLY_SHA1}
        ),
        Client(
            "azure-identity (Python, asynchronous)",
            _python("azure_identity.py", "aio"),
            _installed("azure-identity"),
            "sha256",
            {"certificate SHA-1": ONLY_SHA256, "with chain": NO_CHAIN},
        ),
        Client(
            "msgraph-sdk (Python)",
            _python("azure_identity.py", "graph"),
            _installed("msgraph-sdk"),
            "sha256",
            {"certificate SHA-1": ONLY_SHA256, "with chain": NO_CHAIN},
        ),
        Client(
            "azure-cli",
            _python("azure_cli.py"),
            _az_version(),
            "sha1",
            {"certificate SHA-256": ONLY_SHA1, "503 retried": NO_RETRY, "429 with Retry-After honoured": "one run makes one attempt"},
            lanes=2,
            note="told of the service by `az cloud register` it needs `AZURE_CORE_INSTANCE_DISCOVERY=false`, else it asks "
            "`login.microsoftonline.com` whether the authority is genuine; through `run` it needs nothing",
        ),
        Client(
            "emailproxy",
            _python("email_proxy.py"),
            _installed("emailproxy"),
            "sha256",
            {
                "certificate SHA-1": ONLY_SHA256,
                "with chain": NO_CHAIN,
                "federated": "no such option",
                "429 with Retry-After honoured": NO_RETRY,
                "503 retried": NO_RETRY,
            },
            note="its token flow is called without a mail server; it shows the service's words under `--debug` alone",
        ),
        Client(
            "@azure/msal-node",
            _node("@azure/msal-node"),
            _npm("@azure/msal-node"),
            "sha256",
            {"503 retried": NO_RETRY},
            patience="remembers",
        ),
        Client(
            "@azure/identity", _node("@azure/identity"), _npm("@azure/identity"), "sha256", {"certificate SHA-1": ONLY_SHA256}
        ),
        Client(
            "@azure/mcp-linux-x64 (Azure.Identity for .NET)",
            _binary("azmcp", AZMCP),
            _npm("@azure/mcp-linux-x64", programs),
            "sha256",
            {
                "certificate SHA-1": ONLY_SHA256,
                "wrong key": REFUSES_PAIR,
                "bad scope": "asks for one resource only",
                "cached second call": KEEPS_NOTHING,
            },
            lanes=3,
            note="tells why it was refused in its log alone, not in its answer",
            lacks_direct=ASKS_MICROSOFT,
        ),
        Client(
            "@azure-tools/azcopy-linux (MSAL Go)",
            _binary("azcopy", AZCOPY),
            _npm("@azure-tools/azcopy-linux", programs),
            "sha256",
            {
                "certificate SHA-1": ONLY_SHA256,
                "with chain": NO_CHAIN,
                "federated": "no such option",
                "wrong key": REFUSES_PAIR,
                "bad scope": "asks for one resource only",
                "cached second call": KEEPS_NOTHING,
            },
            lacks_direct=ASKS_MICROSOFT,
        ),
        Client(
            "MSAL Java (requests as its source builds them)",
            _python("msal_java.py"),
            "1.17.2",
            "sha256",
            {
                cell: "the requests are its own, what follows is not"
                for cell in ("cached second call", "429 with Retry-After honoured", "503 retried")
            },
        ),
        Client(
            "azure_identity (Rust crate)",
            (os.environ["E2E_AZURE_IDENTITY_CRATE"],),
            _crate_version("azure_identity"),
            "sha1",
            {"certificate SHA-256": ONLY_SHA1, "wrong key": "takes PKCS#12 alone, which no tool makes of a pair that does not match"},
        ),
    ]


def chosen() -> list[Client]:
    """The rows whose names hold one of the words in `E2E_CLIENTS`; all without it."""
    words = os.environ.get("E2E_CLIENTS", "").split(",")
    return [row for row in clients() if any(word in row.name for word in words)]
