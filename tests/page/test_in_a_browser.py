"""The page as a person meets it: on a desk and on a phone, by day and by night, with a mouse or without one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.conftest import Place
from tests.page.conftest import CHROMIUM, DRIVER

DESK, PHONE = (1280, 900), (390, 844)
READABLE = 4.5
"""The contrast that WCAG 2.1 asks of text (success criterion 1.4.3)."""
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CONTRAST = """
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const ground = e => {
  for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3]) return c;
  }
  return [255, 255, 255];
};
const poor = [];
for (const e of document.querySelectorAll("body *")) {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!own || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(e.tagName) || !e.getClientRects().length) continue;
  const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  if (ratio < arguments[0]) poor.push(`${e.tagName} ${e.textContent.trim().slice(0, 40)} ${ratio.toFixed(2)}`);
}
return [...new Set(poor)];
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    assert CHROMIUM is not None
    options.binary_location = CHROMIUM
    profile: Path = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def opened(browser: Any, place: Place, scheme: str = "light", size: tuple[int, int] = DESK) -> Any:
    """Open the page and wait for the state to be told."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(f"{place.url}/")
    WebDriverWait(browser, 30).until(lambda b: "answers" in b.find_element(By.ID, "state-cloudstack").text)
    return browser


def shown(browser: Any) -> list[str]:
    return [code.text for code in browser.find_elements(By.CSS_SELECTOR, "#rows td:first-child code")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_text_can_be_read_and_nothing_runs_over(
    browser: Any, place: Place, scheme: str, size: tuple[int, int]
) -> None:
    opened(browser, place, scheme, size)
    assert browser.execute_script(CONTRAST, READABLE) == []
    assert browser.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_schemes_differ(browser: Any, place: Place) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    assert opened(browser, place).execute_script(ground) != opened(browser, place, "dark").execute_script(
        ground
    )


def test_no_word_of_trouble_in_the_console(browser: Any, place: Place) -> None:
    browser.get_log("browser")
    opened(browser, place)
    assert [entry["message"] for entry in browser.get_log("browser")] == []


def test_a_keyboard_is_enough(browser: Any, place: Place) -> None:
    opened(browser, place)
    body = browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "awscli"
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.switch_to.active_element.text == "boto3"
    assert "import boto3" in browser.find_element(By.ID, "client-boto3").text
    assert not browser.find_element(By.ID, "client-awscli").is_displayed()
    browser.switch_to.active_element.send_keys(Keys.END)
    assert browser.switch_to.active_element.text == "Jenkins"
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Copy"


def test_the_actions_are_searched(browser: Any, place: Place) -> None:
    opened(browser, place)
    assert len(shown(browser)) > 150
    search = browser.find_element(By.ID, "search")
    search.send_keys("runinst")
    assert "RunInstances" in shown(browser)
    assert len(shown(browser)) < 10
    search.send_keys(Keys.CONTROL, "a")
    search.send_keys("no such thing")
    assert shown(browser) == []
    assert browser.find_element(By.ID, "count").text == "0 actions"


def test_it_tells_that_cloudstack_is_gone(browser: Any, place: Place) -> None:
    opened(browser, place)
    place.run(place.sim.close())
    WebDriverWait(browser, 60).until(
        lambda b: b.execute_script("look()") or "does not" in b.find_element(By.ID, "state-cloudstack").text
    )
    assert browser.find_element(By.ID, "state-bridge").text == "bridge up"
