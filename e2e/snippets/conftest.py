"""What the blocks of every language work on: one certificate and its key."""

from __future__ import annotations

import pytest

from harness import keys


@pytest.fixture(scope="session")
def identity():
    key = keys.new_key()
    return keys.Identity(key, keys.certificate_around(key, "payroll-daemon"))
