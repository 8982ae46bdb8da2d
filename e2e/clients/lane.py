"""One client in one mode: every cell in order, each judged by what the client said and by what passed the fault proxy."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from harness import openssl, story
from harness.faults import Fault, Faults, Seen
from harness.service import binary, clean_environment

from .table import CELLS, Client

# Longest time for one order: az starts anew for each, SDKs wait through their retries, and the machine may be busy.
PATIENCE = 180.0
NOWHERE = "https://nowhere.example/.default"


@dataclass
class Facts:
    """What all lanes share."""

    cast: story.Cast
    federated: Path
    folder: Path
    bundle: Path


class Wrong(Exception):
    """A cell that does not hold, and why."""


class Driver:
    """A driver's process: takes an order, gives an answer."""

    def __init__(self, facts: Facts, lane: Lane, folder: Path):
        variables = {
            "E2E_FOLDER": str(folder),
            "HOME": str(folder),
            "AZCOPY_DISABLE_SYSLOG": "true",
        }
        command = list(lane.client.command)
        if lane.mode == "direct":
            for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
                variables[name] = str(facts.bundle)
            variables["E2E_AUTHORITY"] = lane.faults.url
            variables["AZURE_AUTHORITY_HOST"] = lane.faults.url
        else:
            command = [str(binary()), "run", "--url", lane.faults.url, "--ca-file", str(facts.bundle), "--", *command]
        self.log = folder / "stderr"
        environment = {
            name: value
            for name, value in clean_environment().items()
            if name not in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment | variables, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        self.read()

    def read(self) -> dict:
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise Wrong(f"the driver ended or hung: {self.log.read_text(errors='replace')[-1500:]}")
        return json.loads(line)

    def order(self, **order) -> dict:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        try:
            self.process.stdin.close()
            self.process.wait(15)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()


@dataclass
class Lane:
    """What is tried one after the other, by one driver, through a fault proxy of its own."""

    client: Client
    mode: str
    cells: list[str]
    faults: Faults


def lanes(rows: list[Client], modes: list[str]) -> list[Lane]:
    """All of them, the longest first: whoever starts a program for each order takes most of the time."""
    made = []
    for client in rows:
        for mode in modes:
            tried = [] if why_not(client, mode) else [cell for cell in CELLS if cell not in client.lacks]
            made += [Lane(client, mode, tried[part :: client.lanes], Faults()) for part in range(client.lanes if tried else 0)]
    return sorted(made, key=lambda lane: -lane.client.lanes)


def why_not(client: Client, mode: str) -> str:
    return client.lacks_direct if mode == "direct" else ""


def untried(client: Client, mode: str) -> dict[str, str]:
    """The cells that are not tried, and why."""
    return dict.fromkeys(CELLS, why_not(client, mode)) if why_not(client, mode) else dict(client.lacks)


def run(facts: Facts, lane: Lane) -> dict[str, str]:
    """The outcome of each of the lane's cells."""
    folder = Path(tempfile.mkdtemp(prefix=f"{Path(lane.client.command[-1]).stem}-", dir=facts.folder))
    try:
        driver = Driver(facts, lane, folder)
    except (Wrong, OSError) as error:
        return dict.fromkeys(lane.cells, f"failed: {error}")
    outcome = {}
    try:
        for cell in lane.cells:
            try:
                attempt(facts, lane.client, driver, lane.faults, cell)
                outcome[cell] = "passes"
            except (Wrong, OSError, ValueError) as error:
                outcome[cell] = f"failed: {error}"
    finally:
        driver.end()
    return outcome


def attempt(facts: Facts, client: Client, driver: Driver, faults: Faults, cell: str) -> None:
    """Tries one cell; raises `Wrong` when it does not hold."""
    good, cast = facts.cast.sdk, facts.cast
    order = {
        "cell": cell,
        "client": story.SDK_CLIENT,
        "tenant": story.TENANT,
        "scope": story.GRAPH_SCOPE,
        "credential": client.own,
        "secret": story.SDK_SECRET,
        "federated": str(facts.federated),
        "passphrase": openssl.PFX_PASSWORD,
    } | material(good)
    mark = faults.arm(None)

    def ask(**changes) -> dict:
        return driver.order(**order | changes)

    match cell:
        case "certificate SHA-1" | "certificate SHA-256" | "with chain" | "secret" | "federated":
            credential = {"certificate SHA-1": "sha1", "certificate SHA-256": "sha256", "with chain": "chain"}.get(cell, cell)
            token(ask(credential=credential))
            sent = last(faults.since(mark))
            granted(sent)
            proof = {
                "sha1": "x5t" in sent.header,
                "sha256": "x5t#S256" in sent.header,
                "chain": "x5c" in sent.header,
                "secret": bool(sent.form.get("client_secret")) and not sent.header,
                "federated": sent.claims.get("iss", "").startswith("https://issuer."),
            }[credential]
            expect(proof, f"a token came, but not by this: header {sent.header}, parameters {sorted(sent.form)}")
        case "wrong key":
            refused(ask(**mixed(facts, driver)), faults.since(mark), 700027, "AADSTS700027")
        case "unregistered":
            refused(ask(**material(cast.sdk_stranger)), faults.since(mark), 700027, "AADSTS700027")
        case "expired":
            refused(ask(**material(cast.sdk_expired)), faults.since(mark), 700027, "expired")
        case "wrong tenant":
            refused(ask(tenant=story.OTHER_TENANT), faults.since(mark), 700016, "AADSTS700016")
        case "bad scope":
            refused(ask(scope=NOWHERE), faults.since(mark), 500011, "AADSTS500011")
        case "cached second call":
            first = token(ask())
            between = faults.arm(None)
            expect(between > mark, "the first call asked nothing")
            expect(token(ask(same=True)) == first, "the second call gave another token")
            expect(not faults.since(between), "the second call asked again")
        case "429 with Retry-After honoured":
            throttled(client, ask, faults)
        case "503 retried":
            mark = faults.arm(Fault(status=503))
            token(ask())
            statuses = [each.status for each in faults.since(mark)]
            expect(statuses[:2] == [503, 200], f"statuses {statuses}")
        case _:
            raise Wrong(f"no such cell: {cell}")


def throttled(client: Client, ask, faults: Faults) -> None:
    seconds = 2
    mark = faults.arm(Fault(status=429, retry_after=seconds))
    answer = ask()
    if client.patience == "remembers":
        expect("error" in answer, "a token came although nothing was retried")
        expect("error" in ask(same=True), "a token came within the time to wait")
        expect(len(faults.since(mark)) == 1, "asked again within the time to wait")
        time.sleep(max(0.0, faults.since(mark)[0].at + seconds + 1.0 - time.monotonic()))
        answer = ask(same=True)
    token(answer)
    seen = faults.since(mark)
    expect([each.status for each in seen] == [429, 200], f"statuses {[each.status for each in seen]}")
    waited = seen[1].at - seen[0].at
    expect(waited >= seconds - 0.05, f"asked again after {waited:.2f} s")


def material(made: openssl.Material) -> dict:
    names = ("key", "certificate", "both", "pfx", "sha1", "sha256")
    return {name: str(getattr(made, name)) for name in names}


def mixed(facts: Facts, driver: Driver) -> dict:
    """The registered certificate with a key that is not its own, as PEM: no tool makes such a PFX."""
    good, stranger = facts.cast.sdk, facts.cast.sdk_stranger
    folder = driver.log.parent
    both = folder / "mixed.both.pem"
    both.write_text(stranger.key_text + good.certificate_text)
    return {"key": str(stranger.key), "both": str(both)}


def expect(holds: bool, why: str) -> None:
    if not holds:
        raise Wrong(why)


def last(seen: list[Seen]) -> Seen:
    expect(bool(seen), "no request reached the token endpoint")
    return seen[-1]


def granted(seen: Seen) -> None:
    expect(seen.status == 200 and "access_token" in seen.body, f"answered {seen.status}: {seen.body.get('error_description')}")


def token(answer: dict) -> str:
    expect("token" in answer, f"no token: {answer.get('error', '')[-1500:]}")
    return answer["token"]


def refused(answer: dict, seen: list[Seen], code: int, word: str) -> None:
    """The service answered with `code`, and the client shows its caller why."""
    expect("error" in answer, "a token came")
    sent = last(seen)
    codes = sent.body.get("error_codes")
    expect(codes is not None and codes[0] == code, f"answered {sent.status} {codes}: {sent.body.get('error_description')}")
    expect(word in answer["error"], f"the client does not show {word}: {answer['error'][-1500:]}")
