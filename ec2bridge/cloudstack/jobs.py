"""CloudStack's jobs: which command started one, and how it ended."""

import re
from collections import OrderedDict
from typing import Any

Row = dict[str, Any]

POLL = "queryAsyncJobResult"
_PAUSE = 0.02
"""Seconds until a job is asked for first: hardly one is over when CloudStack has begun it."""
_QUICK = frozenset({"createTags", "deleteTags"})
"""Those that change CloudStack's database alone: 18 of 20 on 4.20.3 were over as soon as they could be asked for."""
_QUICK_PAUSE = 0.005
MOST = 10_000
"""Jobs under way whose command is remembered; those started first are forgotten first."""
_MACHINE_COMMAND = re.compile(r"VM$")


class Jobs:
    """The commands of the jobs that this process has started: a job's own answer names only a Java class."""

    def __init__(self) -> None:
        self._commands: OrderedDict[str, tuple[str, str | None]] = OrderedDict()
        self.waiting = 0
        """How many are waited for at the moment."""

    def remember(self, jobid: str, command: str, kind: str | None = None) -> None:
        """Note which command a job belongs to, and for tags the kind of object that they are on."""
        self._commands[jobid] = command, kind
        while len(self._commands) > MOST:
            self._commands.popitem(last=False)

    def forget(self, jobid: str) -> None:
        """Know nothing any more of a job whose end was seen."""
        self._commands.pop(jobid, None)

    def __len__(self) -> int:
        return len(self._commands)

    def first_pause(self, jobid: str) -> float:
        """Return how many seconds a job of this process is left alone before it is asked for."""
        return _QUICK_PAUSE if self._commands.get(jobid, ("", None))[0] in _QUICK else _PAUSE

    def kind(self, jobid: str) -> str | None:
        """Return the kind of object whose tags a job of this process changes."""
        return self._commands.get(jobid, ("", None))[1]

    def command(self, jobid: str, answer: Row) -> str:
        """Return the command that started a job, told from its class when another bridge started it."""
        if known := self._commands.get(jobid):
            return known[0]
        name = str(answer.get("cmd", POLL)).rpartition(".")[2].removesuffix("Cmd")
        name = _MACHINE_COMMAND.sub("VirtualMachine", name)
        return name[:1].lower() + name[1:]
