"""Cards in the built site: descriptions, findings, and the claims with their filter."""

import re
from urllib.parse import unquote

import pytest
from browser import in_a_browser, open_page, screen, severe
from test_site import PAGES, SITE, article

from companion import claims

CLAIMS = "notebooks/23_claims"
built = pytest.mark.skipif(not (SITE / f"{CLAIMS}.html").is_file(), reason="run `make book`")


@built
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_has_a_description_and_a_preview_on_this_site(path):
    meta = {
        values.get("name") or values.get("property"): values.get("content", "")
        for _, values in PAGES[path].all("meta")
    }
    assert 15 < len(meta["description"]) < 500 and meta["og:description"] == meta["description"]
    assert meta["og:title"].strip() and "<" not in meta["og:title"]
    assert (path.parent / unquote(meta["og:image"])).is_file()


@built
def test_the_cover_has_six_findings_with_a_picture_and_a_link_and_three_paths():
    cards = article(SITE / "book/intro.html").split("card-item")[1:]
    findings = [card for card in cards if 'class="thumb"' in card]
    assert len(findings) == 6 and len(cards) - len(findings) == 3
    assert all('href="../notebooks/' in card for card in findings)
    assert all(re.search(r": \d+ minutes", card) for card in cards[6:])
    assert "<table" not in article(SITE / "book/intro.html")


@built
def test_every_claim_is_a_card_without_a_script():
    listed = re.findall(r'<li id="([\w-]+)" class="card-item', article(SITE / f"{CLAIMS}.html"))
    assert listed == [claim.id for claim in claims.claims()]


VISIBLE = """return [...document.querySelectorAll(".claim-cards")[0].children]
    .filter(card => card.getClientRects().length).map(card => card.dataset[arguments[0]])"""
SELECT = """const select = document.querySelector(`.claim-filter select[name=${arguments[0]}]`);
select.value = arguments[1]; select.dispatchEvent(new Event("change"));"""


@in_a_browser
def test_the_claims_are_filtered_by_verdict_and_section(browser):
    with screen(browser, 390):
        open_page(browser, SITE.as_uri(), CLAIMS)
        verdicts = browser.execute_script(VISIBLE, "verdict")
        browser.execute_script(SELECT, "verdict", "refuted")
        refuted = browser.execute_script(VISIBLE, "verdict")
        assert refuted == ["refuted"] * verdicts.count("refuted") and len(refuted) < len(verdicts)
        status = browser.find_element("css selector", ".claim-filter [role=status]").text
        assert status == f"{len(refuted)} of {len(verdicts)} claims"
        browser.execute_script(SELECT, "section", "§3")
        sections = browser.execute_script(VISIBLE, "section")
        assert sections and all("§3" in names.split("|") for names in sections)
        script = "return document.documentElement.scrollWidth"
        assert browser.execute_script(script) <= 390 and severe(browser) == []
