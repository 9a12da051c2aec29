"""Answers of CloudStack that are to the byte what they were the last time.

Clients poll, and most of what they poll has not changed. CloudStack is asked each time; but reading a megabyte of JSON
anew, only to find what it was, costs as much as all the rest. So the last answer to a question is kept as it came, with
what it was read to.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

MOST = 16 * 2**20
"""Bytes of answers that are kept, of all callers together; what they were read to takes some four times as much."""


class Unchanged:
    """The last answers to questions; those asked least recently go first."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.size = 0
        self._answers: OrderedDict[Any, tuple[bytes, Any]] = OrderedDict()

    def read(self, question: Any, body: bytes, read: Callable[[bytes], Any]) -> tuple[Any, bool]:
        """Return what the body reads, and whether that is the very object of the last time: nobody may change it."""
        last = self._answers.get(question)
        if last is not None and last[0] == body:
            self._answers.move_to_end(question)
            return last[1], True
        answer = read(body)
        self._keep(question, body, answer)
        return answer, False

    def __len__(self) -> int:
        return len(self._answers)

    def __iter__(self) -> Iterator[tuple[bytes, Any]]:
        """The answers as they came, with what they were read to."""
        return iter(self._answers.values())

    def _keep(self, question: Any, body: bytes, answer: Any) -> None:
        old = self._answers.pop(question, None)
        self.size += len(body) - (len(old[0]) if old else 0)
        self._answers[question] = body, answer
        while self.size > self.most:
            _, (gone, _) = self._answers.popitem(last=False)
            self.size -= len(gone)
