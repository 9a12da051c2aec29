"""SSH keys in the forms that EC2 takes and gives: pure functions, no CloudStack.

CloudStack stores one line of OpenSSH and knows one fingerprint, the MD5 of it. EC2 takes four notations of a public
key, hands out private keys as PEM or for PuTTY, and has a fingerprint for each way by which a key came about (AWS:
"Verify the fingerprint of your key pair").
"""

import base64
import binascii
import hashlib
import hmac
import textwrap
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from ec2bridge.errors import Ec2Error

SIZES = (
    1024,
    2048,
    3072,
    4096,
)  # AWS: "The supported lengths are 1024, 2048, and 4096"; 3072 is ssh-keygen's own

Public = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
Private = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as it is registered and shown."""

    line: str
    type: str
    fingerprint: str


def imported(material: bytes) -> Key:
    """Read a public key in any notation that ImportKeyPair takes, or raise InvalidKey.Format."""
    try:
        key = _parse(material.strip())
    except (ValueError, UnsupportedAlgorithm, binascii.Error, IndexError) as error:
        raise _bad_format("Key is not in valid OpenSSH public key format") from error
    if isinstance(key, ed25519.Ed25519PublicKey):
        return Key(_line(key), "ed25519", _sha256(key))
    if not isinstance(key, rsa.RSAPublicKey):
        raise _bad_format("Key is neither an RSA nor an ED25519 key")
    if key.key_size not in SIZES:
        raise _bad_format(f"Key has {key.key_size} bits; supported are {', '.join(map(str, SIZES))}")
    der = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return Key(_line(key), "rsa", _colons(hashlib.md5(der, usedforsecurity=False).digest()))


def generated(key_type: str, key_format: str, comment: str) -> tuple[str, Key]:
    """Make a key; return the private key's text and the public key. It takes long: run it in a thread."""
    if key_type == "ed25519":
        edwards = ed25519.Ed25519PrivateKey.generate()
        public = edwards.public_key()
        return _private_text(edwards, key_format, comment), Key(_line(public), "ed25519", _sha256(public))
    private = rsa.generate_private_key(65537, 2048)
    der = private.private_bytes(form.Encoding.DER, form.PrivateFormat.PKCS8, form.NoEncryption())
    fingerprint = _colons(hashlib.sha1(der, usedforsecurity=False).digest())
    return _private_text(private, key_format, comment), Key(_line(private.public_key()), "rsa", fingerprint)


def _bad_format(sentence: str) -> Ec2Error:
    return Ec2Error("InvalidKey.Format", sentence)


def _parse(material: bytes) -> form.ssh.SSHPublicKeyTypes | object:
    if material.startswith(b"---- BEGIN SSH2 PUBLIC KEY"):
        material = _from_rfc4716(material)
    if material.startswith((b"ssh-", b"ecdsa-")):
        return form.load_ssh_public_key(material)
    if material.startswith(b"-----BEGIN"):
        return form.load_pem_public_key(material)
    if material.startswith(b"\x30"):
        return form.load_der_public_key(material)
    # Clients that encode what was encoded already: once more, and then for good.
    decoded = base64.b64decode(b"".join(material.split()), validate=True)
    return (
        form.load_der_public_key(decoded)
        if decoded.startswith(b"\x30")
        else form.load_ssh_public_key(decoded)
    )


def _from_rfc4716(material: bytes) -> bytes:
    body, continued = [], False
    for line in material.splitlines()[1:]:
        if line.startswith(b"---- END"):
            break
        if continued or b":" in line:
            continued = line.endswith(b"\\")
        else:
            body.append(line.strip())
    blob = base64.b64decode(b"".join(body), validate=True)
    size = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + size] + b" " + base64.b64encode(blob)


def _line(key: Public) -> str:
    return key.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode()


def _blob(key: Public) -> bytes:
    return base64.b64decode(_line(key).split()[1])


def _sha256(key: Public) -> str:
    return base64.b64encode(hashlib.sha256(_blob(key)).digest()).decode()


def _colons(digest: bytes) -> str:
    return digest.hex(":")


def _private_text(key: Private, key_format: str, comment: str) -> str:
    if key_format == "ppk":
        return _ppk(key, comment)
    # AWS: RSA keys come as PKCS#1, ED25519 keys in OpenSSH's own form, which is the only one they have there.
    shape = (
        form.PrivateFormat.TraditionalOpenSSL
        if isinstance(key, rsa.RSAPrivateKey)
        else form.PrivateFormat.OpenSSH
    )
    return key.private_bytes(form.Encoding.PEM, shape, form.NoEncryption()).decode()


def _ppk(key: Private, comment: str) -> str:
    """The key as PuTTY keeps it, version 2 (PuTTY manual, appendix "PPK file format"), without a passphrase."""
    algorithm = b"ssh-rsa" if isinstance(key, rsa.RSAPrivateKey) else b"ssh-ed25519"
    name, public, private = comment.encode(), _blob(key.public_key()), _ppk_private(key)
    fields = (algorithm, b"none", name, public, private)
    secret = hashlib.sha1(b"putty-private-key-file-mac-key", usedforsecurity=False).digest()
    mac = hmac.new(secret, b"".join(map(_string, fields)), "sha1").hexdigest()
    lines = [f"PuTTY-User-Key-File-2: {algorithm.decode()}", "Encryption: none", f"Comment: {comment}"]
    for title, blob in (("Public", public), ("Private", private)):
        body = textwrap.wrap(base64.b64encode(blob).decode(), 64)
        lines += [f"{title}-Lines: {len(body)}", *body]
    return "\r\n".join([*lines, f"Private-MAC: {mac}", ""])


def _ppk_private(key: Private) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        # A little-endian number, so zeros at its end are not written.
        return _string(key.private_bytes_raw().rstrip(b"\0"))
    numbers = key.private_numbers()
    return b"".join(map(_mpint, (numbers.d, numbers.p, numbers.q, numbers.iqmp)))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _mpint(number: int) -> bytes:
    return _string(number.to_bytes(number.bit_length() // 8 + 1, "big"))
