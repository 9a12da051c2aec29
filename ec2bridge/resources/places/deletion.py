"""Subnets, VPCs and groups that are deleted while something is made in them.

CloudStack refuses to delete what something of its own is in, and knows nothing of interfaces, tables and gateways that
lie in the store, nor which machines are in a security group where it applies none; a VPC's addresses and ACL lists it
deletes with the VPC, and an affinity group from under its machines. AWS refuses one of the two requests. So who
deletes a place says so, and looks what is in it then; who makes something in it makes it, and looks then whether its
place stays. However the two meet, in one bridge or in several, one of them sees the other.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.store import Change

KIND = "deletion"
REMEMBERED = 3600.0
"""Seconds for which is known that a place is gone: longer than any request takes that has found it before."""

Do = Callable[[Work], Awaitable[None]]
Find = Callable[[Work], Awaitable[Made | None]]
Place = tuple[str, str]
"""Kind and uuid."""


def steps(free: Find, found: Find, delete: Do, forget: Do) -> list[Step]:
    """Return the steps of a deletion, of the place whose uuid is given as `id`.

    `free` raises what refuses it, and returns what is to be remembered for `forget`, which drops what is kept of the
    place; `found` sees whether it is gone.
    """

    async def check(work: Work) -> Made:
        if work.again:
            await _say(work)
        return await free(work) or {}

    async def do(work: Work) -> Made:
        await delete(work)
        return _done(work)

    async def look(work: Work) -> Made | None:
        return None if await found(work) is None else _done(work)

    async def drop(work: Work) -> Made:
        try:
            await forget(work)
        except CloudStackError as error:
            # The place is gone, and what is left of it has to go, too: it is tried again.
            raise CloudStackUnavailable(error.command, error.errortext or str(error)) from error
        return {}

    async def said(work: Work) -> Made:
        await _say(work)
        return {}

    return [
        Step("said", journal.unseen, said, journal.nothing),
        Step("free", journal.unseen, _unless_refused(check), journal.nothing),
        Step("deleted", look, _unless_refused(do), journal.nothing),
        Step("forgotten", journal.unseen, drop, journal.nothing),
    ]


async def _say(work: Work) -> None:
    value = {"plan": work.plan.name, "place": work.given["place"]}
    await work.ctx.store.put(work.ctx.owner_id, KIND, work.given["id"], value)


def _done(work: Work) -> Made:
    work.along.append(Change(KIND, work.given["id"], {"gone": True}, ttl=REMEMBERED))
    return {}


def _unless_refused(do: Callable[[Work], Awaitable[Made]]) -> Callable[[Work], Awaitable[Made]]:
    """A step after whose refusal the place stays."""

    async def wrapped(work: Work) -> Made:
        try:
            return await do(work)
        except CloudStackUnavailable:
            raise
        except (CloudStackError, Ec2Error):
            await work.ctx.store.delete(work.ctx.owner_id, KIND, work.given["id"])
            raise

    return wrapped


def place_of(kind: str, asked: str) -> str:
    """Return what stands for a request to delete a place: its EC2 id, however it is named."""
    return ec2_id(KINDS[kind].prefix, asked) if is_uuid(asked) else asked


async def was_sent_before(ctx: Context, plan: str, place: str) -> bool:
    """Go on with a deletion whose bearer died over it, whose place may be gone; False if there is none."""
    if not await journal.claim(ctx, plan, place):
        return False
    await journal.perform(ctx, plan, {}, place=place)
    return True


async def stays(ctx: Context, uuid: str) -> bool:
    """Whether a place is there for what has just been made in it; one that is being deleted is waited for."""
    while (entry := await ctx.store.entry(ctx.owner_id, KIND, uuid)) is not None:
        if entry.value.get("gone"):
            return False
        if not await journal.over(ctx, entry.value["plan"], entry.value["place"]):
            # Whoever said so died before it had begun, or after it was refused.
            await ctx.store.delete(ctx.owner_id, KIND, uuid, entry.version)
    return True


async def check(
    ctx: Context, kind: str, uuid: str, undo: Callable[[], Awaitable[object]] | None = None
) -> None:
    """Raise that a place does not exist if it went while something was made in it, which `undo` takes back."""
    if not await stays(ctx, uuid):
        if undo is not None:
            await undo()
        raise _missing(kind, uuid)


async def check_all(
    ctx: Context, places: Collection[Place], undo: Callable[[], Awaitable[object]] | None = None
) -> None:
    """`check` several places, by one look where none of them is being deleted."""
    said = await ctx.store.some(ctx.owner_id, KIND, [uuid for _, uuid in places])
    for kind, uuid in places:
        if uuid in said:
            await check(ctx, kind, uuid, undo)


def _missing(kind: str, uuid: str) -> Ec2Error:
    """The error for a place that is gone."""
    return KINDS[kind].missing(ec2_id(KINDS[kind].prefix, uuid))


@asynccontextmanager
async def within(ctx: Context, *places: Place) -> AsyncIterator[None]:
    """Make something natively in places; where CloudStack refuses it, the reason may be that one of them is gone."""
    try:
        yield
    except CloudStackUnavailable:
        raise
    except (CloudStackError, Ec2Error) as error:
        for kind, uuid in places:
            if not await stays(ctx, uuid):
                raise _missing(kind, uuid) from error
        raise


@asynccontextmanager
async def while_there(look: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do something natively with what CloudStack lets go itself; where it refuses, `look` raises that it is gone.

    CloudStack has other words for what went between the caller's look at it and its own.
    """
    try:
        yield
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        with suppress(CloudStackError):
            await look()
        raise
