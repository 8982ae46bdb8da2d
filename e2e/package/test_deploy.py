"""What stands in deploy/, before the judges that its users have: systemd's own, the schemas of Kubernetes, a linter of recipes."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from handed import DEPLOY, judge, run
from harness.service import binary

UNIT = DEPLOY / "systemd/countersign.service"
# Tenths of systemd's exposure level, from 0 to 100; "OK" ends at 50.
THRESHOLD = 15
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
# The oldest release that is looked after, and the newest that the judge knows.
RELEASES = ["1.34.0", "1.37.0"]


def verify(path):
    return run("systemd-analyze", "verify", "--man=no", path, check=False)


def test_the_unit_is_right(tmp_path):
    # verify wants the program to be there; it is not installed here.
    installed = tmp_path / "countersign.service"
    installed.write_text(UNIT.read_text().replace("/usr/bin/countersign ", f"{binary()} "))
    done = verify(installed)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    installed.write_text(installed.read_text().replace("ProtectSystem=strict", "ProtectSystm=strict"))
    assert "ProtectSystm" in verify(installed).stderr, "the judge sees a misspelled key"


def test_the_unit_leaves_little_open(tmp_path):
    exposure = ["systemd-analyze", "security", "--offline=true", f"--threshold={THRESHOLD}", "--no-pager"]
    run(*exposure, UNIT)
    lax = tmp_path / "countersign.service"
    lax.write_text("\n".join(line for line in UNIT.read_text().splitlines() if not line.startswith("SystemCallFilter")))
    assert run(*exposure, lax, check=False).returncode != 0, "the threshold is near enough to see one rule missing"


@pytest.mark.parametrize("release", RELEASES)
def test_manifests_follow_their_schemas(release):
    judge("kubernetes-validate", "--strict", "--kubernetes-version", release, *MANIFESTS)


def test_the_judge_of_manifests_sees_a_fault(tmp_path):
    wrong = tmp_path / "statefulset.yaml"
    wrong.write_text((DEPLOY / "kubernetes/statefulset.yaml").read_text().replace("replicas: 1", "replikas: 1"))
    assert judge("kubernetes-validate", "--strict", wrong, check=False).returncode != 0


def test_manifests_agree_with_each_other_and_with_the_program(tmp_path):
    objects = {}
    for path in MANIFESTS:
        for made in yaml.safe_load_all(path.read_text()):
            objects[made["kind"], made["metadata"]["name"]] = made
    pod = objects["StatefulSet", "countersign"]["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    for (kind, _), made in objects.items():
        selector = made.get("spec", {}).get("selector") if kind == "Service" else made.get("spec", {}).get("podSelector", {}).get("matchLabels")
        assert selector is None or selector.items() <= labels, made
    container = pod["spec"]["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    claims = {claim["metadata"]["name"] for claim in objects["StatefulSet", "countersign"]["spec"]["volumeClaimTemplates"]}
    assert set(mounts) == volumes | claims
    configuration = objects["ConfigMap", "countersign"]["data"]
    assert container["args"] == ["--config", f"{mounts['configuration']}/countersign.toml"]
    settings = tmp_path / "countersign.toml"
    settings.write_text(configuration["countersign.toml"])
    shown = json.loads(run(binary(), "config", "show", "--config", settings, "--format", "json").stdout)
    text = json.dumps(shown)
    assert f"{mounts['tls']}/tls.crt,{mounts['tls']}/tls.key" in text and f"{mounts['configuration']}/seed.yaml" in text
    assert f"{mounts['data']}/countersign" in text and "seed.yaml" in configuration
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert f"0.0.0.0:{ports['https']}" in text


def test_the_images_recipe_has_no_fault(tmp_path):
    recipe = DEPLOY / "docker/Dockerfile"
    judge("hadolint", recipe)
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(recipe.read_text().replace("USER 65532:65532", "USER root"))
    assert judge("hadolint", wrong, check=False).returncode != 0, "the judge sees a root user"
    # What the last stage leaves nobody to do: there is no shell in it.
    last = recipe.read_text().split("FROM scratch", 1)[1]
    assert "RUN" not in last and 'ENTRYPOINT ["/countersign", "serve"]' in last


def test_scripts_of_the_package_are_shell():
    for script in ("postinst", "prerm", "postrm"):
        path = DEPLOY / "debian" / script
        run("sh", "-n", path)
        assert path.read_text().startswith("#!/bin/sh\n") and "\nset -e\n" in path.read_text()
        assert shutil.os.access(path, shutil.os.X_OK)
