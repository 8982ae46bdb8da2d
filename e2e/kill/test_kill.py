"""kill -9 in the middle of registrations and tokens, ten times over one data folder.

Every acknowledged change must be there after the restart, a change that was under way is there whole or not at all, the store
opens, tokens issued before still verify, and a key that was removed never brings a token again.
"""

import base64
import random
import threading
import time

import jwt
import pytest
import requests

from harness import jws, story
from harness.graph import Graph, key_credential
from harness.keys import Identity, certificate_around, new_key

ROUNDS = 10
WRITERS = 3
DISPLAY = "kill test"


class Ledger:
    """What the service acknowledged, by application: the certificates it must hold, and the change that was under way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.applications: dict[str, dict] = {}  # object id -> {appId, held: [Identity], pending: [Identity] | None | "deleted"}
        self.removed: list[tuple[str, Identity]] = []  # (appId, identity) whose removal was acknowledged
        self.tokens: list[str] = []
        self.begun = 0  # creations sent; some may exist without our knowing their id


class Writer(threading.Thread):
    """Creates an application, adds a certificate, removes the first, sometimes deletes; until the service is gone."""

    def __init__(self, service, ledger, keys, stop):
        super().__init__(daemon=True)
        self.service, self.ledger, self.keys, self.stop = service, ledger, keys, stop
        self.failure = None

    def identity(self):
        key = random.choice(self.keys)
        return Identity(key, certificate_around(key, "kill"))

    def run(self):
        graph = Graph(self.service)
        try:
            while not self.stop.is_set():
                self.one(graph)
        except requests.RequestException:
            pass  # the service was killed under us: that is the test
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.failure = error

    def one(self, graph):
        first, second = self.identity(), self.identity()
        with self.ledger.lock:
            self.ledger.begun += 1
        made = graph.create(DISPLAY, first)
        entry = {"appId": made["appId"], "held": [first], "pending": None}
        with self.ledger.lock:
            self.ledger.applications[made["id"]] = entry
        kept = [{"keyId": each["keyId"], "type": each["type"], "usage": each["usage"], "key": None} for each in made["keyCredentials"]]
        self.change(graph, made["id"], entry, [*kept, key_credential(second)], [first, second])
        now = graph.read(made["id"])["keyCredentials"]
        kept = [{**each, "key": None} for each in now if base64.b64decode(each["key"]) == second.der]
        assert len(kept) == 1
        self.change(graph, made["id"], entry, kept, [second])
        with self.ledger.lock:
            self.ledger.removed.append((made["appId"], first))
        if random.random() < 0.2:
            with self.ledger.lock:
                entry["pending"] = []
            answer = graph.delete(made["id"])
            assert answer.status_code == 204, answer.text
            with self.ledger.lock:
                entry["held"], entry["pending"] = [], None
                self.ledger.removed.append((made["appId"], second))

    def change(self, graph, object_id, entry, key_credentials, after):
        with self.ledger.lock:
            entry["pending"] = after
        answer = graph.patch(object_id, keyCredentials=key_credentials)
        assert answer.status_code in (200, 204), answer.text
        with self.ledger.lock:
            entry["held"], entry["pending"] = after, None


class Asker(threading.Thread):
    """Asks for tokens all the while, with the seeded client and with registered ones."""

    def __init__(self, service, ledger, cast, stop):
        super().__init__(daemon=True)
        self.service, self.ledger, self.cast, self.stop = service, ledger, cast, stop
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                answer = ask(self.service, story.DAEMON, self.cast.daemon)
                assert answer.status_code == 200, answer.text
                with self.ledger.lock:
                    self.ledger.tokens.append(answer.json()["access_token"])
                    removed = random.choice(self.ledger.removed) if self.ledger.removed else None
                if removed:
                    refused(ask(self.service, *removed))
        except requests.RequestException:
            pass
        except Exception as error:  # noqa: BLE001 - reported by the test
            self.failure = error


def ask(service, client, identity):
    claims = jws.claims(service.token_url(), client)
    return service.token(jws.form(client, jws.compact(jws.header(identity), claims, identity.key)))


def refused(answer):
    assert answer.status_code in (400, 401), f"a removed key brought {answer.status_code}: {answer.text[:300]}"
    assert answer.json()["error_codes"][0] in (700027, 700016), answer.text


def listed(graph):
    """Every application of this test, by object id, through all pages."""
    found, path = {}, "/applications?$filter=displayName eq '" + DISPLAY + "'"
    while path:
        body = graph.call("GET", path).json()
        found.update({each["id"]: each for each in body["value"]})
        after = body.get("@odata.nextLink")
        path = after.split("/v1.0", 1)[1] if after else None
    return found


def certificates(graph, object_id):
    return sorted(base64.b64decode(each["key"]) for each in graph.read(object_id)["keyCredentials"])


def ders(identities):
    return sorted(identity.der for identity in identities)


@pytest.mark.timeout(300)
def test_kill_nine_ten_times(own_service, cast):
    keys = [new_key() for _ in range(4)]
    ledger = Ledger()
    randomness = random.Random(20261124)
    acknowledged = 0
    own_service.start()
    for round_ in range(ROUNDS):
        stop = threading.Event()
        workers = [Writer(own_service, ledger, keys, stop) for _ in range(WRITERS)] + [Asker(own_service, ledger, cast, stop)]
        for worker in workers:
            worker.start()
        time.sleep(0.6 + randomness.random())
        own_service.kill()
        stop.set()
        for worker in workers:
            worker.join(20)
            assert not worker.is_alive()
            assert worker.failure is None, worker.failure
        own_service.start()
        assert own_service.ready_after < 2, f"round {round_}: ready after {own_service.ready_after:.2f} s"
        acknowledged = check(own_service, ledger, cast, randomness, everything=round_ == ROUNDS - 1)
    assert acknowledged > ROUNDS, f"only {acknowledged} registrations were acknowledged: the test did not test much"
    assert len(ledger.removed) > ROUNDS and len(ledger.tokens) > ROUNDS
    assert own_service.stop() == 0


def check(service, ledger, cast, randomness, everything):
    """Compares the service with the ledger: what this round changed in full, older entries for being there, in the end all."""
    graph = Graph(service)
    found = listed(graph)
    assert len(found) <= ledger.begun
    for object_id, entry in ledger.applications.items():
        allowed = [ders(entry["held"])] + ([ders(entry["pending"])] if entry["pending"] is not None else [])
        if object_id not in found:
            assert [] in allowed, f"{entry['appId']} was acknowledged and is gone"
            entry["held"] = []
        elif everything or not entry.get("checked"):
            assert found[object_id]["appId"] == entry["appId"]
            held = certificates(graph, object_id)
            assert held in allowed and held, f"{entry['appId']} holds {len(held)} certificates, acknowledged {len(entry['held'])}"
            everyone = {identity.der: identity for identity in [*entry["held"], *(entry["pending"] or [])]}
            entry["held"] = [everyone[der] for der in held]
        entry["pending"], entry["checked"] = None, True
    # Applications whose acknowledgement never arrived are there whole: with the one certificate they were created with.
    for object_id in set(found) - set(ledger.applications):
        assert len(certificates(graph, object_id)) == 1
    for client, identity in ledger.removed if everything else ledger.removed[-60:]:
        refused(ask(service, client, identity))
    living = [entry for entry in ledger.applications.values() if entry["held"]]
    for entry in randomness.sample(living, min(len(living), 10)):
        for identity in entry["held"]:
            answer = ask(service, entry["appId"], identity)
            assert answer.status_code == 200, answer.text
    keys = jwt.PyJWKSet.from_dict(service.get(f"/{story.TENANT}/discovery/v2.0/keys").json())
    by_id = {key.key_id: key.key for key in keys.keys}
    for token in randomness.sample(ledger.tokens, min(len(ledger.tokens), 20)):
        key = by_id[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=["RS256"], options={"verify_aud": False})
    answer = ask(service, story.DAEMON, cast.daemon)
    assert answer.status_code == 200, answer.text
    return len(ledger.applications)
