"""The search index: sections of a page as records."""

from companion.build import search

PAGE = """<html><body><article><section id="page"><h1>Page<a class="headerlink">#</a></h1>
<p>An opening with <span class="math">\\(x\\)</span>.</p>
<section id="inner"><h2>Inner</h2><p>Networks diverge.</p><pre>code()</pre></section>
<section id="links"><h2>Next steps</h2><p>Elsewhere.</p></section>
<dl class="glossary"><dt id="term-a">atom</dt><dd>A column of D.</dd></dl>
</section></article></body></html>"""


def test_each_section_is_a_record_with_its_own_prose(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    opening, inner, term = search.sections(tmp_path / "page.html", tmp_path)
    assert (opening.url, opening.title) == ("page.html", "Page")
    assert "opening" in opening.text and "diverge" not in opening.text and "(x" not in opening.text
    assert inner == ("page.html#inner", "Page", "Inner", "Networks diverge.")
    assert term.url == "page.html#term-a" and term.title == "atom"


def test_a_record_contains_synonyms_of_its_words():
    section = search.Section("page.html", "Page", "A < B", "Networks diverge.")
    record = search.record(section)
    assert "explode" in record and "penalty" not in record and "A &lt; B" in record
