"""docs/faults.md: every action, native call and mode with what became of it, from a run."""

import re
from collections import Counter
from pathlib import Path

from ec2bridge.simulator import faults
from tests.faults.cells import OF_JOBS, OWN_MODES, RENEWED, Outcome, Played
from tests.faults.scenarios import load

FILE = Path(__file__).parents[2] / "docs" / "faults.md"
INTRODUCTION = """\
# What becomes of an action when a call goes wrong

Written by `make faults`, from a run: not by hand. Each action that changes something has a scenario; run once, it
yields the native calls that it makes. Then each call goes wrong in each way, the client does what AWS's SDKs do (it
asks three times, with the same token), recovery gets its time, and the end is held to one rule: **what CloudStack and
the store hold is what they held before, or what success makes; the client was told the truth; and the next request
works.** Everything is compared, as an administrator sees it, but for ids, names made of ids, addresses and times.

The bridge is the real one from the parsed request to CloudStack's API and to the store's file; CloudStack is the
embedded one. Time passes at once where everybody waits.

| a call | goes wrong so |
| --- | --- |
{modes}

Of a question to CloudStack only two ways are run: an error inside CloudStack (530), and the bridge's death before it.
Of the questions after one job the first stands for all.

In a cell: `done` is what success makes, `before` is as it was before and the client was told so (or does not know),
`failed` is promised, then failed in its job or refused, shown as failed with the reason, and nothing else of it is
left but an image's snapshot, which shows; of several things that were promised the others are there. `in part`: of
several things that the request names CloudStack refused one, the client was told so, what became of each shows, and
the same request does the rest. `renewed` is as before in all that EC2 shows, where a refusal came after CloudStack
had done what it cannot put back: a rule, an address or an ACL list has been made anew, is like the one before and
goes by its id, but has another uuid in CloudStack; a VPC has taken its source NAT address; or a VPC's default ACL,
changed for the first time, has got a list of its own that lets the same pass. What an account of AWS's has from the
start, and gets here by its first request (a default subnet), stays where the rest is refused. **✗** does not hold:
why is said below the table.

## The numbers

{numbers}

"""


def write(played: list[Played]) -> None:
    """Write the page."""
    FILE.write_text(text(played), encoding="utf-8")


def text(played: list[Played]) -> str:
    modes = "\n".join(f"| `{mode}` | {what} |" for mode, what in {**faults.MODES, **OWN_MODES}.items())
    parts = [INTRODUCTION.format(modes=modes, numbers=_numbers(played))]
    parts += [_scenario(name, outcomes, seconds) for name, outcomes, seconds in played]
    return "".join(parts)


def _numbers(played: list[Played]) -> str:
    outcomes = [outcome for _, found, _ in played for outcome in found]
    ends = Counter("✗" if outcome.fault else outcome.end for outcome in outcomes)
    seconds = sum(taken for _, _, taken in played)
    actions = {name.partition(" (")[0] for name, _, _ in played}
    rows = [
        ("actions", len(actions)),
        ("scenarios", f"{len(played)} of {len(load())}"),
        ("cells", len(outcomes)),
        ("done", ends["done"]),
        ("as before", ends["as before"]),
        ("as before, with something made anew", ends[RENEWED]),
        ("failed, and shown so", ends["failed"]),
        ("in part, and told so", ends["in part"]),
        ("do not hold", ends["✗"]),
        ("seconds of computing", round(seconds)),
    ]
    return "| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {count} |" for name, count in rows)


def _scenario(name: str, outcomes: list[Outcome], seconds: float) -> str:
    failing = [outcome for outcome in outcomes if outcome.fault]
    head = f"## {name}\n\n"
    if not outcomes:
        return head + "Refuses always, and makes no native call that changes anything.\n\n"
    sums = f"{len(outcomes)} cells, {len(failing)} of which do not hold; {seconds:.0f} s.\n\n"
    calls: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        calls.setdefault(outcome.cell.call, {})[outcome.cell.mode] = outcome
    lines = [f"| call | {' | '.join(OF_JOBS)} |", "| --- |" + " --- |" * len(OF_JOBS)]
    for call, found in calls.items():
        lines.append(f"| `{call}` | {' | '.join(_mark(found.get(mode)) for mode in OF_JOBS)} |")
    why = [f"- `{outcome.cell.call}` {outcome.cell.mode}: {_plain(outcome.fault)}" for outcome in failing]
    return head + sums + "\n".join(lines) + "\n\n" + ("\n".join(why) + "\n\n" if why else "")


def _mark(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    return "**✗**" if outcome.fault else outcome.end.replace("as ", "")


def _plain(fault: str) -> str:
    """The fault in one line: what is too much and too little by kind, not with every field."""
    found = re.sub(r"([+-]) ([a-z:-]+) \{.*?\}(?= [+-] |$)", r"\1\2", fault)
    found = re.sub(r"\b(?:[a-z-]+-)?[0-9a-f]{8,17}\b\*?", "…", found).replace("|", "/")
    return found[:240]
