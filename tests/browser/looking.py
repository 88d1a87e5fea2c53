"""What several tests look for on a page; each waits until it is so."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def in_address(page: Page, *parts: str) -> None:
    """The address has all of these parts. `page.url` may be that of a moment ago."""
    for part in parts:
        expect(page).to_have_url(re.compile(re.escape(part)))


def not_in_address(page: Page, part: str) -> None:
    """The address does not have this part."""
    expect(page).not_to_have_url(re.compile(re.escape(part)))


def leave_sheet(page: Page) -> None:
    """Press Escape, and wait until the page knows, too: the browser tells it a moment later."""
    page.keyboard.press("Escape")
    expect(page.locator("dialog .sheet-body")).to_have_count(0)
