"""How long pages take over a large directory and a long journal: `cargo xtask bench portal`.

Fills the store of a stopped service by copies of rows it wrote itself, starts it again, and reads every page over one
connection. Without `--judge` it looks at answers alone, not at times.
"""

import argparse
import http.client
import json
import random
import re
import sqlite3
import ssl
import statistics
import sys
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import story  # noqa: E402
from harness.service import Service  # noqa: E402

PAGE_MS = 100
SEARCH_MS = 200
WORDS = ["Payroll", "Ledger", "Backup", "Invoice", "Audit", "Mailer", "Sync", "Report", "Gateway", "Import"]


def fill(database: Path, applications: int, rows: int) -> dict:
    """Copies of the SDK client and of what it asked for; ids, names and times of their own."""
    rnd = random.Random(7)
    db = sqlite3.connect(database)
    db.execute("PRAGMA synchronous=OFF")
    tenant, record = db.execute(
        "SELECT tenant_id, record FROM applications WHERE app_id = ?", (story.SDK_CLIENT,)
    ).fetchone()
    record = json.loads(record)
    guid = lambda: str(uuid.UUID(int=rnd.getrandbits(128), version=4))  # noqa: E731
    ids = []

    def made():
        for n in range(applications):
            copy = dict(record)
            copy["app_id"], copy["object_id"] = guid(), guid()
            copy["display_name"] = f"{rnd.choice(WORDS)} {rnd.choice(WORDS)} {n}"
            ids.append((copy["app_id"], copy["display_name"]))
            yield tenant, copy["app_id"], copy["object_id"], copy["display_name"], json.dumps(copy)

    db.executemany(
        "INSERT INTO applications (tenant_id, app_id, object_id, display_name, version, record) VALUES (?,?,?,?,1,?)", made()
    )
    good, bad = (
        json.loads(db.execute(f"SELECT record FROM sign_ins WHERE error_code {op} 0 LIMIT 1").fetchone()[0])
        for op in ("=", "<>")
    )
    now = int(time.time() * 1e6)
    last = {}

    def asked():
        for n in range(rows):
            refused = n % 20 == 0
            copy = dict(bad if refused else good)
            copy["app_id"], copy["app_name"] = rnd.choice(ids)
            copy["id"], copy["correlation_id"], copy["time"] = guid(), guid(), now - (rows - n) * 1000
            if n == rows // 2 or refused:
                last.update(copy)
            yield tenant, copy["time"], copy["id"], copy["correlation_id"], copy["app_id"], copy["error_code"], json.dumps(copy)

    db.executemany(
        "INSERT INTO sign_ins (tenant_id, time, id, correlation_id, app_id, error_code, record) VALUES (?,?,?,?,?,?,?)", asked()
    )
    audit = db.execute("SELECT record FROM audits LIMIT 1").fetchone()
    if audit:
        audit = json.loads(audit[0])
        db.executemany(
            "INSERT INTO audits (tenant_id, time, id, correlation_id, target_id, record) VALUES (?,?,?,?,?,?)",
            ((tenant, now - n * 1000, i := guid(), guid(), guid(), json.dumps({**audit, "id": i})) for n in range(rows // 20)),
        )
    db.commit()
    db.close()
    return {"app": ids[len(ids) // 2], "refused": last}


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--applications", type=int, default=100_000)
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--judge", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="countersign-portal-") as folder:
        cast = story.write(Path(folder) / "story")
        service = Service(folder=Path(folder) / "service", seed=cast.seed)
        service.folder.mkdir()
        service.start()
        ask = {"grant_type": "client_credentials", "client_id": story.SDK_CLIENT, "scope": story.GRAPH_SCOPE}
        token = f"{service.ready['authority']}/oauth2/v2.0/token"
        for secret in (story.SDK_SECRET, "wrong"):
            requests.post(token, data={**ask, "client_secret": secret}, verify=service.ca_file, timeout=30)
        admin = Path(service.ready["admin_token_file"]).read_text().strip()
        bearer = {"Authorization": f"Bearer {admin}"}
        made = requests.post(f"{service.ready['graph']}/applications", json={"displayName": "x"}, headers=bearer,
                             verify=service.ca_file, timeout=30)
        assert made.status_code == 201, made.text
        assert service.stop() == 0
        print(f"filling {given.applications} applications and {given.rows} rows", flush=True)
        facts = fill(Path(service.ready["admin_token_file"]).parent / "countersign.db", given.applications, given.rows)
        service.start()
        try:
            return judge(service, admin, facts, given)
        finally:
            service.stop()


def judge(service: Service, admin: str, facts: dict, given) -> int:
    url = urllib.parse.urlsplit(service.ready["url"])
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=ssl.create_default_context(cafile=service.ca_file))
    connection.request("POST", "/portal/sign-in", urllib.parse.urlencode({"token": admin}),
                       {"Content-Type": "application/x-www-form-urlencoded", "Origin": service.ready["url"]})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303, answer.status
    cookie = answer.getheader("set-cookie").split(";")[0]

    def read(path: str) -> tuple[float, str]:
        started = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, f"{path}: {answer.status}"
        return (time.perf_counter() - started) * 1e3, text

    app_id, name = facts["app"]
    refused = facts["refused"]
    link = re.search(r'href="(/portal/applications/[0-9a-f-]+)"', read(f"/portal/applications?q={app_id}")[1]).group(1)
    second = re.search(r'rel="next" href="([^"]+)"', read("/portal/applications")[1]).group(1).replace("&#38;", "&")
    older = re.search(r'rel="next" href="([^"]+)"', read("/portal/requests")[1]).group(1).replace("&#38;", "&")
    quote = urllib.parse.quote
    pages = [
        ("/portal/", None), ("/portal/applications", None), (f"/portal/applications{second}", None), (link, name),
        ("/portal/requests", None), (f"/portal/requests{older}", None), ("/portal/requests?refused=1", "refused"),
        (f"/portal/requests/{refused['id']}", refused["correlation_id"]), ("/portal/audit", None),
        ("/portal/reference", None), ("/portal/diagnose", None), ("/portal/keys", None), ("/portal/settings", None),
    ]
    searches = [
        (f"/portal/applications?q={quote(name)}", name), (f"/portal/applications?q={quote(name[3:].lower())}", name),
        ("/portal/applications?q=nobody+is+called+so", "Nothing is called"), (f"/portal/applications?q={app_id}", name),
        ("/portal/applications?q=ledger", "Ledger"),
        (f"/portal/requests?q={app_id}", None), (f"/portal/requests?q={refused['id']}", refused["id"]),
        (f"/portal/requests?q={refused['correlation_id']}", refused["id"]),
        ("/portal/requests?q=nobody+is+called+so", "Looked back to" if given.rows > 4_000 else None),
        ("/portal/requests?q=payroll&refused=1", "Payroll"),
    ]
    late = 0
    for limit, group in ((PAGE_MS, pages), (SEARCH_MS, searches)):
        for path, holds in group:
            times = []
            for _ in range(7):
                took, text = read(path)
                times.append(took)
                assert holds is None or holds in text, f"{path} does not say {holds}"
            median, worst = statistics.median(times), max(times)
            late += median > limit
            print(f"{median:7.1f} ms  (worst {worst:6.1f}, limit {limit})  {len(text) / 1024:5.0f} KiB  {path[:90]}", flush=True)
    if given.judge and late:
        print(f"{late} pages are over their limit")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
