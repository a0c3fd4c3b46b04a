"""Each page states from stored settings whether it evaluates the published system."""

import pandas as pd
import pytest

from companion.studies import published_systems
from companion.studies.inpainting import glow_trials, inpainting_trials
from companion.studies.lista import lista_runs
from companion.studies.published_systems import PUBLISHED
from companion.studies.sista_images import image_analysis, image_results


@pytest.mark.parametrize("system", PUBLISHED)
def test_the_published_settings_do_not_differ_from_the_published_system(system):
    assert published_systems.statement(system, PUBLISHED[system]).endswith(f"published {system}**.")
    sentence = published_systems.statement(system, PUBLISHED[system] | {"images": "others"})
    assert f"on other data**: 1 of {len(PUBLISHED[system])} settings differ" in sentence
    smaller = published_systems.statement(system, PUBLISHED[system] | {"layers": 1})
    assert "a reduced version" in smaller and ": 1 of " in smaller
    table = published_systems.settings_table(system, PUBLISHED[system] | {"layers": 1})
    assert table.query("differs == 'yes'").to_numpy().tolist() == [
        ["layers", str(PUBLISHED[system]["layers"]), "1", "yes"]
    ]


def test_a_longer_training_is_not_a_difference_and_a_missing_value_is_one():
    sizes = PUBLISHED["SISTA-RNN"]
    assert "reduced" not in published_systems.statement("SISTA-RNN", sizes | {"updates": 49_024})
    del (partial := dict(sizes))["layers"]
    assert "reduced" in published_systems.statement("SISTA-RNN", partial)


def test_stored_settings_name_every_published_quantity():
    sista, _ = image_analysis.rivals(image_analysis.comparable())
    assert len({trial.hash for trial in lista_runs.PLAN}) == len(lista_runs.PLAN)
    sizes = {(trial.side**2, trial.atoms, trial.batch) for trial in lista_runs.PLAN}
    assert sizes == {(1024, int(1.2 * 1024), 512)}
    planned = pd.Series(vars(lista_runs.PLAN[1]) | {"train": lista_runs.PLAN[1].count})
    systems = {
        "SISTA-RNN": image_analysis.settings(sista),
        "LISTA": lista_runs.settings(planned),
        "GLOW-Prox": inpainting_trials.settings(inpainting_trials.stored_rows()),
    }
    for system, sizes in [*systems.items(), ("GLOW-Prox", glow_trials.settings())]:
        assert sizes.keys() == PUBLISHED[system].keys()
    assert systems["GLOW-Prox"]["blocks per scale"] == 3 and systems["GLOW-Prox"]["scales"] == 2
    full = systems["SISTA-RNN"] | {"updates": image_results.PUBLISHED}
    assert "on other data" in published_systems.statement("SISTA-RNN", full)


def test_the_cost_of_lista_is_the_cost_of_its_matrix_products():
    pixels, atoms, layers, batch = 3, 5, 2, 7
    forward = 2 * batch * layers * (atoms * atoms + atoms * pixels)
    assert published_systems.lista_operations(pixels, atoms, layers, batch) == 3 * forward
    assert "hours" in published_systems.cost("LISTA")
    shallow, deep = (published_systems.glow_operations(layers=k) for k in (1, 2))
    assert deep == 2 * shallow > 0
