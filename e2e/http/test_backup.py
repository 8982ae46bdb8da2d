"""Backup while the service works, restore on an empty machine: what was acknowledged is there, and old tokens still verify."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import threading

import jwt
import requests

from harness import jws, story
from harness.graph import Graph
from harness.service import Service, binary, clean_environment


def token_of(service, cast) -> str:
    assertion = jws.compact(jws.header(cast.daemon), jws.claims(service.token_url(), story.DAEMON), cast.daemon.key)
    answer = service.token(jws.form(story.DAEMON, assertion))
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def verifies(service, token: str) -> None:
    """By the keys that the service publishes now; the issuer's port is that of the run it was issued in."""
    keys = service.get(f"/{story.TENANT}/discovery/v2.0/keys").json()["keys"]
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(key for key in keys if key["kid"] == kid)
    jwt.decode(token, jwt.PyJWK(key).key, algorithms=["RS256"], options={"verify_aud": False})


def online_backup(source, target) -> None:
    """SQLite's own online backup, as `sqlite3 FILE .backup` does it, in small steps so that writers come between."""
    with sqlite3.connect(source) as live, sqlite3.connect(target) as copy:
        live.backup(copy, pages=5, sleep=0.001)
    copy.close()
    live.close()


def private(path) -> None:
    os.chmod(path, 0o600)


def test_online_backup_under_load_and_restore(own_service, cast, tmp_path):
    service = own_service.start()
    token = token_of(service, cast)
    graph = Graph(service)
    acknowledged, stop = [], threading.Event()

    def register():
        while not stop.is_set():
            acknowledged.append(graph.create("backup test")["appId"])

    worker = threading.Thread(target=register, daemon=True)
    worker.start()
    try:
        while len(acknowledged) < 20:
            token_of(service, cast)
        before = list(acknowledged)
        backup = tmp_path / "backup.db"
        online_backup(service.data / "countersign.db", backup)
    finally:
        stop.set()
        worker.join(20)
    key = (service.data / "master.key").read_bytes()
    assert service.stop() == 0
    shutil.rmtree(service.data)

    restored = Service(folder=tmp_path / "elsewhere")
    restored.data.mkdir(parents=True, mode=0o700)
    shutil.copy(backup, restored.data / "countersign.db")
    private(restored.data / "countersign.db")
    try:
        # Without the key the store is of no use, and is left alone.
        try:
            restored.start()
            raise AssertionError("it started without the master key")
        except RuntimeError as refused:
            assert "master.key" in str(refused) or "master key" in str(refused), refused
        (restored.data / "master.key").write_bytes(key)
        private(restored.data / "master.key")
        restored.start()
        verifies(restored, token)
        there = Graph(restored)
        for app_id in before:
            answer = there.call("GET", f"/applications(appId='{app_id}')")
            assert answer.status_code == 200, answer.text
        verifies(restored, token_of(restored, cast))
        assert restored.stop() == 0
    finally:
        restored.kill()


def test_state_with_keys_moves_to_an_empty_machine(own_service, cast, tmp_path):
    service = own_service.start()
    token = token_of(service, cast)
    made = Graph(service).create("moved")
    assert service.stop() == 0
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase for this test alone\n")
    private(passphrase)
    state = tmp_path / "state.json"

    def command(*arguments):
        done = subprocess.run([str(binary()), "state", *arguments], capture_output=True, text=True, timeout=60, env=clean_environment(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    state.write_text(command("export", "--with-keys", "--passphrase-file", str(passphrase), "--data", str(service.data)))
    shutil.rmtree(service.data)
    restored = Service(folder=tmp_path / "elsewhere")
    restored.folder.mkdir()
    command("import", str(state), "--passphrase-file", str(passphrase), "--data", str(restored.data))
    try:
        restored.start()
        verifies(restored, token)
        assert Graph(restored).read(made["id"])["appId"] == made["appId"]
        answer = requests.get(f"{restored.url}/readyz", verify=restored.ca_file, timeout=10)
        assert answer.status_code == 200
        verifies(restored, token_of(restored, cast))
        assert restored.stop() == 0
    finally:
        restored.kill()
