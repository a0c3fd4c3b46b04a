"""The search index: sections of a page as records."""

from companion.build import search

PAGE = """<html><body><article><section id="page"><h1>Page<a class="headerlink">#</a></h1>
<p>An opening with <span class="math">\\(x\\)</span>.</p>
<section id="inner"><h2>Inner</h2><p>Networks diverge.</p><pre>code()</pre></section>
<section id="links"><h2>Next steps</h2><p>Elsewhere.</p></section>
<dl class="glossary"><dt id="term-a">atom</dt><dd>A column of D.</dd></dl>
</section></section></article></body></html>"""


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


def test_a_synonym_is_added_for_a_word_and_not_for_a_part_of_another_word():
    words = {text: search.record(search.Section("", "", "", text)) for text in ("ISTA", "distance")}
    assert "shrinkage" in words["ISTA"] and "shrinkage" not in words["distance"]


TITLE = """<html><body><article><section id="a"><h1>A</h1><section id="b"><h2>For
<span class="math"><mjx-container><mjx-math></mjx-math><mjx-assistive-mml><math>
<msub><mi>λ</mi><mn>2</mn></msub><mo>&gt;</mo><mi>ℏ</mi></math>
</mjx-assistive-mml></mjx-container></span>, the coins</h2>
</section></section></article></body></html>"""


def test_a_title_with_a_formula_is_found_by_plain_words(tmp_path):
    (tmp_path / "page.html").write_text(TITLE)
    *_, section = search.sections(tmp_path / "page.html", tmp_path)
    assert section.title == "For λ2 > ħ, the coins"
    assert "lambda2 larger than hbar" in search.record(section)
