"""The rule that cells are held to: what counts as done, as before, as failed, and as done in part."""

from collections import Counter
from typing import Any

import pytest

from tests.faults.cells import Norm, Stage, failed_ids
from tests.faults.inventory import Inventory
from tests.faults.scenarios import load

BEFORE = ("accounts {}",)
ONE, TWO = ("machines {1}", "volumes {1a}", "volumes {1b}"), ("machines {2}", "volumes {2a}", "volumes {2b}")
SHARED = ("acls {of the tier}",)


def stage(name: str = "RunInstances") -> Stage:
    found = Stage(load()[name], lab=None)  # type: ignore[arg-type]
    nothing, after = Inventory([]), Counter((*BEFORE, *ONE, *TWO, *SHARED))
    found.norm = Norm(nothing, [], Counter(BEFORE), nothing, after, [])
    return found


@pytest.mark.parametrize(
    ("there", "share"),
    [
        (BEFORE, 0),
        ((*BEFORE, *ONE, *TWO, *SHARED), 2),
        ((*BEFORE, *ONE, *SHARED), 1),
        ((*BEFORE, *ONE), 1),
        # A volume of the other is left, or one is missing, or there twice, or other than it should be.
        ((*BEFORE, *ONE, TWO[1]), None),
        ((*BEFORE, ONE[0], ONE[1]), None),
        ((*BEFORE, *ONE, ONE[1]), None),
        ((*BEFORE, ONE[0], ONE[1], "volumes {1b, of nothing}"), None),
        (ONE, None),
        # What a tier lets through goes with the last machine in it, and comes with the first.
        ((*BEFORE, *SHARED), None),
        ((*BEFORE, *ONE, *TWO), None),
    ],
)
def test_of_two_things_one_may_be_there_and_nothing_of_the_other(
    there: tuple[str, ...], share: int | None
) -> None:
    assert stage()._share(Counter(there), 2) == share


def test_what_an_account_has_from_the_start_may_stay_and_nothing_else() -> None:
    allocating = stage("AllocateAddress (the first of an account)")
    network, address = 'networks {"name": "default"}', 'addresses {"issourcenat": false}'
    allocating.norm.after = Counter((*BEFORE, network, address))
    assert allocating._share(Counter((*BEFORE, network)), 1) == 0
    assert allocating._share(Counter((*BEFORE, network, network)), 1) is None
    assert allocating._share(Counter((*BEFORE, address)), 1) == 1


def test_what_was_asked_for_stays_and_is_not_there_twice() -> None:
    asking = stage("CreateFleet")
    fleet, machine = 'store:fleet {"of": "i-1"}', "machines {1}"
    asking.norm.after = Counter((*BEFORE, fleet, machine))
    without = 'store:fleet {"of": "i-gone"}'
    assert asking._share(Counter((*BEFORE, without)), 1, ("store:fleet",)) == 0
    assert asking._share(Counter((*BEFORE, without, without)), 1, ("store:fleet",)) is None
    assert asking._share(Counter(BEFORE), 1, ("store:fleet",)) is None


@pytest.mark.parametrize(
    ("item", "failed"),
    [
        ({"State": {"Name": "terminated"}, "StateReason": {"Code": "Server.InternalError"}}, True),
        (
            {"State": {"Name": "stopped"}, "StateReason": {"Code": "Server.InsufficientInstanceCapacity"}},
            True,
        ),
        ({"State": {"Name": "terminated"}, "StateReason": {"Code": "Client.UserInitiatedShutdown"}}, False),
        ({"State": {"Name": "running"}}, False),
        ({"State": "failed"}, True),
        ({"State": "closed", "Status": {"Code": "system-error"}}, True),
        ({"State": "closed", "Status": {"Code": "instance-terminated-by-user"}}, False),
    ],
)
def test_a_failure_is_what_is_shown_with_a_reason_that_is_not_the_clients(item: Any, failed: bool) -> None:
    assert list(failed_ids({"Instances": [{"InstanceId": "i-1", **item}]})) == (
        ["i-1", item["State"]] if failed and isinstance(item["State"], str) else ["i-1"] if failed else []
    )
