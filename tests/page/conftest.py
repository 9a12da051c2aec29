"""The browser's tests run where Debian's chromium and chromium-driver, or their like, are installed; CI has them."""

import shutil

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

collect_ignore = [] if CHROMIUM and DRIVER else ["test_in_a_browser.py"]


def pytest_report_header() -> str:
    return (
        f"page: in {CHROMIUM}"
        if not collect_ignore
        else "page: without a browser (no chromium with its driver)"
    )
