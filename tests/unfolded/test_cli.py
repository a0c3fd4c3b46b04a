"""The command line: its help, its output, and the same numbers as the library."""

import contextlib
import os
import pty
import runpy
import sys
import termios

import pandas as pd
import pytest
import torch
from small_runs import small

from companion import results
from unfolded import __main__ as cli
from unfolded import data, networks, options, training
from unfolded.errors import ConfigError, TrainingError
from unfolded.runs import config, grid, records, results_table
from unfolded.training import fitting

SMALL = ["--profile", "small", "--device", "cpu"]
WILD = ["--learning-rate", "1e30"]
COMMANDS = ("train", "sweep", "tables")


@pytest.fixture(autouse=True)
def sandbox(tmp_path, monkeypatch):
    """Runs and results lie in a folder of the test."""
    monkeypatch.setenv("UNFOLDED_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "results")
    monkeypatch.setitem(config.PROFILES, "small", config.Profile(count=10, epochs=2, hidden=4))
    monkeypatch.setattr(cli.os, "cpu_count", lambda: 1)  # other processes know no such profile


def output(capsys):
    return tuple(text.splitlines() for text in capsys.readouterr())


# Help ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_the_help_lists_every_choice(command, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert not err
    assert out.startswith("usage: python -m unfolded")
    if command == ():
        assert all(f"  {name}" in out for name in COMMANDS)
        assert "UNFOLDED_RUNS" in out and "UNFOLDED_DATA" in out
    if command == ("train",):
        flat = " ".join(out.split())
        choices = (networks.names(), data.SOURCES, config.PROTOCOLS, data.REDUCTIONS)
        assert all(name in flat for names in choices for name in names)


def test_every_example_in_the_help_is_a_valid_command(monkeypatch, capsys):
    runs = []

    def run(run_config, **options):
        runs.append(run_config)
        raise ConfigError("not now")

    monkeypatch.setattr(training, "run", run)
    monkeypatch.setattr(fitting, "fit", lambda configs, **options: run(*configs, **options))
    monkeypatch.setattr(fitting.os, "cpu_count", lambda: 1)  # in this process
    lines = [line.split() for line in options.EXAMPLES.splitlines() if line.startswith("  python")]
    assert [line[3] for line in lines] == ["train", "train", "sweep", "sweep", "grid", "tables"]
    # Without a GPU, commands that request one end with one line.
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert [cli.main(line[3:]) for line in lines] == [1, 1, 1, 1, 0, 0]
    assert [run_config.profile for run_config in runs] == ["smoke", "paper", "laptop"]


def test_every_option_reaches_the_run(monkeypatch, tmp_path):
    seen = {}

    def run(run_config, **options):
        seen.update(run_config.as_dict(), **options)
        raise ConfigError("enough")

    monkeypatch.setattr(training, "run", run)
    arguments = {
        **{"model": "reweighted-rnn", "cs_rate": 0.3, "hidden": 7, "depth": 2, "seed": 5},
        **{"source": "mnist", "reweighting": "g", "norm_penalty": 0.5, "learning_rate": 1e-3},
        **{"reduction": "bilinear", "protocol": "normalised", "profile": "smoke", "lambda1": 2.0},
        **{"schedule": "pytorch", "memory": "off", "variant": "default"},
        **{"lambda2": 0.5, "positivity": "free", "device": "cpu", "store": str(tmp_path)},
    }
    words = [word for name, value in arguments.items() for word in (_option(name), str(value))]
    cli.main(["train", *words, "--again", "--quiet"])
    assert seen == {**arguments, "again": True, "progress": False, "frames": None}


def _option(name):
    return "--" + name.replace("_", "-")


def test_the_module_ends_with_the_status_of_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["unfolded", "train", "--cs-rate", "2"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(cli.__file__, run_name="__main__")
    out, (error,) = output(capsys)
    assert (ended.value.code, out) == (1, [])
    assert error.startswith("unfolded: expected cs_rate between 0.00390625 and 1; got 2.0; pass ")


# Training --------------------------------------------------------------------------------------


def test_a_log_has_one_line_for_each_epoch_and_the_result_is_on_standard_output(capsys):
    assert cli.main(["train", *SMALL, "--model", "lstm"]) == 0
    out, err = output(capsys)
    assert len(err) == 2
    for number, line in enumerate(err, 1):
        assert line.startswith(f"lstm {small('lstm').hash}  epoch {number}/2  train_mse ")
        assert "validation_mse" in line and "learning_rate 0.0003" in line and "\r" not in line
    assert len(out) == 1
    assert out[0].startswith("lstm rate=0.2 h=4 d=2 seed=0 digits authors small: PSNR authors ")
    assert cli.main(["train", *SMALL, "--model", "lstm"]) == 0
    assert output(capsys) == (out, [])


def test_a_sweep_is_the_grid_and_quiet_shows_no_progress(capsys):
    assert cli.main(["sweep", "--table", "1", "--models", "gru", *SMALL, "--quiet"]) == 0
    out, err = output(capsys)
    assert err == []
    assert [line.split(":")[0].split(" h=")[0] for line in out] == [
        f"[{k}/5] gru rate={rate}" for k, rate in enumerate(grid.VARIED[1][1], 1)
    ]


@contextlib.contextmanager
def terminal(monkeypatch):
    """Make standard error a terminal; what it shows is in the list afterwards."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 120))
    shown = []
    with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as stream:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            yield shown
        stream.flush()
        os.set_blocking(screen.fileno(), False)
        with contextlib.suppress(OSError):
            while part := screen.read(4096):
                shown.append(part.decode())


def test_a_terminal_shows_a_progress_bar(monkeypatch):
    with terminal(monkeypatch) as shown:
        assert cli.main(["train", *SMALL]) == 0
    text = "".join(shown)
    assert "100%" in text and "2/2" in text and "validation_mse=" in text
    assert "epoch 1/2" not in text
    with terminal(monkeypatch) as shown:
        assert cli.main(["train", *SMALL, "--again", "--quiet"]) == 0
    assert shown == []


def test_an_error_on_a_terminal_starts_on_a_new_line(monkeypatch):
    with terminal(monkeypatch) as shown:
        assert cli.main(["train", *SMALL, *WILD]) == 1
    last = "".join(shown).replace("\r\n", "\n").rstrip("\n").split("\n")[-1]
    assert last.startswith("unfolded: expected a finite ")


def test_an_interruption_states_how_to_continue(monkeypatch, capsys):
    def run(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "run", run)
    assert cli.main(["train", *SMALL]) == 130
    _, err = output(capsys)
    assert len(err) == 1 and "continues after the last stored epoch" in err[0]


def test_a_sweep_continues_after_a_diverged_run(capsys):
    words = ["sweep", "--table", "1", "--models", "lstm", "sista-rnn", *SMALL, *WILD, "--quiet"]
    status = cli.main(words)
    out, err = output(capsys)
    assert status == 1
    assert len(err) >= 5 and all("expected a finite" in line for line in err)
    assert len(out) + len(err) == 10
    runs = results.collect()
    assert len(runs) == 10
    assert (runs["status"] == "failed").sum() == len(err)


def test_a_sweep_skips_a_folder_in_use(capsys, tmp_path):
    first, *rest = grid.table(1, small(), ["gru"])
    with records.lock(records.folder_of(first)):
        words = ["sweep", "--table", "1", "--models", "gru", *SMALL, "--quiet"]
        assert cli.main(words) == 1
    out, err = output(capsys)
    assert len(out) == len(rest) and len(err) == 1 and "to be free" in err[0]
    assert cli.main(words) == 0


def test_a_sweep_of_several_seeds_trains_each_of_them(capsys):
    words = ["sweep", "--table", "3", "--models", "sista-rnn", *SMALL, "--quiet"]
    assert cli.main([*words, "--seed", "1", "0", "1"]) == 0
    out, _ = output(capsys)
    assert len(out) == 12
    assert sorted(results.collect()["seed"]) == [0] * 6 + [1] * 6


def test_the_seeds_of_a_cell_are_trained_together_on_a_gpu(monkeypatch, capsys):
    groups, shelves = [], []

    def fit(configs, *, cache, **options):
        groups.append([(run.cs_rate, run.seed) for run in configs])
        shelves.append(cache)
        expected = {"device": "auto", "store": None, "again": False, "progress": True}
        assert options == expected | {"frames": None}
        return [TrainingError(f"wild {run.seed}") for run in configs]

    monkeypatch.setattr(fitting, "resolve", lambda device: "cuda")
    monkeypatch.setattr(fitting, "fit", fit)
    words = ["sweep", "--table", "1", "--models", "l1-l1-rnn", "--profile", "small", "--together"]
    assert cli.main([*words, "2", "--seed", "0", "1", "2"]) == 1
    rates = grid.VARIED[1][1]
    assert groups == [pair for r in rates for pair in ([(r, 0), (r, 1)], [(r, 2)])]
    assert all(cache is shelves[0] for cache in shelves)
    _, err = output(capsys)
    assert err == [f"unfolded: wild {seed}" for _ in rates for seed in (0, 1, 2)]
    with pytest.raises(SystemExit):
        cli.main([*words, "0"])
    assert "expected a whole number >= 1; got 0; choose another" in output(capsys)[1][0]


# Tables ----------------------------------------------------------------------------------------


def test_tables_lists_the_runs_and_stores_them_only_with_commit(capsys, tmp_path):
    assert cli.main(["tables"]) == 0
    assert output(capsys)[0] == [f"0 runs in {tmp_path / 'runs'}"]
    assert cli.main(["tables", "--commit"]) == 0
    assert not (tmp_path / "results").exists()
    for seed in ("0", "1"):
        cli.main(["train", *SMALL, "--quiet", "--seed", seed])
    lines = output(capsys)[0][-2:]
    assert cli.main(["tables"]) == 0
    assert sorted(output(capsys)[0][:-1]) == sorted(lines)
    assert not (tmp_path / "results").exists()
    table = tmp_path / "results" / "runs.csv"
    for _ in range(2):
        assert cli.main(["tables", "--commit"]) == 0
        assert output(capsys)[0][-1] == f"2 runs in {table}"
    committed = pd.read_csv(table)
    assert committed["seed"].tolist() == [0, 1]
    runs = results.collect().sort_values("seed")
    assert committed["psnr_frame"].tolist() == runs["psnr_frame"].tolist()


def test_tables_reports_an_unreadable_record_and_collects_the_others(capsys, tmp_path):
    for seed in ("0", "1"):
        cli.main(["train", *SMALL, "--quiet", "--seed", seed])
    damaged, _ = sorted((tmp_path / "runs").glob("*/record.json"))
    damaged.write_text('{"config": ')
    capsys.readouterr()
    assert cli.main(["tables", "--commit"]) == 1
    out, (error,) = output(capsys)
    assert error.startswith(f"unfolded: expected a JSON object at {damaged}; got ")
    assert error.endswith("delete this file and run again")
    assert out[1:] == [
        f"1 runs in {tmp_path / 'runs'}",
        f"1 runs in {tmp_path / 'results' / 'runs.csv'}",
    ]


def test_tables_needs_the_folder_that_store_names(capsys, tmp_path):
    assert cli.main(["tables"]) == 0
    capsys.readouterr()
    assert cli.main(["tables", "--store", str(tmp_path / "absent")]) == 1
    out, (error,) = output(capsys)
    assert not out and error.endswith("absent; got none; correct --store")


def test_tables_shows_a_failed_run_with_its_reason(capsys):
    assert cli.main(["train", *SMALL, *WILD, "--quiet"]) == 1
    reason = output(capsys)[1][0].removeprefix("unfolded: ")
    assert cli.main(["tables", "--commit"]) == 0
    line = output(capsys)[0][0]
    assert line.endswith(f": failed: {reason}") and "learning_rate=1e+30" in line
    assert results.load_table()["reason"].tolist() == [reason]
