"""`make bench`: its parts measure; in front of a management server nothing is left behind, whatever ends it."""

import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from bench import crowds, ended
from bench.crowd import in_order
from bench.limits import Limit
from tests.conftest import Place

ROOT = Path(__file__).parent.parent


def begun(place: Place, folder: Path, **options: Any) -> "subprocess.Popen[str]":
    """Start a run in the zone with security groups."""
    keys = folder / "keys.ini"
    users = {name: place.sim.accounts[name] for name in ("alice", "keylookup")}
    keys.write_text(
        "".join(
            f"[{name}]\nkey = {user.api_key}\nsecret = {user.secret_key}\n" for name, user in users.items()
        )
    )
    keys.chmod(0o600)
    told = {
        "cloudstack-url": place.sim.url,
        "keys": keys,
        "profile": "alice",
        "look-up": "keylookup",
        "zone": "sim-sg",
        "template": "Debian GNU/Linux 12",
        "offering": "t2.micro",
        **options,
    }
    words = [f"--{name}={value}" for name, value in told.items()]
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def machines(place: Place) -> list[str]:
    """The states of all machines that CloudStack has, those that users are not shown among them."""

    async def look() -> list[str]:
        return [row["state"] for row in place.sim.cloud.tables["machines"]]

    states: list[str] = place.run(look())
    return states


def test_a_run_tells_its_ratios_and_takes_all_away(place: Place, tmp_path: Path) -> None:
    run = begun(place, tmp_path, machines=3, rounds=1, polls=2)
    told, said = run.communicate(timeout=120)
    assert run.returncode in (0, 1), said
    for what in (
        "| DescribeInstances, 1 | ",
        "| DescribeInstances, 3 (4 shown) | ",
        "| RunInstances, 1 | ",
        "| RunInstances, 3 | ",
        " | deployVirtualMachine, 3 in turn (from 1) | ",
        # By the release that is played.
        f"CloudStack was asked for: 1 {'listUserKeys' if place.sim.cloud.since('4.23') else 'getUser'} of ",
        "| RunInstances of 3 to 3 deployments in turn, until they run | ≤ 0.25 | ",
    ):
        assert what in told, told
    assert run.returncode == int("| no |" in told)
    assert place.sim.calls["deployVirtualMachine"] == 1 + 3 + 1 + 1
    assert not machines(place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_takes_all_away(place: Place, tmp_path: Path, number: signal.Signals) -> None:
    run = begun(place, tmp_path, machines=2, rounds=1000, polls=1)
    # In the middle of the launches in turn: machines of both APIs are there.
    while place.sim.calls["deployVirtualMachine"] < 6:
        assert run.poll() is None, run.communicate()
        time.sleep(0.05)
    run.send_signal(number)
    _, said = run.communicate(timeout=120)
    assert run.returncode != 0
    assert "looking for what is left of bench-" in said
    assert not machines(place)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"profile": "nobody"}, "choose a section with --profile (there are: alice, keylookup)"),
        ({"zone": "sim-adv"}, "there is no network: name one with --network (there are: none)"),
        ({"template": "no-such"}, "there is no template 'no-such': name one with --template (there are: "),
        ({"offering": ""}, "there is no offering '': name one with --offering"),
    ],
)
def test_what_is_to_be_launched_must_be_clear(
    place: Place, tmp_path: Path, options: dict[str, str], sentence: str
) -> None:
    run = begun(place, tmp_path, **options)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert sentence in said


def test_a_limit_holds_in_the_digits_that_are_shown() -> None:
    assert Limit("a", 1.054, most=1.05).line() == "| a | ≤ 1.05 | 1.05 | yes |"
    assert Limit("a", 1.06, most=1.05).line() == "| a | ≤ 1.05 | 1.06 | no |"
    assert Limit("a", 49.0, least=50, unit=" ms").line() == "| a | ≥ 50 ms | 49.00 ms | no |"


def test_a_client_of_a_crowd_reads_in_turn_and_writes_one_in_so_many() -> None:
    reads, writes = [(name.encode(), {}) for name in "ab"], [(name.encode(), {}) for name in "XY"]
    told = b"".join(body for body, _ in islice(in_order(reads, writes, 3, 1), 9))
    assert told == b"bXbaYabXb"
    assert b"".join(body for body, _ in islice(in_order(reads, [], 3, 0), 4)) == b"abab"


def test_crowds_are_measured_with_one_worker_and_with_two() -> None:
    found = list(crowds.measured(0.2, crowds=(2,)))
    assert [(one.what, one.workers) for one in found] == [
        (what, workers)
        for workers in (1, 2)
        for what in ("DescribeInstances", "mixed reads", "mixed reads, CreateTags 90:10")
    ]
    assert all(one.crowd.rate and one.cpu and one.crowd.native for one in found)
    # Reads of eight kinds ask CloudStack for more than the machines.
    assert found[1].crowd.native > found[0].crowd.native


def test_terminated_machines_are_measured_beside_none() -> None:
    told, (limit,) = ended.run(0.5, ended=100)
    assert "with 100 more terminated within the hour" in told
    assert limit.measured > 0
