"""What the store knows of key pairs: what they were when they passed this bridge, and further names of one key.

CloudStack shows neither a public key nor AWS's fingerprints of it, and takes a public key only once an account. EC2
takes it under any number of names, and Ansible imports a key under a passing name each time, to read its fingerprint.
So a second name is an entry of the store that stands for the key pair in CloudStack; when that one is deleted, the
eldest of its other names takes its place there.
"""

import asyncio
import base64
import hashlib
import time
import uuid
from typing import Any

from ec2bridge.ec2 import quotas
from ec2bridge.ec2.context import Context
from ec2bridge.resources.key_pairs import formats as key_formats
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

RECORDS, ALIASES = "key-pairs", "key-pair-names"
KEY_DETAIL = "ec2bridge.key"
"""The detail of a machine with what a launch chose: a further name of its key, or one of these two."""
SAME_KEY, NO_KEY = "=", ""
"""The key pair goes by the name that CloudStack tells; none. Without a word a machine would inherit its image's."""


def told(wanted: str | None, native: str | None) -> str:
    """Return what a machine's detail tells of its key pair, of what was asked for and what CloudStack is given."""
    if not wanted:
        return NO_KEY
    return SAME_KEY if wanted == native else wanted


async def rows(ctx: Context) -> list[Row]:
    """The caller's key pairs: CloudStack's rows and one for each further name, all with their `record`.

    `id` is what the EC2 id is made of, `nativeid` the key of the record, `aliasof` CloudStack's id of the first name.
    """
    listed, names, noted = await asyncio.gather(
        ctx.account.list("listSSHKeyPairs"),
        ctx.store.list(ctx.owner_id, ALIASES),
        ctx.store.list(ctx.owner_id, RECORDS),
    )
    known = {entry.key: entry.value for entry in noted}
    native = [_row(row, known.get(row["id"], {})) for row in listed]
    ids = {row["id"] for row in listed}
    further = [entry.value | {"name": entry.key} for entry in names if entry.value["aliasof"] in ids]
    found = native + [_row(row, known.get(row["id"], {})) for row in further]
    ctx.directory.remember("key-pair", found)
    return found


def _row(row: Row, record: Row) -> Row:
    return {**row, "id": record.get("id", row["id"]), "nativeid": row["id"], "record": record}


async def native_name(ctx: Context, name: str) -> str | None:
    """The name by which CloudStack knows the key pair that EC2 knows as `name`; None when there is none."""
    found = await rows(ctx)
    row = next((row for row in found if row["name"] == name), {})
    wanted = row.get("aliasof", row.get("nativeid"))
    return next((row["name"] for row in found if row["nativeid"] == wanted), None)


async def note(ctx: Context, ident: str, key: key_formats.Key, line: str) -> None:
    """Keep what CloudStack will not tell of a key."""
    record = {"line": line, "type": key.type, "fingerprint": key.fingerprint, "created": time.time()}
    await ctx.store.put(ctx.owner_id, RECORDS, ident, record)


async def is_taken(ctx: Context, name: str) -> bool:
    """Whether the name is a further name of some key."""
    return await ctx.store.get(ctx.owner_id, ALIASES, name) is not None


async def add_name(ctx: Context, name: str, key: key_formats.Key) -> Row | None:
    """Give a key that CloudStack has another name; None when it cannot be found, or the name is taken."""
    # CloudStack's fingerprint is made of the key alone, whoever registered it.
    blob = base64.b64decode(key.line.split()[1])
    digest = hashlib.md5(blob, usedforsecurity=False).digest().hex(":")
    native = next((row for row in await rows(ctx) if row.get("fingerprint") == digest), None)
    if native is None:
        return None
    await quotas.check(ctx, ALIASES, "KeyPairLimitExceeded", "further names of keys")
    row = {"id": str(uuid.uuid4()), "aliasof": native["nativeid"]}
    if not await ctx.store.put_new(ctx.owner_id, ALIASES, name, row):
        return None
    ctx.directory.remember("key-pair", [row])
    return _row(row | {"name": name}, {})


async def delete(ctx: Context, row: Row) -> None:
    """Delete a key pair that has no other names."""
    await remove(ctx, row)
    await forget(ctx, row)


async def remove(ctx: Context, row: Row) -> None:
    """Have CloudStack, or for a further name the store, have a key pair no longer."""
    if "aliasof" in row:
        await ctx.store.delete(ctx.owner_id, ALIASES, row["name"])
    else:
        await ctx.account.call("deleteSSHKeyPair", name=row["name"])


async def forget(ctx: Context, row: Row) -> None:
    """Drop what is known of a key pair that is gone."""
    await ctx.store.delete(ctx.owner_id, RECORDS, row["nativeid"])
    await resource_tags.forget(ctx, "key-pair", row["id"])
