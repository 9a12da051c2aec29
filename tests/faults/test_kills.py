"""Some of what `make kills` plays; a failure names the story, and the seed or the call."""

import hashlib
from collections.abc import Iterator

import pytest

from tests import postgresql
from tests.faults import kills, pairs
from tests.faults.cells import Cell, Outcome
from tests.faulty import KILLS

pytestmark = KILLS

COUNT = 12
ONE_IN = 8
ALL_OF_IT = "RunInstances (two, with a volume, a public address, a key and tags)"
TWO_BRIDGES = ("CreateVolume", "RunInstances", ALL_OF_IT)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """An empty PostgreSQL."""
    with postgresql.server() as server:
        yield server.url


def failures(outcomes: list[Outcome]) -> list[str]:
    return [f"{one.cell}: {one.told}; {one.end}; {one.fault}" for one in outcomes if one.fault]


def some(cell: Cell) -> bool:
    """Whether a cell is of the sample; the same cells each time."""
    if cell.scenario == ALL_OF_IT:
        # The heir goes on with the launch at once, before a sweep could have taken back what was acquired.
        return cell.call.startswith("associateIpAddress") and cell.mode == "killed-after"
    return int(hashlib.sha256(str(cell).encode()).hexdigest(), 16) % ONE_IN == 0


STORIES = [pytest.param(story, seeds, id=story) for story, seeds in kills.of(COUNT)]


@pytest.mark.parametrize(("story", "seeds"), STORIES)
def test_what_a_bridge_leaves_that_dies_at_any_moment_is_finished_or_taken_back(
    story: str, seeds: list[int]
) -> None:
    assert failures(kills.play(story, seeds)) == []


@pytest.mark.parametrize(
    "story", ["DeleteSubnet (with all that is kept of it)", "DeleteVpc (with all that is kept of it)"]
)
def test_a_place_whose_deletion_dies_at_whatever_moment_is_gone_with_all_that_was_kept_of_it(
    story: str,
) -> None:
    assert failures(kills.play(story)) == []


@postgresql.needed
@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize(("story", "seeds"), STORIES)
def test_and_so_it_is_on_postgresql(story: str, seeds: list[int], database: str) -> None:
    assert failures(kills.play(story, seeds, database)) == []


@postgresql.needed
@pytest.mark.xdist_group("postgresql")
@pytest.mark.parametrize("story", TWO_BRIDGES)
def test_two_bridges_that_are_asked_at_once_do_it_once(story: str, database: str) -> None:
    outcomes = pairs.play(story, database, some)
    assert outcomes
    assert failures(pairs.unexpected(story, outcomes)) == []


def test_a_fleet_whose_bridge_dies_before_its_answer_leaves_no_record_of_it() -> None:
    assert failures(kills.play("CreateFleet", [34])) == []
