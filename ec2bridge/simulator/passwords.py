"""Passwords that CloudStack sets in machines whose template wants one."""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from ec2bridge.simulator.call import Call
from ec2bridge.simulator.tables import Row

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"


def password_enabled(call: Call, machine: Row) -> bool:
    template = call.cloud.tables["templates"].known(machine["templateid"]) or {}
    return bool(template.get("passwordenabled"))


def set_password(call: Call, machine: Row, *, chosen: str | None = None) -> str:
    """A new password; kept, encrypted with the machine's key, for getVMPassword."""
    length = call.cloud.settings["vm.password.length"]
    password = chosen or "".join(secrets.choice(ALPHABET) for _ in range(length))
    sealed = _seal(machine["details"].get("SSH.PublicKey", ""), password)
    call.cloud.tables["machines"].update(machine, _password=sealed)
    return password


def _seal(public_key: str, password: str) -> str | None:
    """RSA keys only, as on the real server: nothing else can be decrypted by its clients."""
    try:
        key = load_ssh_public_key(public_key.strip().split("\n")[0].encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    return base64.b64encode(key.encrypt(password.encode(), padding.PKCS1v15())).decode()
