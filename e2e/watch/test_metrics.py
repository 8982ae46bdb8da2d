"""`/metrics`, the alert rules and the dashboard, judged by Prometheus' own tool and against a service that has something to tell."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from harness import jws, story
from harness.service import ROOT

ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/countersign.json"
NAME = re.compile(r"\bcountersign_[a-z_]+")
PARTS = re.compile(r"_(bucket|sum|count)$")


def promtool(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["promtool", *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def metrics(service, cast) -> str:
    """What a service tells that has issued, refused and turned a key over."""
    claims = jws.claims(service.token_url(), story.DAEMON)
    assert service.token(jws.form(story.DAEMON, jws.compact(jws.header(cast.daemon), claims, cast.daemon.key))).status_code == 200
    assert service.token({"grant_type": "x"}).status_code == 400
    rolled = service.post("/v1.0/countersign/signingKeys/roll", headers={"Authorization": f"Bearer {service.admin_token}"}, json={})
    assert rolled.status_code == 200, rolled.text
    return service.get("/metrics").text


def expressions() -> list[str]:
    """Every query of the dashboard, with Grafana's variables filled in."""
    found = []

    def walk(node):
        if isinstance(node, dict):
            found.extend([node["expr"]] if "expr" in node else [])
            node = list(node.values())
        for below in node if isinstance(node, list) else []:
            walk(below)

    walk(json.loads(DASHBOARD.read_text()))
    assert len(found) >= 15, found
    filled = [query.replace("$__rate_interval", "5m").replace("$__range", "1d").replace("$instance", ".*") for query in found]
    assert not [query for query in filled if "$" in query], filled
    return filled


def test_prometheus_reads_the_metrics_and_finds_nothing_to_say(metrics):
    assert promtool("check", "metrics", stdin=metrics).strip() == ""


def test_the_rules_are_rules(tmp_path):
    count = ALERTS.read_text().count("- alert: ")
    assert count >= 11
    assert f"{count} rules found" in promtool("check", "rules", str(ALERTS))


def test_each_alert_fires_for_what_it_is_for_and_else_keeps_quiet(tmp_path):
    cases = (ROOT / "e2e/watch/alerts.test.yaml").read_text().replace("RULES", str(ALERTS))
    path = tmp_path / "alerts.test.yaml"
    path.write_text(cases)
    promtool("test", "rules", str(path))
    rules = {rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]}
    tried = [case for test in yaml.safe_load(cases)["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in tried if case.get("exp_alerts")} == rules, "each is made to fire"
    assert {case["alertname"] for case in tried if not case.get("exp_alerts")} == rules, "and each is seen quiet"


def test_the_dashboards_queries_are_queries(tmp_path):
    rules = [{"record": f"panel:number{n}", "expr": query} for n, query in enumerate(expressions())]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(path))


def test_every_metric_that_is_named_is_told(metrics):
    told = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
    rules = [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    documented = (ROOT / "docs/operation.md").read_text()
    named = {PARTS.sub("", name) for text in (*rules, *expressions()) for name in NAME.findall(text)}
    assert len(named) >= 12 and named <= told, named - told
    # What is told is also described, whole or as `…_rest`.
    whole, ends = set(NAME.findall(documented)), re.findall(r"`…(_[a-z_]+)`", documented)
    missing = [name for name in told - whole if not any(name.endswith(end) for end in ends)]
    assert not missing, missing


def test_samples_have_a_type_and_stand_once(metrics):
    lines = [line for line in metrics.splitlines() if line and not line.startswith("#")]
    series = [line.rsplit(" ", 1)[0] for line in lines]
    assert len(series) == len(set(series)), "a series stands twice"
    told = set(re.findall(r"^# TYPE (\S+)", metrics, re.MULTILINE))
    for line in lines:
        name = re.match(r"[a-z_]+", line)[0]
        assert name in told or PARTS.sub("", name) in told, line
