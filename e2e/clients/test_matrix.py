"""Every client × what it is asked to do × how it reaches the service. `docs/clients.md` is made from the same outcomes."""

import pytest

from clients import table

ROWS = table.chosen()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("cell", table.CELLS)
@pytest.mark.parametrize("mode", table.MODES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_cell(matrix, row, mode, cell):
    outcome = matrix[row.name][mode][cell]
    why_not = (row.lacks_direct if mode == "direct" else "") or row.lacks.get(cell)
    assert outcome == (why_not or "passes")
