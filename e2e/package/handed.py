"""What is handed to others, as `cargo xtask package` made it, and the commands round it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def named(variable: str) -> Path:
    """A file or folder that `cargo xtask test --only build,package` names; nothing here is skipped for want of it."""
    path = Path(os.environ.get(variable) or f"<{variable} is not set: run cargo xtask test --only build,package>")
    assert path.exists(), path
    return path


def run(*command, check: bool = True, **more) -> subprocess.CompletedProcess:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **more)
    assert not check or done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def judge(name: str, *arguments, check: bool = True) -> subprocess.CompletedProcess:
    """One of the programs that `requirements.txt` pins."""
    return run(named("E2E_JUDGES") / name, *arguments, check=check)
