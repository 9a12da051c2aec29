"""A listing that is walked page by page while rows come and go."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.cloudstack.pages import Page, Pages
from ec2bridge.cloudstack.walking import Spot, walk

SIZE = 7


@dataclass
class Cloud:
    """Rows in the order in which they were made."""

    rows: list[str]
    newest_first: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)
    most: int = 500

    async def ask(self, number: int, size: int) -> Page:
        if size > self.most:
            text = f"Page size can't exceed max allowed page size value: {self.most}"
            raise CloudStackError("listThings", 431, 431, errortext=text)
        self.asked.append((number, size))
        rows = self.rows[::-1] if self.newest_first else self.rows
        some = rows[(number - 1) * size : number * size]
        return Page([{"id": row} for row in some], len(rows))


async def one_page(cloud: Cloud, spot: Spot, wanted: int, size: int) -> tuple[list[str], Spot | None]:
    """What a client's page holds, as a Describe without filters takes it."""
    got: list[str] = []
    async for stretch in walk(cloud.ask, Pages(size), spot, wanted):
        for index, row in enumerate(stretch.rows):
            got.append(row["id"])
            if len(got) == wanted:
                last = index == len(stretch.rows) - 1 and not stretch.more
                return got, None if last else Spot.read(str(stretch.after(index)))
    return got, None


def names(*numbers: int) -> list[str]:
    return [f"{number:012d}-{number:x}" for number in numbers]


def paged(cloud: Cloud, wanted: int, size: int = SIZE, between: Any = lambda page: None) -> list[list[str]]:
    pages, spot = [], Spot()
    while spot is not None:
        page, spot = asyncio.run(one_page(cloud, spot, wanted, size))
        pages.append(page)
        between(page)
    return pages


@given(count=st.integers(0, 60), wanted=st.integers(1, 30), size=st.integers(1, 20))
def test_pages_are_the_listing(count: int, wanted: int, size: int) -> None:
    cloud = Cloud(names(*range(count)))
    pages = paged(cloud, wanted, size)
    assert [row for page in pages for row in page] == cloud.rows
    assert len(pages) == max(1, -(-count // wanted))


@given(data=st.data(), count=st.integers(1, 60), wanted=st.integers(1, 20), newest_first=st.booleans())
@settings(max_examples=300)
def test_no_row_that_stays_is_skipped_and_none_told_twice(
    data: st.DataObject, count: int, wanted: int, newest_first: bool
) -> None:
    cloud = Cloud(names(*range(count)), newest_first)
    born, gone = iter(range(count, 10_000)), set[str]()

    def change(page: list[str]) -> None:
        going = (
            data.draw(st.lists(st.sampled_from(cloud.rows), unique=True, max_size=5)) if cloud.rows else []
        )
        # The nearest rows before a place may go, but not all that tell it.
        going = [row for row in going if row not in page or len(page) > len(going)]
        gone.update(going)
        cloud.rows = [row for row in cloud.rows if row not in going]
        cloud.rows += names(*(next(born) for _ in range(data.draw(st.integers(0, 3)))))

    start = set(cloud.rows)
    limited = iter(range(40))
    pages = paged(
        cloud, wanted, between=lambda page: change(page) if next(limited, None) is not None else None
    )
    told = [row for page in pages for row in page]
    assert start - gone <= set(told)
    assert len(told) == len(set(told))


def test_a_page_all_of_whose_rows_are_gone_does_not_end_the_walk() -> None:
    cloud = Cloud(names(*range(50)))

    def remove(page: list[str]) -> None:
        cloud.rows = [row for row in cloud.rows if row not in page]

    assert [row for page in paged(cloud, 10, between=remove) for row in page] == names(*range(50))


def test_the_five_nearest_rows_may_go_before_the_next_page() -> None:
    cloud = Cloud(names(*range(8)))

    def remove(page: list[str]) -> None:
        cloud.rows = [row for row in cloud.rows if row not in page[2:]]

    assert [row for page in paged(cloud, 7, between=remove) for row in page] == names(*range(8))


def test_a_page_costs_its_share_and_a_look_at_one_row() -> None:
    cloud = Cloud(names(*range(35)))
    paged(cloud, 14)
    assert cloud.asked == [(1, 7), (2, 7), (14, 1), (3, 7), (4, 7), (28, 1), (5, 7)]


def test_small_pages_are_asked_for_small() -> None:
    cloud = Cloud(names(*range(12)))
    paged(cloud, 5)
    assert cloud.asked == [(1, 5), (5, 1), (2, 5), (10, 1), (3, 5)]


def test_a_smaller_page_size_is_learnt_on_the_way() -> None:
    cloud = Cloud(names(*range(30)), most=4)
    assert [row for page in paged(cloud, 9) for row in page] == cloud.rows


@pytest.mark.parametrize("text", ["", "x", "1.2.x", "-"])
def test_a_place_that_cannot_be_read(text: str) -> None:
    if text == "1.2.x":
        assert Spot.read(text) == Spot(1, ("2", "x"))
    else:
        with pytest.raises(ValueError):
            Spot.read(text)
