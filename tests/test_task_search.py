"""Search for proxy tasks: the published space, fitness, racing, replay, and what a user can get wrong."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from naslib_gennas.cli import main
from naslib_gennas.errors import GenNASError, InputError, RunError, SpecError
from naslib_gennas.evaluation import bootstrap_differences, spearman
from naslib_gennas.executors import Resources, open_executor
from naslib_gennas.proxy.presets import load_preset, parse_preset
from naslib_gennas.runs.lines import record_of
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring import ErrorRecord, GenNASScorer, Score
from naslib_gennas.spaces import load_space
from naslib_gennas.tables import load_table
from naslib_gennas.task_search.adapt import POPULATION, adapted_preset
from naslib_gennas.task_search.blocks import CHANNELS, DIMENSIONS
from naslib_gennas.task_search.checks import split_half
from naslib_gennas.task_search.draws import elsewhere, split
from naslib_gennas.task_search.fitness import JointFitness, TaskFitness, parts, upper_limit
from naslib_gennas.task_search.labels import spread
from naslib_gennas.task_search.record import TaskRecord
from naslib_gennas.task_search.report import task_search
from naslib_gennas.task_search.result import TaskSearchResult
from naslib_gennas.task_search.scorer import TaskScores, TaskWork
from naslib_gennas.task_search.search import (
    Rules,
    bar,
    best_rho_so_far,
    best_task,
    front,
    search_tasks,
    task_of,
)
from naslib_gennas.task_search.settings import Elsewhere, TaskSearchSettings
from naslib_gennas.task_search.significance import kept_start, probability_better
from naslib_gennas.task_search.space import task_space

DIGITS = str(Path(__file__).parent / "data" / "digits.csv.gz")

TINY = """
name: tiny
task:
  stages: [{signals: []}, {signals: []}, {channels: 4, signals: [{kind: dot}]}]
fidelity: {cells: 1, channels: 4, input_size: 8, batch_size: 4, steps: 3, readout: train}
"""
DRAWS = 1000


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("presets") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def space():
    return task_space(load_preset("paper-combo"))


@pytest.fixture(scope="module")
def samples(space):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(DRAWS)]


def signals_of(task):
    return [signal for stage in task.task.stages for signal in stage.signals]


def uniform(counts, values):
    """Whether every one of ``values``, and nothing else, was drawn about equally often."""
    assert set(counts) == set(values)
    return stats.chisquare([counts[value] for value in values]).pvalue > 1e-4


def close(share, expected, n):
    return abs(share - expected) < 4.5 * np.sqrt(expected * (1 - expected) / n)


def test_samples_follow_the_published_rules(samples):
    for stage in range(3):
        assert uniform(Counter(task.task.stages[stage].channels for task in samples), CHANNELS)
        for kind in ("sin1d", "sin2d", "dot", "gdot", "resize"):
            present = [sum(s.kind == kind for s in task.task.stages[stage].signals) for task in samples]
            assert max(present) == 1 and close(np.mean(present), 0.5, DRAWS)
    assert uniform(Counter(task.task.noise.distribution for task in samples), ("gaussian", "symmetric"))
    assert uniform(Counter(task.task.noise.level for task in samples), [i / 10 for i in range(10)])
    signals = [signal for task in samples for signal in signals_of(task)]
    assert uniform(Counter(signal.level for signal in signals), [i / 10 for i in range(5, 30)])
    assert all(signal.scope == "local" for signal in signals if signal.kind == "resize")
    scopes = [signal.scope == "local" for signal in signals if signal.kind != "resize"]
    assert close(np.mean(scopes), 0.5, len(scopes))
    fractions = [signal.fraction for signal in signals if signal.kind in ("dot", "gdot")]
    assert stats.kstest(fractions, "uniform").pvalue > 1e-4


def test_frequencies_are_ten_draws_from_a_random_interval(samples):
    sines = [s.frequencies for task in samples for s in signals_of(task) if s.kind in ("sin1d", "sin2d")]
    assert all(len(sine) == 10 and 0 <= min(sine) and max(sine) <= 0.5 for sine in sines)
    spread = np.ptp(sines, axis=1)  # the interval is 1/6 long on average, ten draws span 9/11 of it
    assert abs(spread.mean() - 0.5 / 3 * 9 / 11) < 0.005
    assert abs(np.mean(sines) - 0.25) < 0.005


def test_what_is_not_searched_is_the_base(samples):
    base = load_preset("paper-combo")
    assert all(task.fidelity == base.fidelity and task.task.weights == base.task.weights for task in samples[:50])


def test_each_block_is_drawn_again_with_probability_one_fifth(space):
    rng = np.random.default_rng(1)
    parent = space.adopt(load_preset("paper-search-n"))
    before = space._blocks_of(parent)
    changed, n = Counter(), 1000
    for _ in range(n):
        child = space.mutate(parent, rng)
        after = space._blocks_of(child)
        assert space.canonical(child) != space.canonical(parent)
        changed.update(name for name, value in after.items() if value != before[name])
    assert close(changed["stage 2", "sin1d"] / n, 0.2, n)  # present, and a new one never is the same
    assert close(changed["stage 1", "sin1d"] / n, 0.1, n)  # absent: half of the new draws are so, too
    assert close(changed["stage 1", "channels"] / n, 0.2 * 5 / 6, n)
    assert not any(name[0] in ("fidelity", "weights", "score_weights") for name in changed)


def test_text_form_and_canonical_form(space, samples):
    for task in samples[:20]:
        assert space.parse(space.text(task)) == task == space.parse(task.to_yaml())
    named = samples[0].model_copy(update={"name": "other"})
    assert space.canonical(named) == space.canonical(samples[0]) != space.canonical(samples[1])
    with pytest.raises(SpecError, match="key"):
        space.parse("name: x\ntask: {stages: [{}, {}, {signals: [{kind: dot, fraction: 3}]}]}", "key")


def test_known_presets_are_adopted_and_keep_signals_that_are_not_searched(space):
    for name in ("paper-combo", "paper-search-d"):
        assert space.adopt(load_preset(name)).digest() == load_preset(name).digest()
    control = space.parse("name: x\ntask: {stages: [{}, {}, {signals: [{kind: noise}, {kind: dot}]}]}")
    child = space.mutate(space.adopt(control), np.random.default_rng(0))
    assert "noise" in [signal.kind for signal in child.task.stages[2].signals]
    cheap = task_space(load_preset("fast-three")).adopt(load_preset("paper-search-n"))
    assert cheap.fidelity == load_preset("fast-three").fidelity and cheap.task.noise.level == 0.1
    with pytest.raises(SpecError, match="RNN"):
        space.adopt(load_preset("rnn-combo"))


def test_fidelity_and_weights_can_be_searched(tiny):
    for base in (load_preset("fast-three"), load_preset(tiny)):
        space = task_space(base, fidelity=True, weights=True)
        rng = np.random.default_rng(0)
        tasks = [space.sample(rng) for _ in range(40)]
        tasks += [space.mutate(task, rng) for task in tasks]
        assert len({task.fidelity for task in tasks}) > 10
        assert len({task.task.score_weights for task in tasks}) > 10
        assert max(space._work(task.fidelity) for task in tasks) <= 4 * space._work(base.fidelity)
        assert all(task.task.weights == base.task.weights for task in tasks)


def test_recurrent_tasks_are_local_with_signals_in_and_out():
    space = task_space(load_preset("rnn-combo"))
    rng = np.random.default_rng(0)
    tasks = [space.sample(rng) for _ in range(400)]
    assert uniform(Counter(task.task.dimension for task in tasks), DIMENSIONS)
    signals = [signal for task in tasks for signal in (*task.task.inputs, *task.task.targets)]
    assert {signal.kind for signal in signals} == {"sin1d", "sin2d", "dot", "gdot"}
    assert all(signal.scope == "local" for signal in signals)
    assert len(space.blocks) == 10
    child = space.mutate(tasks[0], rng)
    assert child.kind == "rnn" and child.digest() != tasks[0].digest()
    with pytest.raises(InputError, match="weights"):
        task_space(load_preset("rnn-combo"), weights=True)


class Fake:
    """Scores that follow the labels as well as the task's first noise level says; counts what is asked."""

    def __init__(self, labels, texts=None, cost=1):
        self.by_text = dict(zip(texts or map(str, range(len(labels))), labels))
        self.cost, self.calls = cost, 0

    def __call__(self, task, texts):
        self.calls += len(texts)
        seed = int(task.digest(), 16) % 2**32
        noise = dict(zip(self.by_text, np.random.default_rng(seed).normal(size=len(self.by_text))))
        spread = 12 * task.task.noise.level
        cost = self.cost * task.fidelity.steps
        return [self.score(text, self.by_text[text] + spread * noise[text], cost) for text in texts]

    def score(self, text, value, cost):
        error = ErrorRecord("Test", "it failed") if value is None else None
        details = {"steps": cost, "parameters": 1}
        return Score(text, text, value, "failed" if error else "ok", 0.0, error=error, details=details)


class Given(Fake):
    """The same scores for every task."""

    def __call__(self, task, texts):
        self.calls += len(texts)
        return [self.score(text, self.by_text[text], self.cost) for text in texts]


LABELS = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0, 3.5, 8.0, 7.0, 0.5]
TEXTS = [str(i) for i in range(len(LABELS))]


def fitness(scores, cost=1, race=False, bar=-np.inf):
    return TaskFitness(TEXTS, LABELS, Given(scores, cost=cost), race)(load_preset("fast-three"), lambda new: bar)


def test_fitness_is_rho_with_its_sign():
    scores = [score + 0.7 * (-1) ** i for i, score in enumerate(LABELS)]
    assert fitness(scores).rho == pytest.approx(stats.spearmanr(scores, LABELS).statistic)
    assert fitness([-score for score in LABELS]).rho == pytest.approx(-1)


def test_failed_scores_rank_last_and_no_ranking_is_no_fitness():
    lowest = int(np.argmin(LABELS))
    assert fitness([None if i == lowest else s for i, s in enumerate(LABELS)]).rho == pytest.approx(1)
    for scores in ([None] * 12, [1.0] * 12):
        record = fitness(scores)
        assert record.rho is None and record.status == "failed"
        with pytest.raises(GenNASError, match="none of 1 tasks"):
            best_task([record])


def test_ties_go_to_the_cheaper_task():
    dear, cheap = fitness(LABELS, cost=1000), fitness(LABELS, cost=10)
    assert best_task([dear, cheap]) is cheap and best_task([cheap, dear]) is cheap
    worse = fitness([*LABELS[:-1], 0.75], cost=1)
    assert best_task([dear, replace(worse, rho=worse.rho - 0.003)]) is dear


def test_hopeless_tasks_are_stopped_and_never_the_result():
    record = fitness([-score for score in LABELS], race=True, bar=0.5)
    assert record.status == "stopped" and record.scored == parts(LABELS)[0] == 6
    assert fitness(LABELS, race=True, bar=0.99).status == "ok"
    good = fitness([*LABELS[:-1], 2.5])
    assert best_task([replace(record, rho=0.999), good]) is good
    assert best_rho_so_far([record, good]) == [None, good.rho]


def test_upper_limit_holds_in_at_least_nine_of_ten_cases():
    rng = np.random.default_rng(0)
    for total, n, noise in ((20, 8, 1.0), (20, 12, 0.5), (50, 20, 0.7)):
        covered = []
        for _ in range(300):
            labels = rng.normal(size=total)
            scores = labels + noise * rng.normal(size=total)
            part, final = (stats.spearmanr(scores[:k], labels[:k]).statistic for k in (n, total))
            covered.append(upper_limit(part, n, total) >= final)
        assert np.mean(covered) > 0.9
    assert upper_limit(0.3, 20, 20) == 0.3


def test_every_part_of_the_labels_is_spread_over_all_ranks():
    for n in (5, 12, 20, 33):
        labels = np.random.default_rng(n).permutation(n)
        order = spread(labels)
        assert sorted(order) == list(range(n))
        first = np.sort(labels[order[: n // 2 + 1]])
        assert np.diff(first).max() <= 4 and first[0] <= 2 and first[-1] >= n - 4


def test_the_bar_is_what_an_average_winner_of_a_tournament_has():
    history = [task_record(i / 100, 0.0) for i in range(100)]
    assert bar(history, Rules())(history[0]) == pytest.approx(0.95)  # the fifth best of the last fifty
    assert bar(history[:5], Rules())(history[0]) == -np.inf
    assert bar(history, Rules(algorithm="random"))(history[0]) == 0.99


def task_record(rho, work, step=0, **more):
    return TaskRecord(
        **{
            "status": "ok",
            "rho": rho,
            "scored": 2,
            "work": work,
            "seconds": 4.0,
            "message": "",
            **{"scores": [], **more},
        },
        step=step,
    )


def test_two_objectives_have_a_front():
    history = [
        task_record(rho, work, step)
        for step, (rho, work) in enumerate([(0.5, 10), (0.9, 30), (0.6, 10), (0.7, 40), (0.2, 5), (0.95, 90)])
    ]
    history.append(replace(history[0], rho=0.99, status="stopped"))
    assert [record.step for record in front(history, "rho,work")] == [4, 2, 1, 5]
    assert [record.step for record in front(history, "rho,seconds")] == [5]
    limit = bar(history, Rules(objective="rho,work"))
    assert [limit(task_record(0.0, work)) for work in (1, 10, 35)] == [-np.inf, 0.6, 0.9]


def test_a_search_for_the_front_finds_cheap_tasks_too():
    labels = list(np.random.default_rng(5).permutation(15).astype(float))
    records, _ = search(Run(None, {}), labels, objective="rho,work", fidelity=True)
    found = front(records, "rho,work")
    assert len(found) > 1 and found[0].work < found[-1].work and found[0].rho < found[-1].rho
    with pytest.raises(InputError, match="rho,seconds"):
        search(Run(None, {}), labels, objective="rho,memory")


def test_split_halves_show_what_choosing_by_few_labels_is_worth():
    rng = np.random.default_rng(0)
    labels = rng.permutation(20).astype(float)
    chance = [task_record(0.0, 0.0, scores=rng.normal(size=20).tolist()) for _ in range(200)]
    halves = split_half(chance, labels, 0)
    assert halves.chosen_by > 0.6 and abs(halves.other_half) < 0.25  # the best of chance is chance
    perfect = task_record(1.0, 0.0, scores=labels.tolist())
    halves = split_half([*chance, perfect], labels, 0)
    assert halves.chosen_by == halves.other_half == pytest.approx(1)
    assert split_half(chance, labels[:8], 0) is None


def search(run, labels, race=True, seed=0, steps=60, limit=None, fidelity=False, **options):
    """A search on fake scores whose quality depends on the noise level; stops by force after ``limit`` tasks."""
    scores = Fake(labels)
    evaluate = TaskFitness([str(i) for i in range(len(labels))], labels, scores, race)
    count = 0

    def limited(task, bar):
        nonlocal count
        count += 1
        if limit is not None and count > limit:
            raise KeyboardInterrupt
        return evaluate(task, bar)

    space = task_space(load_preset("fast-three"), fidelity)
    rules = Rules(steps, population=20, tournament=5, seed=seed, **options)
    return search_tasks(space, limited, run, rules), scores.calls


def test_racing_saves_work_and_keeps_the_winner():
    """Here tasks without noise rank perfectly, others badly: no chance that one of the former is stopped."""
    labels = list(np.random.default_rng(5).permutation(20).astype(float))
    for algorithm in ("evolution", "random"):
        plain, cost = search(Run(None, {}), labels, race=False, algorithm=algorithm)
        raced, less = search(Run(None, {}), labels, algorithm=algorithm)
        assert best_task(raced).rho == best_task(plain).rho == pytest.approx(1)
        assert less < 0.9 * cost
        if algorithm == "random":  # the same tasks in the same order, so the same winner
            assert best_task(raced).key == best_task(plain).key
    assert any(record.status == "stopped" for record in raced)


def without_times(records):
    return [replace(record, seconds=0.0) for record in records]


def test_a_killed_search_resumes_to_the_same_result_without_repeating_work(tmp_path):
    labels = list(np.random.default_rng(5).permutation(15).astype(float))
    warm = (load_preset("paper-combo"),)
    whole, calls = search(Run(None, {}), labels, warm_start=warm)
    with Run(tmp_path, {}) as run, pytest.raises(KeyboardInterrupt):
        search(run, labels, warm_start=warm, limit=33)
    results = tmp_path / "results.jsonl"
    results.write_bytes(results.read_bytes()[:-9])  # as a kill in the middle of a line leaves it
    with Run(tmp_path, {}, resume=True) as run:
        assert len(run.records) == 32
        resumed, rest = search(run, labels, warm_start=warm)
    assert without_times(resumed) == without_times(whole)
    assert rest == sum(record.scored for record in whole[32:])
    lines = map(record_of, results.read_bytes().splitlines())
    assert without_times(map(TaskRecord.from_record, lines)) == without_times(whole)


def test_records_of_another_seed_or_changed_by_hand_are_refused(tmp_path):
    labels = LABELS
    with Run(tmp_path, {}) as run:
        records, _ = search(run, labels, steps=0)
    with Run(tmp_path, {}, resume=True) as run, pytest.raises(RunError, match="cannot be continued"):
        search(run, labels, seed=1)
    space = task_space(load_preset("fast-three"))
    task = task_of(space, records[3], "step 3")
    assert task.digest() == records[3].key
    broken = replace(records[3], task={**records[3].task, "task": {"stages": "three"}})
    with pytest.raises(SpecError, match="step 3"):
        task_of(space, broken, "step 3")
    with pytest.raises(SpecError, match="changed by hand"):
        task_of(space, replace(records[3], task=records[4].task), "step 3")


def test_a_search_that_drew_another_kind_of_uniform_noise_is_refused(tmp_path):
    """A search of an older version, whose uniform noise was not symmetric."""
    with Run(tmp_path, {}) as run:
        records, _ = search(run, LABELS, steps=0)
    assert "symmetric" in {record.task["task"]["noise"]["distribution"] for record in records}
    path, space = tmp_path / "results.jsonl", task_space(load_preset("fast-three"))
    lines = [record_of(line) for line in path.read_bytes().splitlines()]
    for line in lines:
        if line["task"]["task"]["noise"]["distribution"] == "symmetric":
            line["task"]["task"]["noise"]["distribution"] = "uniform"
            line["key"] = space.canonical(parse_preset(json.dumps({"name": "old", **line["task"]}), "old"))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with Run(tmp_path, {}, resume=True) as run, pytest.raises(RunError, match="another version made it .* --out"):
        search(run, LABELS, steps=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_reused_networks_score_bit_for_bit_as_new_ones(tiny, workers):
    space, nb201 = task_space(load_preset(tiny)), load_space("nasbench201")
    rng = np.random.default_rng(0)
    texts = [str(nb201.sample(rng)) for _ in range(3)]
    tasks = [space.sample(rng) for _ in range(2)]
    tasks += [tasks[0].with_fidelity(readout="eval"), tasks[1].with_fidelity(channels=6), tasks[0]]
    with open_executor(Resources(workers=workers)) as executor:
        scores = TaskScores(TaskWork("nasbench201", seed=4), executor)
        for task in tasks:
            new = GenNASScorer("nasbench201", task, seed=4)
            assert [score.value for score in scores(task, texts)] == [new.score(text).value for text in texts]


def test_labels_that_teach_nothing_are_refused():
    for labels, reason in (([1.0] * 4, "at least 5"), ([2.0] * 8, "equal"), ([1, 2, 3, 4, np.nan], "finite")):
        with pytest.raises(InputError, match=reason):
            TaskFitness([str(i) for i in range(len(labels))], labels, Given(labels))


def keys_of(labelled):
    return {labelled.table.space.score_key(labelled.table.space.parse(text)) for text in labelled.texts}


def test_labelled_and_other_architectures_are_kept_apart():
    table = load_table(DIGITS, "nasbench201")
    settings = TaskSearchSettings(table, load_preset("fast-three"), "accuracy", labelled=20, validate=60)
    labelled, others = split(settings)
    assert len(labelled.texts) == 20 and 40 < len(others.texts) <= 60 and not keys_of(labelled) & keys_of(others)
    fewer, _ = split(replace(settings, validate=0))
    assert fewer.texts == labelled.texts


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"algorithm": "hill"}, "no search algorithm"),
        ({"steps": -1}, "steps"),
        ({"warm_start": (load_preset("fast-three"),) * 21}, "do not fit"),
    ],
)
def test_bad_settings(options, reason):
    with pytest.raises(InputError, match=reason):
        search(Run(None, {}), LABELS, **options)


def test_transfers_within_the_space_leave_the_labelled_architectures_out():
    settings = TaskSearchSettings(load_table(DIGITS, "nasbench201"), load_preset("fast-three"), "accuracy")
    labelled, _ = split(settings)
    place = Elsewhere.parse(f"nasbench201:{DIGITS}", settings.base)
    found = elsewhere(settings, place, [labelled])
    assert place.metric == settings.table.default_metric and place.given is None
    assert len(found.texts) > 100 and not keys_of(labelled) & keys_of(found)


def test_transfers_are_read(tmp_path):
    base, table = load_preset("fast-three"), tmp_path / "t.csv"
    table.write_text("arch,valid,acc\n5:397:000,1,2\n5:397:001,2,3\n")
    place = Elsewhere.parse(f"nasbench101:{table}:acc", base)
    assert (place.space.name, place.table.name, place.metric, place.given) == ("nasbench101", str(table), "acc", "acc")
    for text in ("nasbench101", "a:b:c:d", "a::c"):
        with pytest.raises(InputError, match="SPACE:TABLE"):
            Elsewhere.parse(text, base)
    with pytest.raises(SpecError, match="RNN"):
        Elsewhere.parse(f"nasbench101:{table}", load_preset("rnn-combo"))


def gennas(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def command(tiny, out, *more):
    settings = ("--population", 4, "--tournament", 2, "--steps", 2, "--labelled", 8, "--fidelity", tiny)
    table = () if "--table" in more else ("--table", DIGITS)
    return ("task-search", "--space", "nasbench201", *table, *settings, "--out", out, *more)


def test_the_command_survives_a_kill_and_its_task_is_a_preset(tiny, tmp_path):
    out = tmp_path / "run"
    arguments = command(
        tiny, out, "--warm-start", "paper-combo", "--validate", 8, "--transfer", f"nasbench201:{DIGITS}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "naslib_gennas.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if (out / "results.jsonl").exists() and (out / "results.jsonl").read_text().count("\n") >= 2:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = (out / "results.jsonl").read_text().splitlines(keepends=True)
    again = gennas(*arguments, "--baseline", "--resume", "--json")
    assert again.exit_code == 0, again.output
    kept = [line for line in before if line.endswith("\n")]
    assert (out / "results.jsonl").read_text().splitlines(keepends=True)[: len(kept)] == kept
    data = json.loads(again.stdout)
    assert data["evaluations"] == 6 and data["regressions"] <= data["regressions_plain"] == 48
    low, high = data["best"]["rho_interval"]
    assert low <= data["best"]["rho"] <= high
    assert {"found", "paper-combo", "n"} <= set(data["validation"]) and 3 < data["transfer"][0]["n"] <= 8
    assert data["baseline"]["rho"] <= 1
    task = load_preset(out / "task.yaml")
    taken = task.digest() == data["best"]["digest"]
    assert task.name == "searched" and "8 labels" in task.source
    assert taken != data["start"]["kept"] and (out / "found.yaml").exists() == data["start"]["kept"]
    assert ("is kept" in task.source) == data["start"]["kept"]
    always = gennas(*arguments, "--confidence", 0, "--resume", "--json")
    assert not json.loads(always.stdout)["start"]["kept"] and not (out / "found.yaml").exists()
    assert load_preset(out / "task.yaml").digest() == data["best"]["digest"]
    scored = gennas("score", "--space", "nasbench201", "--preset", out / "task.yaml", "--json", 5)
    assert scored.exit_code == 0, scored.output
    assert (out / "curve.png").exists()
    other = gennas(*command(tiny, out, "--resume", "--seed", 1))
    assert other.exit_code == 2 and "seed: 0 then, 1 now" in other.stderr


def test_the_result_of_a_search_is_its_summary_file(tiny, tmp_path):
    warm = load_preset("paper-combo")
    settings = TaskSearchSettings(
        load_table(DIGITS, "nasbench201"),
        load_preset(tiny),
        "accuracy",
        labelled=8,
        population=3,
        tournament=2,
        objective="rho,work",
        warm_start=(warm,),
        validate=8,
        baseline=True,
        confidence=1.0,
    )
    with Run(tmp_path, settings.config()) as run:
        found = task_search(settings, run, steps=1)
    assert isinstance(found, TaskSearchResult)
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(found.as_record()))
    assert set(found.validation.agreements) == {"found", warm.name} | {
        f"front-{i}" for i in range(1, len(found.front) + 1)
    }
    assert max(task.rho for task in found.front) == pytest.approx(found.best.rho) and found.best.labelled.spaces == ()
    assert found.savings.ok + found.savings.stopped + found.savings.failed == found.savings.evaluations == 4
    assert found.keeps_start == (found.best.task.step != 0) and found.baseline.rho <= 1
    assert found.preset.digest() == (warm_digest(settings, warm) if found.start.kept else found.best.task.digest)


def warm_digest(settings, preset):
    return settings.task_space().adopt(preset).digest()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--labelled", 4), "at least 5"),
        (("--labelled", 5000), "cannot draw"),
        (("--metric", "acuracy"), "accuracy"),
        (("--warm-start", "paper-comb"), "paper-combo"),
        (("--fidelity", "rnn-combo"), "RNN"),
        (("--workers", 0), "workers"),
        (("--objective", "rho,memory"), "rho,seconds"),
        (("--transfer", "nasbench201"), "SPACE:TABLE"),
        (("--transfer", f"nasbench101:{DIGITS}"), "no usable row"),
        (("--also", "nasbench101"), "SPACE:TABLE"),
        (("--also", f"nasbench101:{DIGITS}"), "no usable row"),
        (("--compare", "nowhere"), "no finished task search"),
        (("--validate", 2), "apart needs at least 5"),
        (("--confidence", 1.5), "between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tiny, tmp_path, more, reason):
    result = gennas(*command(tiny, tmp_path / "run", *more))
    assert result.exit_code == 2, result.output
    assert reason in result.stderr and "Traceback" not in result.stderr


def test_labels_and_presets_that_do_not_parse(tiny, tmp_path):
    table = tmp_path / "table.csv"
    cells = list(load_space("nasbench201"))[:8]
    table.write_text("arch,accuracy\n" + "".join(f"{cell},high{i}\n" for i, cell in enumerate(cells)))
    result = gennas(*command(tiny, tmp_path / "a", "--table", table))
    assert result.exit_code == 2 and "metric" in result.stderr
    table.write_text("arch,accuracy\n" + "".join(f"{cell},50\n" for cell in cells))
    result = gennas(*command(tiny, tmp_path / "b", "--table", table))
    assert result.exit_code == 2 and "equal" in result.stderr
    nonsense = tmp_path / "nonsense.yaml"
    nonsense.write_text(TINY.replace("kind: dot", "kind: dots"))
    result = gennas(*command(tiny, tmp_path / "c", "--warm-start", nonsense))
    assert result.exit_code == 2 and "nonsense.yaml" in result.stderr and "dots" in result.stderr


def test_short_search_on_labels_that_are_there():
    """It ranks the labels at least as well as the preset it starts from, on the same networks."""
    tiny = load_preset("fast-three").with_fidelity(cells=1, channels=4, input_size=8, batch_size=4, steps=3)
    space = load_space("nasbench201")
    rng = np.random.default_rng(0)
    texts = [str(space.sample(rng)) for _ in range(8)]
    labels = [float(len(text)) + i / 10 for i, text in enumerate(texts)]

    def rho(preset):
        scorer = GenNASScorer("nasbench201", preset, 3)
        return spearman([scorer.score(text).score for text in texts], labels)

    found = adapted_preset(tiny, "nasbench201", texts, labels, seed=3, steps=4)
    assert found == adapted_preset(tiny, "nasbench201", [*texts, texts[0]], [*labels, 99.0], seed=3, steps=4)
    assert found.fidelity == tiny.fidelity and rho(found) >= rho(tiny)
    assert f"{POPULATION + 4} tasks" in found.source and f"rho {rho(found):.3f}" in found.source
    for few, message in ((4, "at least 5 labelled"), (8, "labels are equal")):
        with pytest.raises(InputError, match=message):
            adapted_preset(tiny, "nasbench201", texts[:few], [1.0] * few, seed=3)
    with pytest.raises(InputError, match="every architecture needs a label; got 8 architectures and 2 labels"):
        adapted_preset(tiny, "nasbench201", texts, [1.0, 2.0])


def history(start, best, status="ok"):
    """A start, a hopeless task and the best one, as records of a search."""
    rows = [(start, status), ([-label for label in LABELS], "ok"), (best, "ok")]
    return [
        task_record(spearman(scores, LABELS), 1.0, step, status=kind, scores=list(map(float, scores)))
        for step, (scores, kind) in enumerate(rows)
    ]


def test_the_start_is_kept_unless_the_best_task_beats_it_beyond_chance():
    rng = np.random.default_rng(0)
    poor, good = (np.array(LABELS) + level * rng.normal(size=len(LABELS)) * np.std(LABELS) for level in (3, 0.3))
    lucky = np.array(good)
    lucky[:2] = lucky[1::-1]
    clear = kept_start(history(poor, good), 1, [LABELS], 0.975)
    assert not clear.kept and clear.probability > 0.975
    assert clear.rho == pytest.approx(stats.spearmanr(poor, LABELS).statistic) and clear.step == 0
    close = kept_start(history(*sorted((good, lucky), key=lambda s: spearman(s, LABELS))), 1, [LABELS], 0.975)
    assert close.kept and 0.3 < close.probability < 0.975
    assert not kept_start(history(*sorted((good, lucky), key=lambda s: spearman(s, LABELS))), 1, [LABELS], 0).kept
    assert kept_start(history(poor, good, "stopped"), 1, [LABELS], 0.975) is None
    assert kept_start(history(poor, good), 0, [LABELS], 0.975) is None


def test_the_probability_is_that_of_resamples_drawn_one_by_one():
    rng = np.random.default_rng(1)
    a, b, y = rng.normal(size=(3, 12))
    rows = np.random.default_rng(5).integers(12, size=(1000, 12))
    gains = [stats.spearmanr(a[r], y[r]).statistic - stats.spearmanr(b[r], y[r]).statistic for r in rows]
    assert bootstrap_differences(a, b, y, seed=5) == pytest.approx(np.array(gains))
    assert probability_better(a, b, [y], seed=5) == pytest.approx(np.mean(np.array(gains) > 0), abs=0.01)
    two = probability_better([*a, *b], [*b, *a], [y, y])
    assert two == pytest.approx(0.5, abs=0.1), "what is won in one space is lost in the other"


def joint(first, second, bar=-np.inf, race=True):
    members = [TaskFitness(TEXTS, LABELS, Given(scores), race) for scores in (first, second)]
    return JointFitness(members)(load_preset("paper-combo"), lambda new: bar)


def test_joint_fitness_is_the_mean_of_the_rhos():
    noisy = [score + 0.7 * (-1) ** i for i, score in enumerate(LABELS)]
    found = joint(noisy, LABELS)
    assert found.rho == pytest.approx((stats.spearmanr(noisy, LABELS).statistic + 1) / 2)
    assert found.status == "ok" and found.scored == 24 and found.scores == [*noisy, *LABELS]
    assert joint([-score for score in LABELS], LABELS).rho == pytest.approx(0)
    assert joint([1.0] * 12, LABELS).rho is None and joint(LABELS, [1.0] * 12).rho is None


def test_joint_tasks_are_stopped_once_even_a_perfect_rest_would_not_do():
    inverse = [-score for score in LABELS]
    stopped = joint(inverse, LABELS, bar=0.5)
    assert stopped.status == "stopped" and stopped.scored < 12, "the second space is not touched"
    late = joint(LABELS, inverse, bar=0.5)
    assert late.status == "stopped" and 12 < late.scored < 24
    assert joint(LABELS, inverse, bar=-0.5).status == "ok", "a mean of 0 is above that"


def test_a_search_by_two_tables(tiny, tmp_path):
    rng, other = np.random.default_rng(0), load_space("nasbench101")
    texts = list({str(other.sample(rng)) for _ in range(12)})
    table = tmp_path / "other.csv"
    pd.DataFrame({"arch": texts, "acc": rng.random(len(texts))}).to_csv(table, index=False)
    out = tmp_path / "joint"
    more = ["--also", f"nasbench101:{table}:acc", "--steps", "4", "--json"]
    result = gennas(*command(tiny, out, *more))
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    both = data["best"]["spaces"]
    assert [place["space"] for place in both] == ["nasbench201", "nasbench101"]
    assert data["best"]["rho"] == pytest.approx(np.mean([place["rho"] for place in both]))
    assert data["split_half"] is None and "nasbench101" in data["preset"]["source"]
    refused = gennas(*command(tiny, out, "--steps", "4", "--resume"))
    assert refused.exit_code == 2 and "also" in refused.stderr
