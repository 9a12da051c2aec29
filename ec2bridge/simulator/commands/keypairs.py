"""SSH key pairs and registered user data: named documents of an account."""

from __future__ import annotations

import base64
import binascii
import hashlib
from urllib.parse import unquote_plus

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ec2bridge.simulator.call import Call, public
from ec2bridge.simulator.errors import ApiError, invalid, malformed
from ec2bridge.simulator.registry import Answer, command
from ec2bridge.simulator.tables import Row

KEY_TYPES = ("ssh-rsa", "ssh-dss", "ssh-ed25519", "ecdsa-sha2-nistp")


def fingerprint(public_key: str) -> str:
    """MD5 of the key's binary form in colon-separated hex: CloudStack's one format for every key type."""
    digest = hashlib.md5(base64.b64decode(public_key.split()[1])).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _material(text: str) -> str:
    """Type and body of an OpenSSH public key, without its comment."""
    words = text.split()
    if len(words) < 2 or not words[0].startswith(KEY_TYPES):
        raise invalid("Public key is invalid")
    try:
        base64.b64decode(words[1], validate=True)
    except binascii.Error:
        raise invalid("Public key is invalid") from None
    return f"{words[0]} {words[1]}"


def _add(call: Call, public_key: str) -> Row:
    owner = call.owner()
    owner.pop("domainpath")
    return call.cloud.tables["keypairs"].add(
        {
            "name": call.need("name"),
            **owner,
            "fingerprint": fingerprint(public_key),
            "hasannotations": False,
            "_publickey": public_key,
        }
    )


def find(call: Call, name: str) -> Row | None:
    """The owner's key pair of that name: what deployVirtualMachine's `keypair` means."""
    owner = call.owner()
    rows = call.cloud.tables["keypairs"].where(name=name, domainid=owner["domainid"])
    place = "projectid" if "projectid" in owner else "account"
    return next((row for row in rows if row.get(place) == owner[place]), None)


@command("createSSHKeyPair")
def create_key_pair(call: Call) -> Answer:
    name = call.need("name")
    if find(call, name) is not None:
        raise invalid(f"A key pair with name '{name}' already exists.")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    openssh = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return {"keypair": {"privatekey": private.decode(), **public(_add(call, openssh.decode()))}}


@command("registerSSHKeyPair")
def register_key_pair(call: Call) -> Answer:
    name, given = call.need("name"), call.need("publickey")
    public_key = _material(given)
    if find(call, name) is not None:
        raise invalid(f"A key pair with name '{name}' already exists for this account.")
    rows = call.cloud.tables["keypairs"].where(_publickey=public_key)
    if any(call.may_use(row) for row in rows):
        raise invalid(f"A key pair with key '{given}' already exists for this account.")
    return {"keypair": public(_add(call, public_key))}


@command("listSSHKeyPairs", id="keypairs")
def list_key_pairs(call: Call) -> Answer:
    rows = call.visible(reversed(list(call.cloud.tables["keypairs"])))
    return call.page("sshkeypair", call.matching(rows, "name", "fingerprint"))


@command("deleteSSHKeyPair")
def delete_key_pair(call: Call) -> Answer:
    name = call.need("name")
    row = find(call, name)
    if row is None:
        owner = call.owner()
        raise ApiError(
            431,
            4350,
            f"A key pair with name '{name}' does not exist for account {owner.get('account')} in specified domain id",
            uuids=[{"uuid": owner["domainid"], "description": "domainId"}],
        )
    call.cloud.tables["keypairs"].erase(row)
    return {"success": True}


@command("registerUserData")
def register_user_data(call: Call) -> Answer:
    name, document = call.need("name"), _decoded(call.need("userdata"))
    rows = call.cloud.tables["userdata"].where(name=name)
    if any(call.may_use(row) for row in rows):
        raise invalid(f"A userdata with name {name} already exists for this account.")
    params = {"params": call.params["params"]} if "params" in call.params else {}
    row = call.cloud.tables["userdata"].add(
        {"name": name, **call.owner(), "userdata": document, **params, "hasannotations": False}
    )
    return {"userdata": public(row)}


def _decoded(document: str) -> str:
    # The real server decodes the parameter a second time, so a bare percent sign breaks it.
    for at, character in enumerate(document):
        digits = document[at + 1 : at + 3]
        if character == "%" and (len(digits) < 2 or not all(c in "0123456789abcdefABCDEF" for c in digits)):
            raise malformed(
                f'URLDecoder: Illegal hex characters in escape (%) pattern - Error at index 0 in: "{digits}"'
            )
    # A plus belongs to base64; the second decoding would turn it into a space.
    return unquote_plus(document.replace("+", "%2B"))


@command("listUserData", id="userdata")
def list_user_data(call: Call) -> Answer:
    rows = call.visible(call.cloud.tables["userdata"])
    return call.page("userdata", call.matching(rows, "name"))


@command("deleteUserData", id="userdata")
def delete_user_data(call: Call) -> Answer:
    call.cloud.tables["userdata"].erase(call.needed("id"))
    return {"success": True}
