"""Whatever a request names by an id may be missing: AWS's code for its kind, for each id of each scenario's request."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.ids import KINDS
from tests.faults import clock, scenarios
from tests.faults.lab import Lab
from tests.faults.scenarios import Scenario

ID = re.compile(r"([a-z]+(?:-[a-z]+)*)-([0-9a-f]{8}|[0-9a-f]{17})")
BY_PREFIX = {kind.prefix: kind for kind in KINDS.values()}
UNKNOWN, NONSENSE = "0123456789abcdef0", "nonsense"

# Where AWS has other words than for the kind.
GATEWAY = "InvalidGatewayID.NotFound"
OTHER = {
    ("CreateRoute", "GatewayId"): (GATEWAY, GATEWAY),
    ("ReplaceRoute", "GatewayId"): (GATEWAY, GATEWAY),
    ("DeleteDhcpOptions", "DhcpOptionsId"): (
        "InvalidDhcpOptionsID.NotFound",
        "InvalidDhcpOptionsID.NotFound",
    ),
    # A tag's resource may be of any kind, so nonsense is of none.
    ("CreateTags", "Resources"): (None, "InvalidID"),
    ("DeleteTags", "Resources"): (None, "InvalidID"),
}
TAKEN = {
    # A template is checked when it is launched, and credits are told one by one.
    ("CreateLaunchTemplate", "LaunchTemplateData"),
    ("ModifyInstanceCreditSpecification", "InstanceCreditSpecifications"),
}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield where in a request an id stands, and its prefix."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from places(inner, (*path, place))
    elif isinstance(value, str) and (found := ID.fullmatch(value)):
        yield path, found[1]


def put(value: Any, path: tuple[Any, ...], new: str) -> Any:
    """The same with something else in one place."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, dict):
        return {
            name: put(inner, tuple(rest), new) if name == step else inner for name, inner in value.items()
        }
    return [put(inner, tuple(rest), new) if place == step else inner for place, inner in enumerate(value)]


def expected(scenario: Scenario, path: tuple[Any, ...], prefix: str) -> dict[str, str]:
    """What is sent instead of an id → AWS's code."""
    kind = BY_PREFIX[prefix]
    missing, malformed = OTHER.get((scenario.action, path[0]), (None, None))
    return {
        f"{prefix}-{UNKNOWN}": missing or kind.not_found,
        NONSENSE: malformed or kind.refused(NONSENSE).code,
    }


@pytest.mark.parametrize("name", scenarios.load())
def test_an_id_that_names_nothing_has_awss_code(name: str) -> None:
    scenario = scenarios.load()[name]
    told: dict[str, str] = {}
    wanted: dict[str, str] = {}

    async def ask() -> None:
        with tempfile.TemporaryDirectory() as directory:
            lab = Lab(Path(directory))
            await lab.start()
            request = await scenario.set_up(lab)
            await lab.running.idle()
            for path, prefix in places(request):
                if (scenario.action, path[0]) in TAKEN:
                    continue
                for sent, code in expected(scenario, path, prefix).items():
                    where = f"{'.'.join(map(str, path))}={sent}"
                    answer = await lab.running.answer(scenario.action, put(request, path, sent))
                    told[where], wanted[where] = answer.code or "no error", code
            await lab.running.stop()
            await lab.close()

    clock.run(ask())
    assert told == wanted
