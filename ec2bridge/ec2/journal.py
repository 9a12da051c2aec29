"""The journal: what is written down of an action of several native calls before the first of them.

EC2's actions have their effect once and as a whole. CloudStack does one thing a call and knows no tokens; an answer of
its that does not come means that nobody knows, and a bridge may die between two calls. So an action that changes
several things is a plan of steps. A step knows how to see whether it has been done (`find`), how to do it (`do`) and
how to take it back (`undo`). `perform` plays them in order, looks before it repeats or gives up what has no answer,
and takes all back when one is refused. Whoever finds the record of a bearer that died goes on with it: the request that
is sent again finishes it, the sweep (`recovery`) takes it back, or finishes it where a plan goes forward only.
See docs/adr/0018.
"""

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import background, leases
from ec2bridge.ec2.context import Context, Ending
from ec2bridge.ec2.leases import Lease, LostError
from ec2bridge.errors import Ec2Error
from ec2bridge.store import Change, Entry, StoreUnavailable

log = logging.getLogger(__name__)

Made = dict[str, Any]
Given = dict[str, Any]

KIND = "journal"
DOING, UNDOING = "doing", "undoing"
BEAT = 5.0
LEASE = 20.0
"""Seconds of silence after which the bearer of a record is taken to have died with its process."""
POLL, _LISTEN = 0.1, 0.5
PAUSES = (0.0, 0.3, 1.0)
"""Seconds between looks for what became of a call whose answer did not come."""
LOOK_AGAIN = 60.0
"""Seconds after which a call without an answer, that nothing was found of, is looked for a last time."""
GIVE_UP = 24 * 3600.0
_TAKEN = "already exists"
"""How CloudStack refuses a name, or a range, that something has: what a step would find then is not its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """One native change. Each function is given the work; `find` returns None for what has not been done."""

    name: str
    find: "Callable[[Work], Awaitable[Made | None]]"
    do: "Callable[[Work], Awaitable[Made]]"
    undo: "Callable[[Work, Made], Awaitable[None]]"


async def unseen(work: "Work") -> Made | None:
    """Find nothing: the `find` of a step that may be done again, or looks for itself."""
    return None


async def nothing(work: "Work", made: Made) -> None:
    """Take nothing back: the `undo` of what goes with another step's, or stays."""


async def unless_gone(
    work: "Work", find: Callable[["Work"], Awaitable[Made | None]], deleting: Awaitable[Any]
) -> None:
    """Have what a step made deleted; a refusal counts only while its `find` tells that it is still there."""
    try:
        await deleting
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        if await find(work) is not None:
            raise


def job(
    name: str,
    find: Callable[["Work"], Awaitable[Made | None]],
    submit: Callable[["Work"], Awaitable[Mapping[str, Any]]],
    patience: float | None = None,
) -> list[Step]:
    """Return the steps of a job whose effect `find` tells: `submit` answers with its id, and it is seen to its end.

    The id is written down at once, so that whoever goes on with the record waits for the same job. One that fails
    because somebody else has had the same effect has it, too. `patience` is how long it may take, in
    seconds, where that is longer than for others.
    """

    async def is_there(work: "Work") -> Made | None:
        return None if await find(work) is None else {"jobid": None}

    async def begin(work: "Work") -> Made:
        return {"jobid": (await submit(work)).get("jobid")}

    async def end(work: "Work") -> Made:
        jobid = work.made[name]["jobid"]
        try:
            if jobid:
                return dict(await work.ctx.account.wait(jobid, timeout=patience))
        except CloudStackUnavailable:
            raise
        except CloudStackError:
            if (found := await find(work)) is None:
                raise
            return found
        return await find(work) or {}

    return [Step(name, is_there, begin, nothing), Step(f"{name}, ended", find, end, nothing)]


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an action, rebuilt from what the record has been given."""

    name: str
    steps: Callable[[Given], Sequence[Step]]
    forward: bool
    """Whether a record without a bearer is finished rather than taken back."""
    later: bool
    """Whether it is also finished where nobody knows that it was begun: what it makes so is always wanted."""
    lasting: bool
    """Whether it is tried again where CloudStack refuses it, less and less often."""


@dataclass(slots=True)
class Work:
    """A plan at work: what it was given and what its steps have made so far, as JSON has it."""

    ctx: Context
    plan: Plan
    lease: Lease
    live: Any = None
    """What the request has in memory beyond what it was given; nothing for who takes a record up."""
    again: bool = False
    """Whether somebody may have done the next step before, unseen."""
    ending: Ending | None = None
    along: list[Change] = field(default_factory=list)
    """What steps want to have in the store: it is written together with that they are done."""
    then: list[Callable[[], None]] = field(default_factory=list)
    """What is to begin when that is written."""

    @property
    def given(self) -> Given:
        return dict(self.lease.value["given"])

    @property
    def made(self) -> dict[str, Made]:
        return dict(self.lease.value["made"])

    @property
    def is_undone(self) -> bool:
        """Whether it is being taken back: then `find` tells of anything that there is."""
        return bool(self.lease.value["phase"] == UNDOING)

    @property
    def stem(self) -> str:
        """What the names of the things that it makes have in them: the same whenever the request is sent again.

        Where a place stands for the request, only as long as there is its record: the next one there is another.
        """
        return stem(self.lease.value.get("life") or self.lease.key)

    def left_nothing(self) -> None:
        """Say that what refused the step at work has made nothing: what it finds is another's, and stays."""
        self.lease.value["left_nothing"] = True

    @property
    def began(self) -> float:
        """When the record was written, in seconds since the epoch."""
        return float(self.lease.value["began"])


_plans: dict[str, Plan] = {}


def plan(
    name: str, *, forward: bool = False, later: bool = False, lasting: bool = False
) -> Callable[[Callable[[Given], Sequence[Step]]], Callable[[Given], Sequence[Step]]]:
    """Register the decorated function, which returns the steps for what it is given, as the plan of that name."""

    def register(steps: Callable[[Given], Sequence[Step]]) -> Callable[[Given], Sequence[Step]]:
        _plans[name] = Plan(name, steps, forward, later or lasting, lasting)
        return steps

    return register


def stem(key: str) -> str:
    """Return the part of names that a record's key becomes."""
    return f"ec2-{key[:17]}"


def key_of(ctx: Context, name: str, token: str | None) -> str:
    """Return the key of a record: the same for a request that is sent again with its token."""
    return hashlib.sha256(f"{ctx.owner_id}/{name}/{token or ctx.request_id}".encode()).hexdigest()[:32]


async def claim(ctx: Context, name: str, token: str) -> bool | None:
    """Whether this very request has left a record, sent before: `perform` goes on with that one then.

    One that is being finished, or taken back, is waited for; None says that it is over now, and that what was read
    before is out of date. False: there was none.
    """
    key, seen = key_of(ctx, name, token), False
    if key in ctx.claims:
        return True
    while (entry := await ctx.store.entry(ctx.owner_id, KIND, key)) is not None:
        seen = True
        if lease := await leases.take(ctx, KIND, entry, LEASE):
            ctx.claims[key] = lease
            return True
        await asyncio.sleep(POLL)
    return None if seen else False


async def over(ctx: Context, name: str, token: str) -> bool:
    """Wait a moment for a plan that is under way at a place, or take it up if its bearer died; False: there is none."""
    entry = await ctx.store.entry(ctx.owner_id, KIND, key_of(ctx, name, token))
    if entry is None:
        return False
    if leases.is_free(entry.value, LEASE):
        await resume(ctx, entry)
    else:
        await asyncio.sleep(POLL)
    return True


async def is_borne(ctx: Context, key: str) -> bool:
    """Whether the bearer of a record lives: it is heard of within a few seconds."""
    first: Entry | None = await ctx.store.entry(ctx.owner_id, KIND, key)
    for _ in range(int(1.5 * BEAT / _LISTEN)):
        await asyncio.sleep(_LISTEN)
        entry: Entry | None = await ctx.store.entry(ctx.owner_id, KIND, key)
        if first is None or entry is None or entry.version != first.version:
            return True
    return False


async def perform(
    ctx: Context,
    name: str,
    given: Given,
    token: str | None = None,
    live: Any = None,
    *,
    place: str | None = None,
    apart: str = "",
) -> dict[str, Made]:
    """Do a plan to its end and return what each step made; raises what refused it, when all is taken back.

    It goes on although the client hangs up. The record goes with its end or, where the request has a token whose answer
    is kept, with that. Where EC2 has no token, a `place` (what is to be made, and where) stands for the request, one
    at a time. `apart` tells several of one name in one request from each other.
    """
    life = uuid.uuid4().hex if place else None
    work = await _begun(ctx, _plans[name], given, key_of(ctx, name + apart, token or place), life)
    work.live = live
    work.ending = ctx.ending if token else None
    return await asyncio.shield(background.start(ctx.site, _borne(work, _played), f"{name} {work.lease.key}"))


async def _begun(ctx: Context, chosen: Plan, given: Given, key: str, life: str | None) -> Work:
    record = {
        "life": life,
        "plan": chosen.name,
        "given": given,
        "made": {},
        "phase": DOING,
        "began": time.time(),
        "access_key": ctx.credentials.access_key,
    }
    if claimed := ctx.claims.pop(key, None):
        await claimed.write(phase=DOING)
        return Work(ctx, chosen, claimed, again=True)
    while True:
        lease = await leases.begin(ctx, KIND, key, record)
        if lease is not None:
            # A token whose bearer died may have been through with its record, and not with its answer.
            return Work(ctx, chosen, lease, again=ctx.again)
        entry = await ctx.store.entry(ctx.owner_id, KIND, key)
        lease = entry and await leases.take(ctx, KIND, entry, LEASE)
        if lease:
            await lease.write(phase=DOING)
            return Work(ctx, chosen, lease, again=True)
        if entry is not None:
            await asyncio.sleep(POLL)


async def _borne(work: Work, play: Callable[[Work], Awaitable[dict[str, Made]]]) -> dict[str, Made]:
    beat = asyncio.create_task(work.lease.beat(BEAT))
    try:
        return await play(work)
    except LostError:
        raise Ec2Error("Unavailable", "Another bridge goes on with this request. Try again later.") from None
    finally:
        beat.cancel()


async def _played(work: Work) -> dict[str, Made]:
    steps = work.plan.steps(work.given)
    made = work.made
    try:
        for step in steps:
            if step.name in made:
                continue
            made[step.name] = await _done(work, step)
            work.lease.value["made"] = made
            if step is not steps[-1]:
                await work.lease.write(*work.along)
                _go_on(work)
    except LostError:
        raise
    except StoreUnavailable:
        # Whether it is written down nobody knows: whoever comes next, with the store there, goes on from what is.
        with suppress(StoreUnavailable):
            await work.lease.write(beat=0.0)
        raise
    except Exception as error:
        if not work.plan.forward:
            await _taken_back(work, unknown=isinstance(error, CloudStackUnavailable))
        elif isinstance(error, CloudStackUnavailable) and (made or work.plan.later):
            await work.lease.write(beat=0.0)
        elif isinstance(error, CloudStackError) and work.plan.lasting and not _is_old(work):
            pause = max(LOOK_AGAIN, time.time() - work.began)
            await work.lease.write(beat=0.0, later=time.time() + pause)
        else:
            # Refused, or not begun.
            await work.lease.end()
        raise
    if work.ending is None:
        await work.lease.end(*work.along)
        _go_on(work)
    else:
        work.ending.along += [await work.lease.last(), *work.along]
        work.ending.then += work.then
    return made


def _go_on(work: Work) -> None:
    for begin in work.then:
        begin()
    work.along, work.then = [], []


async def _done(work: Work, step: Step) -> Made:
    if work.again and (found := await step.find(work)) is not None:
        return found
    try:
        return await step.do(work)
    except CloudStackUnavailable:
        found = await sought(work, step)
        if found is None:
            raise
        return found
    except CloudStackError as error:
        if _TAKEN in error.errortext:
            # It was not there a moment ago: another request was faster.
            work.left_nothing()
        raise


async def sought(work: Work, step: Step) -> Made | None:
    """Look for what a call without an answer has made: it may still be on its way."""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        if (found := await step.find(work)) is not None:
            return found
    return None


async def _taken_back(work: Work, *, unknown: bool = False) -> None:
    """Undo what was made, the last first; what cannot be undone now is tried again by the sweep."""
    try:
        await _undone(work)
    except (CloudStackError, Ec2Error) as error:
        old = _is_old(work)
        (log.error if old else log.warning)(
            "%s cannot be taken back%s: %s", work.plan.name, " ever" * old, error
        )
        if old:
            await work.lease.end()
        else:
            await work.lease.write(beat=0.0, later=time.time() + LOOK_AGAIN)
        return
    if unknown:
        await work.lease.write(beat=0.0, later=time.time() + LOOK_AGAIN)
    else:
        await work.lease.end()


def _is_old(work: Work) -> bool:
    return work.began + GIVE_UP < time.time()


async def _undone(work: Work) -> None:
    await work.lease.write(phase=UNDOING)
    steps, made = list(work.plan.steps(work.given)), work.made
    count = next((place for place, step in enumerate(steps) if step.name not in made), len(steps))
    # What was refused may have left something, too, and so may what has no answer.
    own = not work.lease.value.get("left_nothing")
    if own and count < len(steps) and (found := await steps[count].find(work)) is not None:
        await steps[count].undo(work, found)
    for step in reversed(steps[:count]):
        await step.undo(work, made.pop(step.name))
        await work.lease.write(made=made)


async def resume(ctx: Context, entry: Entry) -> None:
    """Go on with a record whose bearer died: finish it, or take it back where nobody was told of it."""
    chosen = _plans.get(entry.value["plan"])
    if chosen is None:
        log.error("the journal has a plan that this version does not know: %s", entry.value["plan"])
        return
    lease = await leases.take(ctx, KIND, entry, LEASE)
    if lease is None:
        return
    work = Work(ctx, chosen, lease, again=True)
    log.info(
        "%s %s has no bearer and is %s",
        chosen.name,
        entry.key,
        "finished" if chosen.forward else "taken back",
    )
    await _borne(work, _played if chosen.forward else _resumed_back)


async def _resumed_back(work: Work) -> dict[str, Made]:
    await _taken_back(work)
    return {}


def due(value: Mapping[str, Any]) -> float:
    """Return when a record is there for whoever takes it up, in seconds since the epoch."""
    return max(float(value.get("beat", 0.0)) + LEASE, float(value.get("later", 0.0)))
