"""Roots to run packages in. Needs root: programs run there by another user."""

from __future__ import annotations

import os
import shutil

import pytest

from handed import named, run


@pytest.fixture
def empty_root(tmp_path):
    """A folder with the static program and a place to write to, and nothing else at all."""
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    shutil.copy(named("E2E_STATIC_PROGRAM"), root / "countersign")
    os.chmod(root, 0o755)
    os.chown(root / "data", 65532, 65532)
    os.chmod(root / "data", 0o700)
    return root


@pytest.fixture
def debian(tmp_path):
    """A Debian system that may be changed."""
    root = tmp_path / "debian"
    run("cp", "-a", named("E2E_DEBIAN_ROOT"), root)
    os.chmod(root, 0o755)
    shutil.copy(named("E2E_DEBIAN_PACKAGE"), root / "countersign.deb")
    yield root
    shutil.rmtree(root, ignore_errors=True)
