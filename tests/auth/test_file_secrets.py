"""Secrets from a file of profiles."""

import os

import pytest

from ec2bridge.auth.secrets import FileSecrets
from ec2bridge.cloudstack.credentials import Credentials
from ec2bridge.config import SettingsError
from tests.auth.signing import KEY, PROJECT, SECRET

CLOUDSTACK_INI = f"""\
[cloudstack]
endpoint = https://cloud.example/client/api
key = {KEY}
secret = {SECRET}
method = post
"""
CLOUDMONKEY = f"""\
[core]
prompt = 🐱
asyncblock = true
timeout = 1800
output = json
profile = mine

[mine]
url = https://cloud.example/client/api
username =
password =
domain = /
apikey = {KEY}
secretkey = {SECRET}
"""


@pytest.fixture
def write(tmp_path):
    """A function that writes the credentials file, at a new time."""
    path = tmp_path / "credentials.ini"
    times = iter(range(1_000_000_000, 2_000_000_000))

    def write(text: str | bytes, mode: int = 0o600):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        os.utime(path, (next(times),) * 2)
        return path

    return write


@pytest.mark.parametrize("text", [CLOUDSTACK_INI, CLOUDMONKEY, "\ufeff" + CLOUDSTACK_INI])
async def test_the_files_of_cloudstacks_own_clients_do_as_they_are(write, text):
    provider = FileSecrets(write(text))
    assert await provider.lookup(KEY) == Credentials(KEY, KEY, SECRET)
    assert await provider.lookup("OTHER") is None


async def test_an_alias_and_a_project(write):
    provider = FileSecrets(
        write(
            f"[a]\nkey={KEY}\nsecret={SECRET}\naccess_key=AKIAIOSFODNN7EXAMPLE\nproject={PROJECT}\n"
            + CLOUDMONKEY
        )
    )
    assert await provider.lookup("AKIAIOSFODNN7EXAMPLE") == Credentials(
        "AKIAIOSFODNN7EXAMPLE", KEY, SECRET, PROJECT
    )
    assert await provider.lookup(KEY) == Credentials(KEY, KEY, SECRET)
    with_project = f"{KEY}:{PROJECT}"
    assert await provider.lookup(with_project) == Credentials(with_project, KEY, SECRET, PROJECT)
    assert await provider.lookup(f"{KEY}:p1") is None


async def test_a_percent_sign_in_a_secret_is_one(write):
    assert (await FileSecrets(write("[a]\nkey=K\nsecret=a%b%%c\n")).lookup("K")).secret_key == "a%b%%c"


async def test_a_changed_file_is_read_again(write):
    provider = FileSecrets(write(CLOUDSTACK_INI))
    write("[other]\nkey=K2\nsecret=S2\n")
    assert (await provider.lookup("K2")).secret_key == "S2"
    assert await provider.lookup(KEY) is None


@pytest.mark.parametrize("broken", ["[a]\nkey = K\n", "rubbish", None])
async def test_a_file_that_breaks_later_leaves_what_was_read(write, caplog, broken):
    path = write(CLOUDSTACK_INI)
    provider = FileSecrets(path)
    if broken is None:
        path.unlink()
    else:
        write(broken)
    assert await provider.lookup(KEY)
    assert str(path) in caplog.text
    write("[other]\nkey=K2\nsecret=S2\n")
    assert await provider.lookup("K2")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nkey = K\n\n[b]\nsecret = hidden\n", r"line 1, \[a\]: secret \(or secretkey\) is missing"),
        ("[a]\nkey=K\nsecret=hidden\n[b]\nsecret=hidden\n", r"line 4, \[b\]: key \(or apikey\) is missing"),
        ("[a]\nkey=K\nsecret=hidden\n[b]\nkey=K\nsecret=hidden\n", r"line 4, \[b\]: another profile"),
        (
            "[a]\nkey=K\nsecret=hidden\nproject=p1\n",
            r"line 1, \[a\]: project must be the project's uuid, not 'p1'",
        ),
        ("[a]\nkey=K\nsecret=hidden\naccess_key=A/B\n", r"line 1, \[a\]: access_key has characters"),
        ("[a]\nkey=K K\nsecret=hidden\n", r"line 1, \[a\]: key has characters"),
        ("key=K\nsecret=hidden\n", r"line 1: a \[section\] must come first"),
        ("[a]\nkey=K\nsecret=hidden\nkey=K\n", r"line 4, \[a\]: key is given twice"),
        ("[a]\nkey=K\nsecret=hidden\n[a]\n", r"line 4: the section \[a\] is given twice"),
        ("[a]\nkey=K\nhidden\n", r"line 3: neither a \[section\] nor name = value"),
        ("[core]\nprofile=x\n", "no section with a key and a secret"),
        ("", "no section with a key and a secret"),
        (b"[a]\nkey=\xff\n", "is not UTF-8"),
    ],
)
def test_what_is_wrong_stops_the_start_with_its_place(write, text, words):
    path = write(text)
    with pytest.raises(SettingsError, match=words) as caught:
        FileSecrets(path)
    assert str(path) in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        FileSecrets(tmp_path / "none.ini")


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_for_all_to_read_is_warned_of(write, caplog, mode, warned):
    FileSecrets(write(CLOUDSTACK_INI, mode))
    assert ("chmod 600" in caplog.text) == warned
