"""A key pair registered, as the journal's steps: found again by its name and its very key."""

from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.cloudstack.outcomes import is_key
from ec2bridge.ec2 import journal
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.journal import Given, Made, Step, Work
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.key_pairs import formats as key_formats
from ec2bridge.resources.key_pairs import records as key_records
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

PLAN = "CreateKeyPair"


async def register(ctx: Context, name: str, key: key_formats.Key, tags: dict[str, str]) -> Row:
    """Register a key under a name, and note what CloudStack will not tell of it; returns its row.

    A request that is sent again after its bridge has died has another private key, and registers that one instead.
    """
    given = {"name": name, "line": f"{key.line} {name}", "tags": tags}
    return dict((await journal.perform(ctx, PLAN, given, place=name, live=key))["pair"]["row"])


def duplicate(name: str) -> Ec2Error:
    """The error for a name that is taken."""
    return Ec2Error("InvalidKeyPair.Duplicate", f"The keypair '{name}' already exists.")


@journal.plan(PLAN)
def _steps(given: Given) -> list[Step]:
    return [Step("pair", _find, _register, _delete)]


async def _find(work: Work) -> Made | None:
    """Of who has died nobody knows the private key: what he registered is only looked for to be taken back."""
    row = await _row(work) if work.is_undone else None
    return row and {"row": row}


async def _row(work: Work) -> Row | None:
    name, line = work.given["name"], work.given["line"]
    for row in await key_records.rows(work.ctx):
        noted = row["record"].get("line") == line
        if row["name"] == name and (noted or is_key(row, {"name": name, "publickey": line})):
            return row
    return None


async def _register(work: Work) -> Made:
    ctx, key, name = work.ctx, work.live, work.given["name"]
    if work.again:
        if row := await _row(work):
            await key_records.delete(ctx, row)
        await work.lease.write(given={**work.given, "line": f"{key.line} {name}"})
    line = work.given["line"]
    row = await _native(ctx, name, line) or await key_records.add_name(ctx, name, key)
    if row is None:
        raise duplicate(name)
    await key_records.note(ctx, row["nativeid"], key, line)
    await resource_tags.attach(ctx, "key-pair", row["id"], work.given["tags"])
    return {"row": row}


async def _native(ctx: Context, name: str, line: str) -> Row | None:
    """Register a key with CloudStack; None when the account has the key under another name."""
    try:
        answer = await ctx.account.call("registerSSHKeyPair", name=name, publickey=line)
    except CloudStackError as error:
        if error.errortext.startswith("A key pair with key"):
            return None
        raise (duplicate(name) if "already exists" in error.errortext else error) from error
    return {**answer["keypair"], "nativeid": answer["keypair"]["id"]}


async def _delete(work: Work, made: Made) -> None:
    if row := await _row(work):
        await key_records.delete(work.ctx, row)
