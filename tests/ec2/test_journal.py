"""The journal: what a lost answer, a refusal or a bridge's death leaves is finished or taken back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ec2bridge.ec2 import background, journal, own_store
from ec2bridge.store import Change, StoreUnavailable
from tests.conftest import Place
from tests.faulty import KILLS, LOST_ANSWER, LOST_CALL, SILENCE, behind, eventually, kill_during
from tests.launching import ADVANCED, code_of, ids, launch, tags, until

pytestmark = KILLS

REFUSAL = {"errorcode": 530, "errortext": "Something went wrong."}


def volume(ec2: Any, **more: Any) -> dict[str, Any]:
    """Ask for a volume with a tag."""
    request = {"AvailabilityZone": ADVANCED, "Size": 5, "ClientToken": "one", **more}
    made: dict[str, Any] = ec2.create_volume(TagSpecifications=[tags("volume", role="data")], **request)
    return made


def volumes(ec2: Any) -> list[str]:
    return [one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]]


def journal_of(place: Place) -> list[Any]:
    """The records that the journal has."""
    return list(place.run(place.bridge.site.store.everywhere(journal.KIND)))


@pytest.mark.parametrize("command", ["createVolume", "createTags", "queryAsyncJobResult"])
def test_a_lost_answer_is_looked_for(make_place: Callable[..., Place], command: str) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next(command, LOST_ANSWER)
    made = volume(ec2)
    assert volumes(ec2) == [made["VolumeId"]]
    assert volume(ec2)["VolumeId"] == made["VolumeId"]
    assert made["Tags"] == [{"Key": "role", "Value": "data"}]
    assert journal_of(front) == []


def test_a_lost_call_is_answered_with_an_error_and_leaves_nothing(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("createVolume", LOST_CALL)
    with pytest.raises(ClientError) as caught:
        volume(ec2)
    assert (code_of(caught), volumes(ec2)) == ("Unavailable", [])
    made = volume(ec2)
    assert volumes(ec2) == [made["VolumeId"]]


def test_what_is_refused_is_taken_back(make_place: Callable[..., Place]) -> None:
    front, way = behind(make_place)
    ec2 = front.client()
    way.next("createTags", REFUSAL)
    with pytest.raises(ClientError):
        volume(ec2)
    assert volumes(ec2) == []
    assert journal_of(front) == []


def test_what_could_not_be_taken_back_is_by_the_sweep(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "LEASE", 1.0)
    monkeypatch.setattr(journal, "LOOK_AGAIN", 0.1)
    front, way = behind(make_place, recovery_interval=0.2)
    ec2 = front.client()
    way.next("createTags", REFUSAL)
    way.next("deleteVolume", LOST_CALL)
    with pytest.raises(ClientError):
        volume(ec2)
    eventually(lambda: not volumes(ec2) and not journal_of(front))


@pytest.mark.parametrize("command", ["createVolume", "createTags"])
@pytest.mark.parametrize("again", [True, False])
def test_what_a_bridge_that_died_left_is_finished_or_taken_back(
    make_place: Callable[..., Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    again: bool,
) -> None:
    cloud = make_place()
    store = str(tmp_path / "store.sqlite")
    front, way = behind(make_place, cloud, store=store)
    way.next(command, SILENCE)
    with pytest.raises(Exception, match=r"."):
        kill_during(front, way, lambda: volume(front.client()))
    monkeypatch.setattr(journal, "LEASE", 1.0)
    monkeypatch.setattr("ec2bridge.ec2.client_tokens.LEASE", 1.0)
    heir, _ = behind(make_place, cloud, store=store, recovery_interval=600 if again else 0.2)
    ec2 = heir.client()
    if again:
        made = volume(ec2)
        assert volumes(ec2) == [made["VolumeId"]]
        assert made["Tags"] == [{"Key": "role", "Value": "data"}]
    else:
        eventually(lambda: not volumes(ec2))
    eventually(lambda: not journal_of(heir))


@pytest.mark.parametrize("written", [False, True])
def test_a_store_lost_between_two_steps_leaves_it_open_and_takes_nothing_back(
    make_place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    monkeypatch.setattr(journal, "LEASE", 0.5)
    monkeypatch.setattr(own_store, "PATIENCE", -1)  # it stays away for longer than anybody waits
    front, _ = behind(make_place, recovery_interval=600)
    ec2, store, away = front.client(), front.bridge.site.store, [True]
    together = store.together

    async def lose(account: str, *changes: Change) -> bool:
        between = away and changes[0].kind == journal.KIND and (changes[0].value or {}).get("made")
        done = await together(account, *changes) if written or not between else False
        if between:
            away.clear()
            raise StoreUnavailable("the store went away")
        return done

    store.together = lose
    with pytest.raises(ClientError) as caught:
        volume(ec2)
    assert (code_of(caught), len(front.sim.cloud.tables["volumes"]), away) == ("Unavailable", 1, [])
    made = volume(ec2)
    assert volumes(ec2) == [made["VolumeId"]]
    assert made["Tags"] == [{"Key": "role", "Value": "data"}]
    assert journal_of(front) == []


def test_a_launch_writes_no_more_than_it_must(place: Place) -> None:
    """Token and record begin; the address is chosen; answer, leavings and end are one; the machine's end."""
    ec2, store = place.client(), place.bridge.site.store

    def launched(token: str) -> None:
        until(ec2, "running", *ids(launch(ec2, Placement={"AvailabilityZone": ADVANCED}, ClientToken=token)))
        eventually(lambda: background.count(place.bridge.site) == 0)

    for token in ("first", "second"):
        before = store._writes
        launched(token)
    assert store._writes - before == 5
