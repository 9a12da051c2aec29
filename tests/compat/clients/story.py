"""Shared by the Python programs: one line a capability. Runs on any Python from 2.7, without anything installed."""

from __future__ import print_function

import os
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


def finish():
    """Undo, and end with the exit code."""
    for call, args, kwargs in reversed(_undo):
        try:
            call(*args, **kwargs)
        except Exception as error:
            print("clean-up: %s" % error, file=sys.stderr)
    sys.exit(1 if _failed else 0)
