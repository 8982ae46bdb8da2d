"""The blocks of code under "Fix" on the doctor's explanation pages, as the doctor itself hands them out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "crates" / "doctor" / "explain"
FENCE = re.compile(r"^```(\S+)([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One block: `page` and its number among the page's blocks of that language."""

    page: str
    number: int
    language: str
    tags: tuple[str, ...]
    code: str

    def __str__(self) -> str:
        return f"{self.page}-{self.language}{self.number}"


def of(language: str) -> list[Block]:
    out = []
    for path in sorted(PAGES.glob("*.md")):
        text = path.read_text()
        section = re.search(r"^## Fix\n(.*?)^## ", text, re.M | re.S)
        assert section, f"{path.name} has no Fix"
        found = [m for m in FENCE.finditer(section[1]) if m[1] == language]
        out += [Block(path.stem, n, language, tuple(m[2].split()), m[3].rstrip()) for n, m in enumerate(found, 1)]
    return out


