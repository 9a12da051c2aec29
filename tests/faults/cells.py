"""The enumeration: a scenario run once tells its native calls; each call and mode is a cell, which is run and judged.

The rule: what CloudStack and the store hold in the end is what they held before, or what success makes; the client was
told the truth; and the next request works.
"""

import asyncio
import logging
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ec2bridge.cloudstack.answers import is_read
from ec2bridge.exchange import ids_in
from ec2bridge.simulator import faults
from ec2bridge.simulator.faults import Fault
from ec2bridge.wire.model import operation
from tests.faults import clock
from tests.faults.inventory import Inventory, difference, renewed
from tests.faults.lab import FAST, GONE, JOB_TIMEOUT, Lab, Native, Told
from tests.faults.scenarios import Request, Scenario, load

KILLED_BEFORE, KILLED_AFTER, CLIENT_GONE = "killed-before", "killed-after", "client-gone"
KILLED_AT_RANDOM = "killed-at-random"
OWN_MODES = {
    KILLED_BEFORE: "the bridge dies before the call is made, and is started again on the same store",
    KILLED_AFTER: "the bridge dies after the call's effect, before its answer is read",
    CLIENT_GONE: "the client hangs up; it asks again with its token, where the action has one",
}
OF_READS = (faults.REFUSED, KILLED_BEFORE)
OF_WRITES = (faults.REFUSED, faults.DROPPED, faults.LOST, faults.PAGE, faults.GARBLED, *OWN_MODES)
OF_JOBS = (*OF_WRITES, faults.JOB_FAILS, faults.JOB_HANGS)
ATTEMPTS = 3
"""What AWS's SDKs make of a request, in their standard mode."""
GONE_ALREADY = re.compile(r"NotFound|NotAttached|NotAssociated|IncorrectState|NotExist|Unknown|InvalidState")
THERE_ALREADY = re.compile(r"InUse|Already|Duplicate|Conflict")
"""Codes by which a request that is sent again is told that nothing is left to do."""
SEEN = (
    "DescribeAddresses", "DescribeInstances", "DescribeNetworkAcls", "DescribeNetworkInterfaces",
    "DescribeSecurityGroupRules", "DescribeSecurityGroups", "DescribeSubnets", "DescribeTags",
)  # fmt: skip
"""What is asked of EC2 where things have been made anew, besides what the scenario asks."""
RENEWED = "renewed"
REFUSALS = (faults.REFUSED, faults.JOB_FAILS)
FAILURES = frozenset({"terminated", "failed", "error", "deleted", "closed"})
BY_USER = re.compile(r"Client\.User|instance-terminated-by-user$")
"""Codes of what the client itself has brought about."""
REASON = re.compile(r'store:stop .*"reason"')
"""A note of why a machine is as it is: Describe shows it."""
ASKED = ("store:fleet", "store:spot-instances-request")
"""What records that something was asked for: it stays, whatever becomes of that."""
SEVERAL = ("i-", "snap-")
"""The ids of what may be promised in numbers, of which some may fail."""
OF_TIERS = frozenset({"acls", "aclrules", "networks"})
"""What a tier lets through for the machines in it: it changes with the first that comes and the last that goes."""
ENDING = (
    "Cancel", "Delete", "Deregister", "Detach", "Disable", "Disassociate", "Release", "Replace", "Revoke",
    "Terminate", "Unassign",
)  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One fault in one run: the `number`-th call of the scenario, counted from 0, and how it goes wrong."""

    scenario: str
    number: int
    call: str
    mode: str

    def __str__(self) -> str:
        return f"{self.scenario} · {self.call} · {self.mode}"


@dataclass(frozen=True)
class Outcome:
    """What became of a cell. `fault` is empty where the rule held."""

    cell: Cell
    told: str
    end: str
    fault: str = ""


Played = tuple[str, list[Outcome], float]
"""A scenario's name, what became of its cells, and the seconds that it took."""


@dataclass
class Ran:
    """One run: what the client was told, and what there is in the end."""

    told: Told
    calls: list[Native]
    inventory: Inventory
    came: bool
    """Whether the call of the cell was made at all."""


@dataclass
class Norm:
    """What there is before a scenario and after its success, in lines."""

    known: Inventory
    shown: list[str]
    """What EC2 shows before."""
    before: Counter[str]
    success: Inventory
    """What there is after its success, with the answer."""
    after: Counter[str]
    calls: list[Native]

    def lines(self, ran: Ran) -> Counter[str]:
        return self.lines_of(ran.inventory)

    def lines_of(self, inventory: Inventory) -> Counter[str]:
        return inventory.lines(self.known)


class Stage:
    """One scenario, set up once and played as often as wanted."""

    def __init__(self, scenario: Scenario, lab: Lab) -> None:
        self.scenario, self.lab = scenario, lab
        self.request: Request = {}
        self.norm: Norm

    async def set_up(self) -> None:
        await self.lab.empty()
        await self.lab.start()
        self.request = await self.scenario.set_up(self.lab)
        # CloudStack's own groups and ACL lists are there from the first look on.
        for question in {"DescribeSecurityGroups", "DescribeNetworkAcls", self.scenario.describe}:
            await self.lab.running.answer(question, {})
        await self.lab.keep()
        await self.lab.back()
        await self.lab.start()
        await self.lab.quiet()
        known = await self._seen_to()
        shown = await self._shown()
        await self.lab.running.stop()
        ran = await self.play(None)
        self._check(ran)
        after = ran.inventory.lines(known)
        self.norm = Norm(known, shown, known.lines(known), ran.inventory, after, ran.calls)

    def _check(self, ran: Ran) -> None:
        """Without a fault the action does what its scenario says."""
        refused = self.scenario.refused
        as_told = ran.told.code == refused if refused else ran.told.ok
        assert as_told, f"{self.scenario.name} without a fault: {ran.told}"
        if refused:
            assert all(call.is_read for call in ran.calls), f"{self.scenario.name}: refused after a change"

    async def play(self, cell: Cell | None) -> Ran:
        """Put everything back, and have the client ask with this fault."""
        await self.lab.back()
        await self.lab.start()
        client = Client(self.lab, self.scenario.action, self.request, cell)
        told = await client.ask("token-1")
        await client.see_it_through()
        calls = list(client.first.wire.calls)
        came = client.disarm()
        await self.lab.quiet()
        ran = Ran(told, calls, await self._inventory(told), came)
        if cell is None:
            await self.lab.running.stop()
        return ran

    async def _inventory(self, told: Told) -> Inventory:
        found = await self._seen_to()
        if told.ok:
            found.rows += [("answer", one) for one in set(ids_in(told.answer))]
        return found

    async def _seen_to(self) -> Inventory:
        """All that there is when the client has looked: what jobs have come to is seen to by whoever looks.

        That may be another job, so it looks once more.
        """
        for _ in range(2):
            await self.lab.running.answer(self.scenario.describe, {})
            await self.lab.running.idle()
            await self.lab.sim.settle()
        found = await self.lab.inventory()
        return found.wherever_addresses_lie() if self.scenario.anywhere else found

    async def run(self, cell: Cell) -> Outcome:
        """Play a cell and hold it to the rule."""
        ran = await self.play(cell)
        outcome = await self.outcome(cell, ran)
        await self.lab.running.stop()
        return outcome

    async def outcome(self, cell: Cell, ran: Ran) -> Outcome:
        """Hold a run to the rule, with the bridge still there."""
        lines = self.norm.lines(ran)
        end = self._end(lines, ran.told)
        if end != "done" and ran.told.ok and self._changes:
            end = await self._failed(ran) or end
        refused = cell.mode in REFUSALS and not ran.told.ok
        if end == "neither" and refused and await self._is_renewed(ran):
            end = RENEWED
        fault = self._judge(cell, ran, lines, end) or await self._next(end, ran)
        return Outcome(cell, str(ran.told)[:200], end, fault[:2000])

    def _end(self, lines: Counter[str], told: Told) -> str:
        silent = not told.ok or self.scenario.unnamed
        if lines == self.norm.after or (silent and lines == self._silent(self.norm.after)):
            return "done"
        share = self._share(self._silent(lines), 1)
        if share == 0:
            return "as before"
        named = self._named
        part = None if told.ok or told.unknown or len(named) < 2 else self._share(lines, len(named))
        return "in part" if part else "neither"

    async def _failed(self, ran: Ran) -> str:
        """Return `failed` where what was promised shows as having failed, and nothing else of it is left.

        What is shown as failed may lie about where it is new: whoever asked for it takes it away.
        """
        answer = ran.told.answer or {}
        if answer.get("Errors"):
            return "failed" if self._share(self._silent(self.norm.lines(ran)), 1) == 0 else ""
        promised = set(ids_in(answer))
        shown = await self.lab.running.answer(self.scenario.describe, {})
        failed = promised & set(failed_ids(shown.answer))
        if not failed:
            return ""
        norm = self.norm

        def rest(inventory: Inventory, gone: set[str]) -> Counter[str]:
            return self._silent(norm.lines_of(inventory.without(norm.known.lacking(gone))))

        lines = self._without_reasons(rest(ran.inventory, failed))
        if self._share(lines, 1, ASKED) == 0:
            return "failed"
        made = norm.known.lacking(str(row) for kind, row in norm.success.rows if kind == "answer")
        if {one[:4] for one in failed} == {"ami-"} and rest(ran.inventory, failed) == rest(
            norm.success, made
        ):
            # An image's snapshot shows, with the image in its description, and can be deleted by whoever asked.
            return "failed"
        several = {ident for ident in promised if ident.startswith(SEVERAL)}
        share = self._share(lines, len(several), ASKED) if several else None
        return "failed" if share is not None and share == len(several - failed) else ""

    def _without_reasons(self, lines: Counter[str]) -> Counter[str]:
        """The lines with the notes that were there before in place of the reasons for what failed."""
        reasons = Counter({line: count for line, count in lines.items() if REASON.match(line)})
        notes = {line: count for line, count in self.norm.before.items() if line.startswith("store:stop ")}
        return lines - reasons + Counter(notes) if reasons else lines

    def _share(self, lines: Counter[str], of: int, but: tuple[str, ...] = ()) -> int | None:
        """How many of so many things are as success makes them, where each of the others is wholly as it was before.

        None where anything is neither, or half. Of some kinds (`but`) there is what success makes, whatever is in it;
        and what stays for good once it was made, or is there for several, may be there.
        """
        before, after = self.norm.before, self._silent(self.norm.after)
        done: Counter[str] = Counter()
        whole: Counter[str] = Counter()
        if any(_of_kind(lines, kind) != _of_kind(after, kind) for kind in but):
            return None
        for line in lines.keys() | before.keys() | after.keys():
            kind, changes, far = _kind(line), after[line] - before[line], lines[line] - before[line]
            if kind in but:
                continue
            if not min(changes, 0) <= far <= max(changes, 0):
                return None
            if not self.scenario.stays.match(line):
                whole[kind] += abs(changes)
                done[kind] += abs(far)
        shares = {kind: done[kind] * of / count for kind, count in whole.items() if count}
        found = {share for kind, share in shares.items() if kind not in OF_TIERS}
        if found <= {0.0} or found == {of}:
            found = set(shares.values())
        share = found.pop() if len(found) == 1 else None if found else 0.0
        return int(share) if share is not None and share.is_integer() else None

    @property
    def _named(self) -> list[Any]:
        """The things that the request names in one list."""
        return max((value for value in self.request.values() if isinstance(value, list)), key=len, default=[])

    async def _is_renewed(self, ran: Ran) -> bool:
        """Whether a refusal had things made anew that CloudStack cannot put back, and nobody who asks EC2 sees it."""
        return renewed(ran.inventory, self.norm.known) and await self._shown() == self.norm.shown

    async def _shown(self) -> list[str]:
        """What EC2 shows of what a renewal may be of, in no order."""
        asked = [*SEEN, self.scenario.describe]
        return [unordered((await self.lab.running.answer(one, {})).answer) for one in asked]

    @staticmethod
    def _silent(lines: Counter[str]) -> Counter[str]:
        return Counter({line: count for line, count in lines.items() if not line.startswith("answer ")})

    def _judge(self, cell: Cell, ran: Ran, lines: Counter[str], end: str) -> str:
        told = ran.told
        if not ran.came:
            return "the call was not made in this run"
        if end == "neither":
            wanted = self.norm.after if told.ok else self._nearer(lines)
            return f"told {told}; " + " ".join(difference(lines, wanted))
        if end == "failed":
            # A change that CloudStack refuses after the client was told counts as a job that failed.
            said_no = cell.mode == faults.JOB_FAILS or (
                cell.mode == faults.REFUSED and not is_read(cell.call)
            )
            return "" if said_no else "what was promised failed, and no job had"
        if end == "in part":
            return "" if cell.mode == faults.REFUSED else f"told {told}, and a part is done"
        if told.ok and end != "done":
            # An action that changes nothing that CloudStack or the store holds ends as it began.
            return (
                ""
                if self.norm.before == self._silent(self.norm.after)
                else "told success, and nothing was done"
            )
        if not told.ok and not told.unknown and end == "done" and self._changes:
            return "" if self._may_say_already(cell, told) else f"told {told}, and it is done"
        return ""

    @property
    def _changes(self) -> bool:
        return self.norm.before != self._silent(self.norm.after)

    def _nearer(self, lines: Counter[str]) -> Counter[str]:
        ends = (self.norm.before, self._silent(self.norm.after))
        return min(ends, key=lambda end: len(difference(lines, end)))

    def _may_say_already(self, cell: Cell, told: Told) -> bool:
        """Whether the truth is that nothing was left to do: nobody lives who could have known better.

        AWS says so, too, where a request without a token is sent again. It is not enough where the first answer would
        have told something new: an id, or a key.
        """
        if cell.mode not in (*OWN_MODES, KILLED_AT_RANDOM):
            return False
        if cell.mode == KILLED_AT_RANDOM and not idempotency_token(self.scenario.action):
            # It died between its last write and its answer: without a token, asking again is another request.
            return bool(THERE_ALREADY.search(told.code) or GONE_ALREADY.search(told.code))
        if self.scenario.action.startswith(ENDING):
            return bool(GONE_ALREADY.search(told.code))
        tells = any(line.startswith("answer ") and "*" in line for line in self.norm.after)
        return not tells and bool(THERE_ALREADY.search(told.code))

    async def _next(self, end: str, ran: Ran) -> str:
        """Have the client go on: with the same request where nothing was done, else with a question."""
        if end in ("done", "failed"):
            told = await self.lab.running.answer(self.scenario.describe, {})
            return "" if told.ok else f"{self.scenario.describe} afterwards: {told}"
        client = Client(self.lab, self.scenario.action, self.request, None)
        told = await client.ask("token-2")
        await client.see_it_through()
        await self.lab.quiet()
        if not told.ok:
            return f"the same request afterwards: {told}"
        inventory = await self._inventory(told)
        found = inventory.lines(self.norm.known)
        if found != self.norm.after and not (end == RENEWED and renewed(inventory, self.norm.success)):
            return "the same request afterwards makes " + " ".join(difference(found, self.norm.after))
        return ""


def _kind(line: str) -> str:
    return line.partition(" ")[0]


def _of_kind(lines: Counter[str], kind: str) -> int:
    return sum(count for line, count in lines.items() if _kind(line) == kind)


def idempotency_token(action: str) -> str | None:
    """The member in which an action takes its token."""
    op = operation(action, "ec2")
    return next(iter(op.idempotency_tokens), None) if op else None


class Client:
    """What AWS's SDKs do: ask, and ask again when the answer leaves open what happened."""

    def __init__(self, lab: Lab, action: str, request: Request, cell: Cell | None) -> None:
        self.lab, self.action, self.request, self.cell = lab, action, request, cell
        self.first = lab.running
        self.broken = asyncio.Event()
        self.token = idempotency_token(action)
        if cell is not None:
            self._arm(cell)

    def _arm(self, cell: Cell) -> None:
        wire = self.first.wire
        if cell.mode in faults.MODES:
            code = 530 if is_read(cell.call) else 531
            wire.fault = Fault(cell.mode, "*", cell.number + 1, seconds=1.5 * JOB_TIMEOUT, errorcode=code)
        else:
            wire.trips[cell.number] = self._trip

    def disarm(self) -> bool:
        """Have nothing go wrong any more; whether it did."""
        wire = self.first.wire
        waiting = wire.fault is not None or bool(wire.trips)
        wire.fault = None
        wire.trips.clear()
        return not waiting

    def _trip(self, after: bool) -> None:
        assert self.cell is not None
        if after is not (self.cell.mode == KILLED_AFTER):
            return
        self.first.wire.trips.clear()
        if self.cell.mode != CLIENT_GONE:
            self.first.wire.dead = True
        self.broken.set()

    async def ask(self, token: str) -> Told:
        request = {**self.request, self.token: token} if self.token else self.request
        told = GONE
        for attempt in range(ATTEMPTS):
            told = await self._ask_once(request)
            if not told.unknown or (told is GONE and self._is_gone_for_good):
                break
            await asyncio.sleep(0 if told is GONE else 2**attempt)
        return told

    @property
    def _is_gone_for_good(self) -> bool:
        return self.cell is not None and self.cell.mode == CLIENT_GONE and not self.token

    async def _ask_once(self, request: Request) -> Told:
        asking = asyncio.create_task(self.lab.running.answer(self.action, request))
        breaking = asyncio.create_task(self.broken.wait())
        self.lab.mine.add(breaking)
        await asyncio.wait((asking, breaking), return_when=asyncio.FIRST_COMPLETED)
        breaking.cancel()
        self.lab.mine.discard(breaking)
        if not self.broken.is_set():
            return asking.result()
        self.broken.clear()
        if self.first.wire.dead and self.lab.running is self.first:
            if asking.done() and not asking.cancelled():
                # Its last word had left before it died.
                told = asking.result()
                await self._start_again()
                return told
            await self._start_again()
        self.left = asking
        return GONE

    async def _start_again(self) -> None:
        await self.first.kill()
        await self.lab.restart()

    async def see_it_through(self) -> None:
        """Wait for what goes on behind the answer, and start the bridge again if it dies in it."""
        await self.lab.running.idle()
        if self.first.wire.dead and self.lab.running is self.first:
            await self._start_again()


def unordered(value: Any) -> str:
    """An answer as text in which the order of lists tells nothing."""
    if isinstance(value, list):
        return f"[{', '.join(sorted(map(unordered, value)))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {unordered(inner)}' for name, inner in sorted(value.items()))}}}"
    return str(value)


def failed_ids(value: Any) -> Iterator[str]:
    """The ids of what an answer shows in a state of failure, or with a reason that is not the client's."""
    if isinstance(value, list):
        for inner in value:
            yield from failed_ids(inner)
    elif isinstance(value, dict):
        if _is_failed(value):
            yield from (inner for inner in value.values() if isinstance(inner, str))
        for inner in value.values():
            yield from failed_ids(inner)


def _is_failed(item: dict[str, Any]) -> bool:
    reason, status = item.get("StateReason"), item.get("Status")
    state = item.get("State") or item.get("ModificationState")
    if isinstance(reason, dict) and reason.get("Code"):
        return not BY_USER.match(reason["Code"])
    if isinstance(status, dict) and BY_USER.match(str(status.get("Code"))):
        return False
    return (state.get("Name") if isinstance(state, dict) else state) in FAILURES


def cells(scenario: str, calls: list[Native]) -> Iterator[Cell]:
    """Every call of a run and every mode that it may go wrong in."""
    seen: Counter[str] = Counter()
    written, polling = False, False
    for number, call in enumerate(calls):
        seen[call.command] += 1
        again, polling = polling and call.is_poll, call.is_poll
        written = written or not call.is_read
        # Of many questions after one job the first stands for all; before the first write there is nothing to lose.
        modes = () if again else _modes(call, written)
        for mode in modes:
            yield Cell(scenario, number, f"{call.command}#{seen[call.command]}", mode)


def _modes(call: Native, written: bool) -> tuple[str, ...]:
    if call.is_read:
        return OF_READS if written else OF_READS[:1]
    return OF_JOBS if call.job else OF_WRITES


def play(scenario: Scenario, wanted: Any = None) -> tuple[list[Outcome], float]:
    """Run the cells of a scenario, all or those that `wanted` (a predicate of cells) accepts; and how long it took."""

    async def work() -> list[Outcome]:
        with tempfile.TemporaryDirectory(dir=FAST) as directory:
            lab = Lab(Path(directory))
            stage = Stage(scenario, lab)
            await stage.set_up()
            found = []
            for cell in () if scenario.refused else cells(scenario.name, stage.norm.calls):
                if wanted is None or wanted(cell):
                    try:
                        found.append(await stage.run(cell))
                    except Exception as error:
                        found.append(Outcome(cell, "", "neither", f"the harness: {error!r}"))
            await lab.close()
            return found

    started = time.monotonic()
    return clock.run(work()), time.monotonic() - started


def play_by_name(name: str) -> Played:
    """Run all cells of one scenario, in a process of its own."""
    logging.disable(logging.CRITICAL)
    return name, *play(load()[name])
