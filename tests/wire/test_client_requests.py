"""Requests that real clients sent (tests/client_requests), each understood down to its last parameter."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.wire.model import operation
from ec2bridge.wire.parse import PROTOCOL_PARAMETERS, parse
from tests.wire.peer import serialize

RECORDINGS = sorted((Path(__file__).parent.parent / "client_requests").glob("*.jsonl"))


def requests(recording: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.read_text().splitlines()]


def renumbered(form: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The form without the protocol's own parameters, with lists from 1 on."""
    pairs = [(name, value) for name, value in form if name not in PROTOCOL_PARAMETERS]
    if any(re.search(r"\.0(\.|$)", name) for name, _ in pairs):
        pairs = [(re.sub(r"\.(\d+)", lambda m: f".{int(m[1]) + 1}", name), value) for name, value in pairs]
    return sorted(pairs)


def test_all_recordings_are_here() -> None:
    assert sum(len(requests(recording)) for recording in RECORDINGS) == 557


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.stem)
def test_every_request_is_understood_whole(recording: Path) -> None:
    for request in requests(recording):
        form = [(name, value) for name, value in request["form"]]
        given = dict(form)
        service = "sts" if given["Version"] == "2011-06-15" else "ec2"
        op = operation(given["Action"], service)
        assert op is not None
        params = parse(op, form)
        assert renumbered(serialize(service, op.name, params)) == renumbered(form)
