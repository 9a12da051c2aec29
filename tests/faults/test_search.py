"""Some of what `make search` plays; a failure names the seed."""

import subprocess
from typing import Any

import pytest

from tests.faults import held
from tests.faults.search import command

STORIES, AT_ONCE = 9, 3


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, STORIES, AT_ONCE))
def test_after_any_story_all_is_seen_nothing_is_under_way_and_everything_can_be_deleted(first: int) -> None:
    words, environment = command("--first", str(first), "--count", str(AT_ONCE))
    played = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stdout + played.stderr


def test_answers_that_contradict_each_other_are_noticed() -> None:
    on = {"Ebs": {"VolumeId": "vol-1"}}
    machine = {"InstanceId": "i-1", "State": {"Name": "running"}, "BlockDeviceMappings": [on]}
    shown: dict[str, Any] = {
        "Instances": [machine],
        "Volumes": [{"VolumeId": "vol-1", "Attachments": [{"InstanceId": "i-1"}]}],
        "Addresses": [],
        "NetworkInterfaces": [{"Attachment": {"InstanceId": "i-1"}}],
    }
    assert list(held.at_odds(shown)) == []
    machine["State"] = {"Name": "terminated"}
    told = list(held.at_odds(shown))
    assert len(told) == 2, told
