"""Every call recorded from a real CloudStack, made again against the simulator in the same order.

`not_yet.txt` and its like name the calls whose answers differ so far, by `seq`, and why. They must be exact: a call
that is named there and agrees fails the test as one that is not named and differs, so the lists can only shrink.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest

from ec2bridge.simulator.dispatcher import sign
from ec2bridge.simulator.releases import NEWEST
from ec2bridge.simulator.seed import Seed
from ec2bridge.simulator.server import Simulator
from tests.simulator import replay
from tests.simulator.replay import Comparison, Pairs, account_of, inner, unsubmitted

HERE = Path(__file__).parent
PASSING = ("Starting", "Stopping", "Expunging")
OPERATOR_SETTINGS = ("allow.user.view.destroyed.vm", "allow.user.expunge.recover.vm")
NO_ENDPOINT = "No remote endpoint to send command, check if host or ssvm is down?"


@dataclass(frozen=True)
class Recording:
    """What was recorded of a server of one release."""

    folder: str
    version: str
    seed: Callable[[list[dict[str, Any]]], Seed]
    named: str
    """The file that names the calls whose answers differ so far."""
    keys: bool = True
    """Whether a recorded call has its key; else `as` tells whose it was."""
    fresh_install: int = 0
    """From here on the server had a fresh install's settings for destroyed machines."""
    no_images: range = range(0)
    """Calls during which the secondary storage VM was away, so that no template could be made."""
    watched: tuple[range, ...] = ()
    """Calls that watch jobs run, which must not be over before the calls are."""


RECORDINGS = (
    Recording(
        "recordings",
        NEWEST,
        replay.recorded_seed,
        "not_yet.txt",
        fresh_install=1201,
        watched=(range(258, 263), range(1021, 1037)),
    ),
    Recording("recordings-4.20.3", "4.20.3.0", replay.recorded_seed_4_20, "not_yet-4.20.3.txt", keys=False),
    *(
        Recording(
            f"recordings-{name}", "4.20.3.0", replay.recorded_seed_named, f"not_yet-{name}.txt", keys=False
        )
        for name in ("4.20.3-tags", "4.20.3-image", "4.20.3-keys")
    ),
    Recording(
        "recordings-4.20.3-template",
        "4.20.3.0",
        replay.recorded_seed_named,
        "not_yet-4.20.3-template.txt",
        keys=False,
        no_images=range(12, 16),
        watched=(range(12, 14),),
    ),
    Recording(
        "recordings-4.20.3-twice",
        "4.20.3.0",
        replay.recorded_seed_named,
        "not_yet-4.20.3-twice.txt",
        keys=False,
        watched=(range(6, 8), range(11, 13)),
    ),
)


class Replay:
    """One simulator, and the recorded calls made against it."""

    def __init__(self, sim: Simulator, session: aiohttp.ClientSession, recording: Recording) -> None:
        self.sim = sim
        self.session = session
        self.recording = recording
        self.pairs = Pairs()

    async def call(self, recorded: dict[str, Any]) -> list[str]:
        """The differences between the recorded answer and ours."""
        self._set_up(recorded["seq"])
        if unsubmitted(recorded, self.pairs):
            return []
        status, text = await self._settled(recorded)
        if "body" not in recorded:
            return [] if text.startswith("<?xml") == ("body_raw" in recorded) else ["not XML"]
        return self._compare(recorded, status, json.loads(text))

    def _set_up(self, seq: int) -> None:
        if seq == self.recording.fresh_install:
            for name in OPERATOR_SETTINGS:
                self.sim.cloud.settings[name] = False
        settings = self.sim.cloud.settings
        settings["template.creation.fails"] = NO_ENDPOINT if seq in self.recording.no_images else ""
        watched = any(seq in span for span in self.recording.watched)
        self.sim.cloud.job_time = 0.8 if watched else 0.02

    async def _settled(self, recorded: dict[str, Any]) -> tuple[int, str]:
        """Ask until the answer has got as far as the recorded one: jobs take their own time."""
        for _ in range(400):
            status, text = await self._send(recorded)
            if not self._early(recorded, text):
                break
            await asyncio.sleep(0.01)
        return status, text

    def _early(self, recorded: dict[str, Any], text: str) -> bool:
        command = recorded["request"].get("command")
        if command not in ("queryAsyncJobResult", "listVirtualMachines") or "body" not in recorded:
            return False
        theirs, ours = inner(recorded["body"]), inner(json.loads(text))
        if command == "queryAsyncJobResult":
            return ours.get("jobstatus") == 0 and theirs.get("jobstatus") != 0
        return _states(theirs) != _states(ours) or _is_busy(ours) > _is_busy(theirs)

    async def _send(self, recorded: dict[str, Any]) -> tuple[int, str]:
        params = [(name, self.pairs.ours(value)) for name, value in recorded["request"].items()]
        params = [(name, _later(recorded, value) if name == "expires" else value) for name, value in params]
        if not self.recording.keys:
            params.append(("apiKey", self.sim.accounts[account_of(recorded)].api_key))
        params.append(("signature", self._signature(recorded, params)))
        query = urlencode(params, quote_via=quote)
        url = self.sim.url
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if recorded["method"] == "POST":
            request = self.session.post(url, data=query, headers=headers)
        else:
            request = self.session.get(f"{url}?{query}")
        async with request as response:
            return response.status, await response.text()

    def _signature(self, recorded: dict[str, Any], params: list[tuple[str, str]]) -> str:
        keys = self.sim.accounts.get(account_of(recorded))
        if keys is None or recorded["case"] == "wrong-signature":
            return "d3Jvbmc="
        return sign(params, keys.secret_key)

    def _compare(self, recorded: dict[str, Any], status: int, body: dict[str, Any]) -> list[str]:
        comparison = Comparison(self.pairs)
        theirs, ours = inner(recorded["body"]), inner(body)
        if recorded["status"] != status:
            return [f"status {status} for {recorded['status']}: {str(ours)[:160]}"]
        if next(iter(recorded["body"])) != next(iter(body)):
            comparison.found.append(f"envelope {next(iter(body))}")
        self.pairs.learn(theirs, ours)
        if status != 200:
            comparison.errors(theirs, ours)
        elif not _unfinished(recorded, theirs):
            self._compare_answers(recorded, comparison, theirs, ours)
        return comparison.found

    def _compare_answers(
        self, recorded: dict[str, Any], comparison: Comparison, theirs: Any, ours: Any
    ) -> None:
        comparison.fields(theirs, ours)
        if recorded["request"].get("command") != "queryAsyncJobResult":
            return
        if theirs["jobstatus"] != ours["jobstatus"]:
            comparison.found.append(f"jobstatus {ours['jobstatus']}: {str(ours.get('jobresult'))[:160]}")
        elif theirs["jobstatus"] == 2:
            comparison.errors(theirs["jobresult"], ours["jobresult"])


def _unfinished(recorded: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """A poll that the recorded server answered with a job still running says nothing about ours."""
    return recorded["request"].get("command") == "queryAsyncJobResult" and theirs["jobstatus"] == 0


def _later(recorded: dict[str, Any], value: str) -> str:
    """An expiry that lay ahead then must lie ahead now."""
    return value.replace("2026-", "2126-") if recorded["status"] == 200 else value.replace("2026-", "2016-")


def _states(answer: dict[str, Any]) -> list[str]:
    """Of one machine its state, of several those that will pass."""
    states = sorted(row.get("state", "") for row in answer.get("virtualmachine", []))
    return states if len(states) == 1 else [state for state in states if state in PASSING]


def _is_busy(answer: dict[str, Any]) -> bool:
    """Whether a job of one of the machines is under way."""
    return any("jobid" in row for row in answer.get("virtualmachine", []))


async def replay_all(recording: Recording) -> dict[int, list[str]]:
    """The differences of every recorded call that differs."""
    recorded = replay.calls(recording.folder)
    settings: dict[str, Any] = dict.fromkeys(OPERATOR_SETTINGS, bool(recording.fresh_install))
    differences = {}
    seed = recording.seed(recorded)
    sim = Simulator(seed=seed, job_time=0.02, settings=settings, version=recording.version)
    async with sim, aiohttp.ClientSession() as session:
        again = Replay(sim, session, recording)
        for call in recorded:
            found = await again.call(call)
            if found:
                differences[call["seq"]] = [f"{call['request'].get('command')} {call['case']}", *found]
    return differences


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.folder)
def test_recorded_calls_agree_or_are_named(recording: Recording) -> None:
    differences = asyncio.run(replay_all(recording))
    lines = (HERE / recording.named).read_text("utf-8").splitlines()
    named = {int(number) for line in lines for number in line.partition("#")[0].split()}
    if os.environ.get("REPLAY_REPORT"):
        report = "\n".join(f"{seq} {'; '.join(found)}" for seq, found in differences.items())
        Path(os.environ["REPLAY_REPORT"]).write_text(report + "\n")
    differing = {seq: found for seq, found in differences.items() if seq not in named}
    assert not differing, f"calls that differ: {differing}"
    assert not named - differences.keys(), (
        f"calls that agree and are named: {sorted(named - differences.keys())}"
    )
