"""A fixed sample of the cells holds, but for those that are known not to; `make faults` runs them all."""

import pytest

from tests.faults import cells, known, sample, scenarios
from tests.faults.cells import Outcome
from tests.faulty import KILLS

pytestmark = KILLS


@pytest.mark.parametrize("name", sample.names())
def test_a_sample_of_the_cells_holds(name: str) -> None:
    scenario, expected = scenarios.load()[name], known.failing([name])
    outcomes, _ = cells.play(scenario, sample.is_in)
    assert outcomes
    failing = {str(outcome.cell) for outcome in outcomes if outcome.fault} - expected
    if failing:
        # A machine whose cores are all taken may be too slow for a lease, once.
        outcomes, _ = cells.play(scenario, lambda cell: str(cell) in failing)
        failing = {str(outcome.cell) for outcome in outcomes if outcome.fault}
    assert failing == set(), told(outcomes)


def told(outcomes: list[Outcome]) -> str:
    """What did not hold, for whoever reads the failure."""
    return "\n".join(
        f"{outcome.cell}: {outcome.told}; {outcome.fault}" for outcome in outcomes if outcome.fault
    )
