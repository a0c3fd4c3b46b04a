"""The built site in a real browser that can reach no other host."""

from urllib.parse import quote

import pytest
from browser import NEEDED, open_page, severe
from selenium.webdriver.support.ui import WebDriverWait
from test_site import SITE

pytestmark = NEEDED


@pytest.fixture(scope="module", params=["http", "file"])
def site(request, served):
    return served if request.param == "http" else SITE.as_uri()


FOUND = """
return [...document.querySelectorAll("#search-results li a")]
  .map(a => new URL(a.href).pathname.split("/").pop().split(".")[0] + new URL(a.href).hash);
"""
DONE = """
const results = document.querySelector("#search-results");
return /\\d+ results? for|found|did not match/.test(results?.innerText)
  && !results.querySelector(".pagefind-ui__loading");
"""
# Remove the words and the results of the previous search, then type.
TYPE = """
const input = document.querySelector("#search-results input");
const type = words => {
  input.value = words;
  input.dispatchEvent(new Event("input"));
};
type("");
return Promise.resolve().then(() => type(arguments[0]));
"""


def search(browser, site, words):
    """Return the pages and anchors that the search page lists, the best first.

    A page from a server, once open, is used again; a page from a folder has no field for words.
    """
    errors = []
    if site.startswith("http") and browser.current_url.startswith(f"{site}/search"):
        browser.execute_script(TYPE, words)
    else:
        _, errors = open_page(browser, site, f"search?q={quote(words)}")
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(DONE))
    assert errors + severe(browser) == []
    return browser.execute_script(FOUND)


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("soft threshold", "03_activation_shapes"),
        ("Moreau", "glossary"),
        ("prox_l1_l1", "02_proximal_operator"),
        ("Rademacher", "15_theorem_3_1"),
    ],
)
def test_search_finds_a_formula_by_its_name(browser, site, words, page):
    pages = [address.partition("#")[0] for address in search(browser, site, words)]
    assert page in pages


@pytest.mark.parametrize(
    ("words", "first"),
    [
        ("Table 1", "10_table_1"),
        ("Table 2", "11_table_2"),
        ("GPU", "09_how_fast#on-a-gpu"),
        ("own data", "25_use_it_on_your_own_data"),
        ("initialization", "glossary#term-initialisation"),
        ("overfitting with width", "14_fairness#overfitting-with-width"),
        ("counterexample to the theorem", "15_theorem_3_1"),
        ("Theorem 3.1", "15_theorem_3_1"),
        ("fair comparison", "14_fairness"),
        ("PSNR averaging", "differences#how-psnr-is-averaged"),
        ("learning-rate schedule", "14_fairness"),
        ("bounds compared", "17_bounds_compared"),
        ("papermill", "reproduce#one-notebook-with-papermill"),
        ("how to cite", "cite"),
        ("downsampling filter", "14_fairness#downsampling-filter"),
        ("own sensing matrix", "25_use_it_on_your_own_data#your-own-sensing-matrix"),
        ("what is memory worth", "08_first_comparison#what-is-memory-worth"),
        ("which experiment", "24_which_experiment_was_reported"),
        ("initial lambda", "24_which_experiment_was_reported#the-initialisation-of-lambda"),
        ("inpainting", "21_inpainting_with_a_flow"),
        ("why is the theorem wrong", "15_theorem_3_1"),
        ("soft thresholding", "glossary#term-soft-threshold"),
        ("shrinkage", "glossary#term-soft-threshold"),
        ("ISTA", "glossary#term-ISTA"),
        ("PSNR", "differences#how-psnr-is-averaged"),
        ("initialisation", "glossary#term-initialisation"),
        ("lambda2 larger than lambda1", "15_theorem_3_1#"),
    ],
)
def test_the_best_section_is_the_first_result(browser, served, words, first):
    assert search(browser, served, words)[0].startswith(first)


@pytest.mark.parametrize("words", ["xqzzy", "reweightedfoo", "network xqzzy"])
def test_an_unknown_word_is_not_found(browser, site, words):
    assert search(browser, site, words) == []
    message = browser.find_element("css selector", "#search-results").text
    assert "Nothing was found" in message or "did not match" in message


def test_an_inflected_or_unfinished_word_is_found(browser, served):
    assert search(browser, served, "overfits")[0] == "glossary#term-overfitting"
    assert search(browser, served, "holder") == search(browser, served, "Hölder")
    assert len(search(browser, served, "reweigh")) > 5
