"""Presets side by side on the architectures that their runs have in common, finished or not.

    gennas correlate --space nds_darts_in --table T --sample 40 --seed 7 --preset paper-combo --out runs/combo
    gennas correlate --space nds_darts_in --table T --sample 40 --seed 7 --preset fast --out runs/fast
    python examples/compare_runs.py runs/combo runs/fast

Runs of several spaces may be given; every space needs the same presets. Printed are Spearman's rho and the seconds an
architecture of each space, the mean rho of the spaces and its difference to the first preset, with 95 % intervals of a
paired bootstrap over the architectures of each space.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from naslib_gennas import load_table
from naslib_gennas.errors import GenNASError, InputError, RunError
from naslib_gennas.evaluation import RESAMPLES, spearman


@dataclass(frozen=True)
class Scores:
    """One run: its space, preset, where the truth is, and its records by architecture."""

    space: str
    preset: str
    table: str
    metric: str
    records: dict[str, dict]


@dataclass(frozen=True)
class Comparison:
    """The presets on the architectures of one space that all of them have scored."""

    space: str
    truth: list[float]
    scores: dict[str, list[float | None]]
    seconds: dict[str, float]


def read_run(directory: str) -> Scores:
    try:
        config = json.loads((Path(directory) / "config.json").read_text(encoding="utf-8"))
        written = (Path(directory) / "results.jsonl").read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(f"{directory} holds no run ({error.strerror}: {error.filename})") from None
    except ValueError as error:
        raise RunError(f"{directory}/config.json is not JSON ({error})") from None
    if config.get("command") != "correlate":
        raise RunError(f"{directory} is a run of `gennas {config.get('command')}`; give runs of `gennas correlate`")
    complete = written[: written.rfind("\n") + 1]  # the last line may be on its way
    records = {record["arch"]: record for record in map(json.loads, complete.splitlines())}
    return Scores(config["space"], config["preset"], config["table"], config["metric"], records)


def compare(runs: list[Scores]) -> Comparison:
    """Runs of one space; InputError if they have fewer than three architectures in common."""
    first = runs[0]
    if len({(run.table, run.metric) for run in runs}) > 1:
        raise InputError(f"the runs of {first.space} differ in the table or the metric")
    if len({run.preset for run in runs}) < len(runs):
        raise InputError(f"two runs of {first.space} have the same preset; give one run a space and preset")
    shared = [arch for arch in first.records if all(arch in run.records for run in runs)]
    table = load_table(first.table, first.space)
    return Comparison(
        first.space,
        [table.value(arch, first.metric) for arch in shared],
        {run.preset: [run.records[arch]["score"] for arch in shared] for run in runs},
        {run.preset: float(np.mean([run.records[arch]["seconds"] for arch in shared])) for run in runs if shared},
    )


def mean_rhos(spaces: list[Comparison], preset: str) -> tuple[float, np.ndarray]:
    """The mean rho of the spaces, and the same of resamples, which are equal for every preset."""
    found = [spearman(c.scores[preset], c.truth) for c in spaces]
    return float(np.mean(found)), np.nanmean([resampled(c, preset, seed) for seed, c in enumerate(spaces)], axis=0)


def resampled(comparison: Comparison, preset: str, seed: int) -> list[float]:
    """Rho of architectures drawn with replacement, NaN where a resample gives no ranking."""
    rng = np.random.default_rng(seed)
    rhos = []
    for _ in range(RESAMPLES):
        rows = rng.integers(len(comparison.truth), size=len(comparison.truth))
        scores, truth = ([values[row] for row in rows] for values in (comparison.scores[preset], comparison.truth))
        try:
            rhos.append(spearman(scores, truth))
        except InputError:
            rhos.append(np.nan)
    return rhos


def interval(drawn: np.ndarray) -> str:
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"({low:+.3f} to {high:+.3f})"


def report(spaces: list[Comparison]) -> list[str]:
    presets = list(spaces[0].scores)
    for space in spaces:
        if list(space.scores) != presets:
            raise InputError(f"{space.space} has runs of {', '.join(space.scores)}, not of {', '.join(presets)}")
    lines = [f"{'space':20} {'n':>5} " + "".join(f"{preset + ' rho, s':>24}" for preset in presets)]
    for c in spaces:
        cells = (f"{spearman(c.scores[p], c.truth):>15.3f} {c.seconds[p]:>8.2f}" for p in presets)
        lines.append(f"{c.space:20} {len(c.truth):>5} " + "".join(cells))
    means = {preset: mean_rhos(spaces, preset) for preset in presets}
    first, first_drawn = means[presets[0]]
    for preset, (mean, drawn) in means.items():
        line = f"{preset}: mean rho {mean:.3f} {interval(drawn)}"
        if preset != presets[0]:
            ratio = np.mean([c.seconds[presets[0]] for c in spaces]) / np.mean([c.seconds[preset] for c in spaces])
            line += (
                f", {mean - first:+.3f} {interval(drawn - first_drawn)} to {presets[0]}, {ratio:.1f} times less time"
            )
        lines.append(line)
    return lines


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "runs", nargs="+", help="--out of `gennas correlate`; of every space the same presets, in the same order"
    )
    options = parser.parse_args(arguments)
    by_space: dict[str, list[Scores]] = {}
    try:
        for run in map(read_run, options.runs):
            by_space.setdefault(run.space, []).append(run)
        print("\n".join(report([compare(runs) for runs in by_space.values()])))
    except GenNASError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
