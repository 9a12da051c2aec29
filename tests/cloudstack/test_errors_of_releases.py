"""CloudStack words its errors otherwise from release to release; a client gets the same EC2 code from each."""

import json
from pathlib import Path
from typing import Any

import pytest

from ec2bridge.cloudstack.errors import CloudStackError, translate
from ec2bridge.mapping import load_mappings
from ec2bridge.simulator import releases
from tests.cloudstack.test_errors import RECORDED, error_of

TABLE = load_mappings().errors
RECORDINGS = Path(__file__).parent.parent / "recordings-4.20.3"
VERSIONS = ["4.18.0.0", *releases.NAMED.values(), "4.19.0.0", "4.20.0.0", "4.22.0.0"]
# Those that changed, as the newest release words them.
CHANGED = json.loads((Path(__file__).parent / "changed_errors.json").read_text(encoding="utf-8"))
# CloudStack's own mistakes, and what a client can do nothing about.
INTERNAL = {"createTemplate", "queryAsyncJobResult"}
NEWEST = [error_of(recorded) for recorded in RECORDED]
NEWEST += [
    CloudStackError(error["command"], error["errorcode"], error["errorcode"], None, error["errortext"])
    for error in CHANGED
]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_text_has_the_same_code_as_each_release_words_it(version: str) -> None:
    codes: dict[str, tuple[str, str]] = {}
    for error in NEWEST:
        text = releases.worded(error.errortext, releases.version_of(version))
        older = CloudStackError(error.command, error.status, error.errorcode, error.cserrorcode, text)
        found, wanted = translate(older, TABLE).code, translate(error, TABLE).code
        if found != wanted:
            codes[text] = (found, wanted)
    assert codes == {}


def test_every_changed_text_is_among_them() -> None:
    texts = [error.errortext for error in NEWEST]
    unused = [
        newest.pattern
        for _, newest, _ in releases.rewordings()
        if not any(newest.search(text) for text in texts)
    ]
    assert unused == []


def test_what_a_client_can_act_on_is_no_internal_error() -> None:
    found = {
        error.command for error in NEWEST[len(RECORDED) :] if translate(error, TABLE).code == "InternalError"
    }
    assert found <= INTERNAL


def refusals() -> list[dict[str, Any]]:
    """What the recorded 4.20.3 refused, at once or in a job."""
    found = []
    for path in RECORDINGS.glob("*.jsonl"):
        for line in path.read_text("utf-8").splitlines():
            call = json.loads(line)
            inner = next(iter(call["body"].values()))
            answer = inner.get("jobresult", inner)
            if isinstance(answer, dict) and "errortext" in answer:
                command = inner["cmd"].rpartition(".")[2].removesuffix("Cmd") if "cmd" in inner else ""
                name = command[:1].lower() + command[1:] or call["request"]["command"]
                found.append({"command": name, "case": call["case"], "status": call["status"], **answer})
    return found


@pytest.mark.parametrize("refused", refusals(), ids=lambda refused: refused["case"])
def test_what_a_real_4_20_refused_has_an_ec2_code(refused: dict[str, Any]) -> None:
    error = CloudStackError(
        refused["command"],
        refused["status"],
        refused["errorcode"],
        refused.get("cserrorcode"),
        refused["errortext"],
    )
    translated = translate(error, TABLE)
    assert '{"' not in translated.message
    # The server had no second storage for a copy, and tells users no reason for some that it refuses.
    masked = "Internal error" in refused["errortext"] or refused["case"].startswith("copy-snapshot")
    assert translated.code != "InternalError" or masked or "Api Discovery" in refused["errortext"]
