"""The search page: Pagefind on a server, the search of Sphinx for pages opened from disk."""

from __future__ import annotations

# Browsers reject requests of pages opened from disk, so the index of Pagefind cannot be read there.
SCRIPT = """
document.addEventListener("DOMContentLoaded", async () => {
  if (location.protocol === "file:") {
    // Sphinx requests each page of its results for an excerpt.
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
    return;
  }
  Search.performSearch = () => {};
  const QUESTION = /\\b(why|how|what|which|who|when|where|is|are|do|does|the|an?)\\b/gi;
  document.querySelector(".bd-search-container form").remove();
  const element = document.querySelector("#search-results");
  const words = await (await fetch("pagefind/words.json")).json();
  const stemmer = new Stemmer();
  const stems = new Set(words.map(word => stemmer.stemWord(word)));
  const split = text => text.toLowerCase().normalize("NFKD").replace(/\\p{M}/gu, "")
    .match(/[\\p{L}\\p{N}]+/gu) ?? [];
  const known = word => stems.has(stemmer.stemWord(word)) || words.some(w => w.startsWith(word));
  const ui = new PagefindUI({
    element,
    bundlePath: new URL("pagefind/", location.href).pathname,
    showImages: false,
    showSubResults: false,
    pageSize: 10,
    excerptLength: 25,
    autofocus: true,
    // Rank an exact word before a longer one: "2" before "256".
    ranking: {termSimilarity: 1.5},
    translations: {zero_results: "Nothing was found for [SEARCH_TERM]"},
    // A result contains all words, so the words of a question are removed. Quotation marks request
    // an exact match: Pagefind would replace an unknown word by its longest prefix in the index.
    processTerm: term => {
      const query = term.replace(QUESTION, " ").trim() || term;
      return split(query).every(known) ? query : `"${query.replaceAll('"', " ")}"`;
    },
    processResult: result => {
      const {title, page} = result.meta;
      // The index has one file per section: PAGE/ANCHOR.html, and PAGE/ for the first one.
      const [, path, anchor] = result.url.match(/^(.*)\\/(.*?)(?:\\.html)?$/);
      result.url = `${path}.html${anchor && "#"}${anchor}`;
      result.meta = {title: page === title ? title : `${title} · ${page}`};
      return result;
    },
  });
  element.querySelector("input").setAttribute("aria-label", "Search this book");
  const query = new URLSearchParams(location.search).get("q");
  if (query) ui.triggerSearch(query);
});
"""


def add_script(app, page, template, context, doctree) -> None:
    """Load Pagefind on the search page only."""
    if page == "search" and app.builder.format == "html":
        app.add_css_file("../pagefind/pagefind-ui.css")
        app.add_js_file("../pagefind/pagefind-ui.js")
        app.add_js_file(None, body=SCRIPT)


def setup(app) -> dict:
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
