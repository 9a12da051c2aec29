"""A fixed sample of the cells holds, but for those that are known not to; `make faults` runs them all."""

import pytest

from tests.faults import cells, known, sample, scenarios
from tests.faults.cells import Outcome


@pytest.mark.parametrize("name", sample.SCENARIOS)
def test_a_sample_of_the_cells_holds(name: str) -> None:
    outcomes, _ = cells.play(scenarios.load()[name], sample.is_in)
    assert outcomes
    expected = known.failing([name]) & {str(outcome.cell) for outcome in outcomes}
    assert {str(outcome.cell) for outcome in outcomes if outcome.fault} == expected, told(outcomes)


def told(outcomes: list[Outcome]) -> str:
    """What did not hold, for whoever reads the failure."""
    return "\n".join(
        f"{outcome.cell}: {outcome.told}; {outcome.fault}" for outcome in outcomes if outcome.fault
    )
