"""A key pair deleted, as the journal's steps: from CloudStack, where the eldest of its other names takes its place."""

import json
from collections.abc import Iterable
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError, CloudStackUnavailable
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.resources.key_pairs import records as key_records
from ec2bridge.resources.key_pairs.records import ALIASES, RECORDS
from ec2bridge.store import Change, Entry

Row = dict[str, Any]

PLAN = "DeleteKeyPair"


def _place(name: str | None, ident: str | None) -> str:
    """What stands for a request to delete: DeleteKeyPair has no client token."""
    return json.dumps([name, ident])


async def is_being_deleted(ctx: Context, name: str | None, ident: str | None) -> bool:
    """Whether this very request was sent before, and its bearer died over it: `finish` goes on with it then."""
    return await journal.claim(ctx, PLAN, _place(name, ident)) is True


async def finish(ctx: Context, name: str | None, ident: str | None) -> Row:
    """Go on with a deletion that somebody else has begun; returns the row as it was."""
    return await delete(ctx, {}, name, ident)


async def delete(ctx: Context, row: Row, name: str | None, ident: str | None) -> Row:
    """Delete a key pair, which the request names by a name, an id or both; returns its row as it was."""
    given = {name: row[name] for name in ("id", "nativeid", "name", "aliasof") if name in row}
    made = await journal.perform(ctx, PLAN, {"row": given}, place=_place(name, ident))
    return dict(made["forgotten"]["row"])


@journal.plan(PLAN, forward=True)
def _steps(given: Given) -> list[Step]:
    return [
        Step("deleted", _is_gone, _delete, journal.nothing),
        Step("succeeded", journal.unseen, _succeed, journal.nothing),
        Step("forgotten", journal.unseen, _forget, journal.nothing),
    ]


async def _is_gone(work: Work) -> Made | None:
    row = work.given["row"]
    if "aliasof" in row:
        return None
    return None if row["nativeid"] in {one["id"] for one in await _native(work, row["name"])} else {}


async def _native(work: Work, name: str) -> list[Row]:
    rows = await work.ctx.account.list("listSSHKeyPairs", name=name)
    return [row for row in rows if row["name"] == name]


async def _delete(work: Work) -> Made:
    await key_records.remove(work.ctx, work.given["row"])
    return {}


async def _succeed(work: Work) -> Made:
    """Register the key anew under the eldest of its other names, which keeps its id."""
    heirs = await _heirs(work)
    if not heirs:
        return {}
    eldest, *rest = heirs
    own = eldest.value["id"]
    record = await _record(work, own)
    known = await _native(work, eldest.key) if work.again else []
    try:
        ident = known[0]["id"] if known else await _registered(work, eldest.key, record["line"])
    except CloudStackUnavailable:
        raise
    except CloudStackError:
        await _put_back(work, heirs, record["line"])
        raise
    work.along += [
        Change(RECORDS, ident, {**record, "id": own}),
        Change(RECORDS, own),
        Change(ALIASES, eldest.key),
        *_names(rest, ident),
    ]
    return {}


async def _heirs(work: Work) -> list[Entry]:
    """The other names of the key that is deleted; a further name has none."""
    if "aliasof" in work.given["row"]:
        return []
    entries = await work.ctx.store.list(work.ctx.owner_id, ALIASES)
    return [entry for entry in entries if entry.value["aliasof"] == work.given["row"]["nativeid"]]


async def _record(work: Work, ident: str) -> Row:
    return dict(await work.ctx.store.get(work.ctx.owner_id, RECORDS, ident) or {})


async def _registered(work: Work, name: str, line: str) -> str:
    answer = await work.ctx.account.call("registerSSHKeyPair", name=name, publickey=line)
    return str(answer["keypair"]["id"])


def _names(heirs: Iterable[Entry], ident: str) -> list[Change]:
    return [Change(ALIASES, heir.key, {**heir.value, "aliasof": ident}) for heir in heirs]


async def _put_back(work: Work, heirs: Iterable[Entry], line: str) -> None:
    """Have the key go by its first name again, with its id: without one in CloudStack its others are none."""
    row = work.given["row"]
    ident, record = await _registered(work, row["name"], line), await _record(work, row["nativeid"])
    noted = [Change(RECORDS, ident, {**record, "id": row["id"]})] if record else []
    changes = [*noted, Change(RECORDS, row["nativeid"]), *_names(heirs, ident)]
    await work.ctx.store.together(work.ctx.owner_id, *changes)


async def _forget(work: Work) -> Made:
    await key_records.forget(work.ctx, work.given["row"])
    return {"row": work.given["row"]}
