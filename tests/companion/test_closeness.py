"""Closeness to the paper's values: the answer of the chapter, agreements, differences."""

import functools

from synthetic_runs import SUCCESSOR_PAIR, mean_frame
from test_agreement import NONE, cells_of, evaluated, paper

from companion.claims.decision import committed_runs
from companion.reproduction import closeness, linear_baseline, paper_tables
from companion.run_set import RunSet

BETTER = {"validation": 50.0}
"""A lower validation error, by which an initial λ is selected."""


@functools.cache
def committed():
    return paper_tables.compare_with_paper(committed_runs())


def test_the_answer_without_a_run_claims_nothing():
    cells = paper_tables.compare_with_paper(NONE)
    assert closeness.answer(cells).startswith("**Not tested.**")
    assert "None of the paper's 153 cells" in closeness.summary(cells)
    tables = closeness.closeness(cells), closeness.disagreements(cells)
    assert all(table.empty for table in (*tables, closeness.start_effects(cells)))
    assert closeness.averagings(NONE)["cells compared"].eq("0").all()
    counts = closeness.coverage(cells, {})
    assert counts["trained at the paper's width"].eq("0").all()
    assert counts["cells"].tolist() == ["45", "54", "54"]


def test_the_answer_is_provisional_until_every_cell_has_three_seeds():
    rows = [evaluated(28.0, hidden=128, **SUCCESSOR_PAIR), evaluated(23.0, model="gru", hidden=128)]
    assert closeness.answer(cells_of(*rows)).startswith("**So far, yes.**")
    rows.append(evaluated(29.0, model="indrnn", hidden=128))
    assert closeness.answer(cells_of(*rows)).startswith("**So far, no.**")
    table = cells_of(*rows[:2]).assign(runs=3, ours=20.0)
    table["ours"] += table["model"].eq("reweighted-RNN")
    assert closeness.answer(table).startswith("**Yes.**")
    table.loc[table["model"].eq("GRU") & table["value"].eq(512), "ours"] = 30.0
    assert closeness.answer(table).startswith("**Not always.**")


def test_a_width_without_another_network_is_not_a_comparison():
    alone = evaluated(30.0, hidden=512, **SUCCESSOR_PAIR)
    rows = [evaluated(28.0, hidden=128, **SUCCESSOR_PAIR), evaluated(23.0, model="gru", hidden=128)]
    assert "At 1 of the 6 widths, other networks have" in closeness.answer(cells_of(*rows, alone))
    assert closeness.answer(cells_of(alone)).startswith("**Not tested.**")


def test_coverage_counts_cells_that_did_not_train_separately():
    rows = [evaluated(23.0, model="gru", hidden=128), evaluated(23.0, 1, model="gru", hidden=128)]
    rows.append(evaluated(mean_frame(), model="fastrnn", hidden=128))
    text = closeness.coverage_of(cells_of(*rows).query("table == 2"), " here")
    assert text == (
        "We have run 2 of the 54 cells here, with 2 seeds in each; in 1 of them the network "
        "diverged or did not train."
    )


def test_the_ranking_of_a_table_with_lost_values_is_not_stated():
    cells = committed()
    known = [closeness.finding(cells[cells["table"] == number]) for number in (1, 2, 3)]
    assert [" has the highest PSNR at " in text for text in known] == [True, True, False]
    assert "18 of the 54 values" in known[2] and "4 of 4 known steps" in known[2]


def test_a_network_that_did_not_train_is_named_and_not_compared():
    rows = [evaluated(paper("GRU", 128) + 0.3, model="gru", hidden=128),
            evaluated(mean_frame(), model="fastrnn", hidden=128)]  # fmt: skip
    (row,) = closeness.closeness(cells_of(*rows)).to_dict("records")
    assert row["diverged or did not train"] == "FastRNN" and row["agree with the paper"] == "1 of 1"
    assert closeness.disagreements(cells_of(*rows)).empty


def test_agreements_and_differences_are_counted_and_the_largest_difference_is_first():
    psnr = {"gru": paper("GRU", 128) + 0.3, "lstm": paper("LSTM", 128) - 2,
            "srnn": paper("sRNN", 128) + 3}  # fmt: skip
    cells = cells_of(*(evaluated(level, model=name, hidden=128) for name, level in psnr.items()))
    row = closeness.closeness(cells).loc["h = 128"]
    assert row["agree with the paper"] == "1 of 3"
    assert row["median absolute difference (dB)"] == "2.00"
    end = "The largest differences are sRNN at h = 128 (+3.00 dB) and LSTM at h = 128 (−2.00 dB)."
    limits = "within 0.5 dB or within our interval"
    sentence = closeness.summary(cells)
    assert sentence.endswith(f"have one, and 1 of these agree with the paper, {limits}. {end}")
    cell = cells_of(evaluated(psnr["srnn"], model="srnn", hidden=128))
    assert closeness.summary(cell).endswith("The largest difference is sRNN at h = 128 (+3.00 dB).")
    wrong = closeness.disagreements(cells)
    assert wrong["cell"].tolist() == ["sRNN, h = 128", "LSTM, h = 128"]
    assert wrong["difference (dB)"].tolist() == ["+3.00", "−2.00"]
    assert wrong["what is known"].eq("not explained").all()


def test_a_difference_is_explained_by_the_linear_level_or_by_another_initial_value():
    linear = linear_baseline.level(cs_rate=0.2) + 0.1
    network = {"model": "sista-rnn", "hidden": 256}
    rows = [evaluated(linear, **network, **SUCCESSOR_PAIR)]
    rows.append(evaluated(paper("SISTA-RNN", 256), **network, **BETTER))
    (row,) = closeness.disagreements(cells_of(*rows)).to_dict("records")
    assert row["what is known"].split("; ") == [
        "our run stays at the linear level",
        "agrees from another initial λ",
    ]


def test_a_difference_is_explained_by_a_variant_that_is_closer_to_the_paper():
    network = {"model": "indrnn", "hidden": 128}
    runs = [evaluated(paper("IndRNN", 128) + 1.5, **network)]
    runs += [evaluated(paper("IndRNN", 128) - 0.75, **network, variant="ones")]
    runs += [evaluated(paper("IndRNN", 128) + 2.0, **network, variant="unbounded")]
    variants = paper_tables.variant_cells(RunSet.of(runs), 2)
    (row,) = closeness.disagreements(cells_of(*runs), variants).to_dict("records")
    assert row["difference (dB)"] == "+1.50"
    assert row["what is known"] == "difference of −0.75 dB with the variant ones"


def test_the_effect_of_the_initial_value_includes_the_lead():
    rows = [evaluated(27.5, hidden=128, **SUCCESSOR_PAIR), evaluated(28.5, hidden=128, **BETTER)]
    assert closeness.start_effects(cells_of(rows[0])).empty, "one pair: nothing to compare"
    rows += [evaluated(24.0, model="l1-l1-rnn", hidden=128, **SUCCESSOR_PAIR)]
    rows += [evaluated(26.8, model="l1-l1-rnn", hidden=128, **BETTER)]
    table = closeness.start_effects(cells_of(*rows))
    assert table["change (dB)"].tolist() == ["+2.80", "+1.00", "−1.80"]
    lead = table.iloc[-1]
    levels = [lead[f"{name} (dB)"] for name in ("paper", paper_tables.SUCCESSOR, paper_tables.BEST)]
    assert levels == ["4.19", "3.50", "1.70"]


def test_counts_of_the_committed_runs_agree_with_the_cells():
    cells = committed()
    rows = cells[cells["start"].ne(paper_tables.BEST) & cells["runs"].gt(0)]
    rows = rows[rows["psnr_db"].notna()]
    inside = rows["runs"].ge(3) & rows["psnr_db"].between(rows["low"], rows["high"])
    agree = (rows["difference"].abs() <= 0.5) | inside
    counts = closeness.closeness(cells)["agree with the paper"].str.split(" of ", expand=True)
    assert counts.astype(int).sum().tolist() == [agree.sum(), len(rows)]
    assert f"{agree.sum()} of these agree" in closeness.summary(cells)
    assert len(closeness.disagreements(cells)) == (~agree).sum()
    assert closeness.averagings(committed_runs())["agree"].iloc[0] == f"{agree.sum()}"
