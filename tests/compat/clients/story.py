"""Shared by the Python programs: one line a capability. Runs on any Python from 2.7, without anything installed."""

from __future__ import print_function

import io
import os
import re
import sys
import time
import traceback

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
ACCESS_KEY = os.environ["AWS_ACCESS_KEY_ID"]
SECRET_KEY = os.environ["AWS_SECRET_ACCESS_KEY"]
REGION = os.environ["AWS_DEFAULT_REGION"]
IMAGE = os.environ["EC2BRIDGE_COMPAT_IMAGE"]
ZONE = os.environ["EC2BRIDGE_COMPAT_ZONE"]
TYPE = os.environ.get("EC2BRIDGE_COMPAT_TYPE", "t2.micro")

NAME = "compat-%d-%d" % (os.getpid(), int(time.time()))

_DEMO = {
    "AWS_ENDPOINT_URL_EC2": ENDPOINT,
    "AWS_DEFAULT_REGION": REGION,
    "EC2BRIDGE_DEMO_IMAGE": IMAGE,
    "EC2BRIDGE_DEMO_ZONE": ZONE,
}
_undo = []
_failed = []


def say(line):
    """Print a line at once: a program that is ended in the middle has told how far it came."""
    print(line)
    sys.stdout.flush()


class step:
    """`with step("launch"):` prints how the block ended; a later step runs all the same."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            say("ok " + self.name)
            return False
        if not issubclass(kind, Exception):
            return False
        traceback.print_exception(kind, error, trace)
        reason = " ".join(("%s: %s" % (kind.__name__, error)).split())
        say("not ok %s - %s" % (self.name, reason[:500]))
        _failed.append(self.name)
        return True


def later(call, *args, **kwargs):
    """Have something undone at the end, the last first."""
    _undo.append((call, args, kwargs))


def until(look, wanted, seconds=300):
    """Call `look` until it returns what is wanted; it is returned."""
    deadline = time.time() + seconds
    while True:
        seen = look()
        if wanted(seen) if callable(wanted) else seen == wanted:
            return seen
        if time.time() > deadline:
            raise AssertionError("after %d s it is still %r" % (seconds, seen))
        time.sleep(0.3)


def page(name, **others):
    """Return the block of a page in docs/clients that is marked `by` this story, with other words in these places.

    The variables of demo.env, which the pages use, are those of the endpoint that the story is led to.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    with io.open(os.path.join(here, "..", "..", "..", "docs", "clients", name), encoding="utf-8") as file:
        found = re.findall(r"(?ms)^```\w+ by (\S+)\n(.*?)^```$", file.read())
    (block,) = [text for by, text in found if os.path.basename(by) == os.path.basename(sys.argv[0])]
    others.update(_DEMO)
    return re.sub(
        "|".join(r"\$?\b%s\b" % word for word in others), lambda it: others[it.group().lstrip("$")], block
    )


def finish():
    """Undo, and end with the exit code."""
    for call, args, kwargs in reversed(_undo):
        try:
            call(*args, **kwargs)
        except Exception as error:
            print("clean-up: %s" % error, file=sys.stderr)
    sys.exit(1 if _failed else 0)
