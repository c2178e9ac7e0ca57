"""Limits and objectives of a search: costs against independent ones, kept limits, the front, bad input, resume."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.errors import InputError, MissingPackageError, TableError
from naslib_gennas.report import write_report
from naslib_gennas.runs.run import Run
from naslib_gennas.scoring.score import Score
from naslib_gennas.search.architectures import Step, own_engine
from naslib_gennas.search.costs import Deployment, Stopwatch, amount, cost_of
from naslib_gennas.search.latency_model import Linear, PredictedLatency
from naslib_gennas.search.limits import Gate, Limit, admitted, by_validity, within
from naslib_gennas.search.multi import front, nsga2, parse_objectives
from naslib_gennas.spaces import load_space

SPACE = load_space("nasbench201")


@pytest.fixture
def latencies(tmp_path):
    """Milliseconds by number of 3x3 convolutions; one cell is not there."""
    rows = [{"index": i, "phone": 1.0 + 2 * sum(op == 3 for op in arch.ops)} for i, arch in enumerate(SPACE)]
    path = tmp_path / "latency.csv"
    pd.DataFrame(rows[1:]).to_csv(path, index=False)
    return str(path)


def convolutions(arch):
    return sum(op == 3 for op in arch.ops)


# --- amounts and costs


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("4M", "params", 4e6),
        (" 1.5 g ", "flops", 1.5e9),
        ("12000", "params", 12_000),
        ("500us", "latency:phone", 0.5),
        ("2e1 ms", "latency", 20),
    ],
)
def test_amounts(text, quantity, value):
    assert amount(text, quantity) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("params<4M", "is no limit; write params<=4M"),
        ("params<=4", "needs a unit, such as 4M"),
        ("latency:phone<=20", "needs a unit|with one of the units"),
        ("params<=4ms", "no amount of params"),
        ("params<=..M", "no amount of params"),
        ("", "is no limit"),
    ],
)
def test_bad_limits(text, message):
    with pytest.raises(InputError, match=message) as caught:
        Limit.parse(text)
    assert "\n" not in str(caught.value)


def counter(macs):
    def count(module, inputs, output):
        macs.append(output[0].numel() * module.in_channels // module.groups * module.kernel_size[0] ** 2)

    return count


def test_costs_are_those_of_the_network(latencies):
    rng = np.random.default_rng(0)
    deployment = Deployment(classes=100, image_size=64, latency_table=latencies)
    costs = {name: cost_of(name, SPACE, deployment) for name in ("params", "flops", "latency:phone")}
    for arch in [SPACE.sample(rng) for _ in range(3)]:
        network = SPACE.build_network(arch, 100)
        assert costs["params"](arch) == sum(p.numel() for p in network.parameters())
        macs = []
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(counter(macs))
            elif isinstance(module, torch.nn.Linear):
                macs.append(module.in_features * module.out_features)
        network.eval()(torch.zeros(1, 3, 64, 64))
        assert costs["flops"](arch) == pytest.approx(sum(macs))
        assert costs["latency:phone"](arch) == 1 + 2 * convolutions(arch)
    assert costs["latency:phone"](next(iter(SPACE))) is None


def test_costs_that_cannot_be_had(latencies, tmp_path):
    with pytest.raises(InputError, match="did you mean params"):
        cost_of("param", SPACE, Deployment())
    with pytest.raises(InputError, match="name it with --latency-table"):
        cost_of("latency:phone", SPACE, Deployment())
    with pytest.raises(InputError, match="did you mean phone"):
        cost_of("latency:fone", SPACE, Deployment(latency_table=latencies))
    (tmp_path / "other.csv").write_text("arch,phone\nnothing,3.0\n")
    (tmp_path / "nameless.csv").write_text("phone\n3.0\n")
    (tmp_path / "words.csv").write_text("index,phone\n3,fast\n")
    for name, message in (
        ("other", "knows no phone of any architecture of nasbench201"),
        ("nameless", "neither a column arch"),
        ("words", "the column phone holds texts"),
    ):
        with pytest.raises(TableError, match=message):
            cost_of("latency:phone", SPACE, Deployment(latency_table=str(tmp_path / f"{name}.csv")))
    with pytest.raises(InputError, match="at least one class"):
        Deployment(classes=0)
    for quantity in ("flops", "latency"):
        with pytest.raises(InputError, match="those of nasbench_nlp do not; limit params"):
            cost_of(quantity, load_space("nasbench_nlp"), Deployment())


def test_measured_latencies_are_kept(tmp_path):
    arch = SPACE.parse("15000")
    with Run(tmp_path / "run", {"command": "latency"}) as run:
        first = Stopwatch(SPACE, Deployment(), run)(arch)
    assert first > 0
    with Run(tmp_path / "run", {"command": "latency"}, resume=True) as run:
        assert Stopwatch(SPACE, Deployment(), run)(arch) == first


# --- limits


def gate_of(most: float) -> Gate:
    return Gate([Limit("params", most)], {"params": lambda arch: float(convolutions(arch))})


def test_engines_keep_to_limits():
    for wrapped in (within, by_validity):
        for algorithm in ("random", "evolution"):
            gate, asked = gate_of(2), []

            def evaluate(arch, asked=asked):
                asked.append(arch)
                return float(convolutions(arch))

            stream = wrapped(own_engine, gate)(SPACE, evaluate, 0, algorithm, 10, 3)
            found = [next(stream) for _ in range(150)]
            assert len(asked) >= 150 and all(convolutions(arch) <= 2 for arch in asked)
            assert all(convolutions(arch) == fitness <= 2 for arch, fitness in found)
            assert gate.refused > 0 and gate.asked > gate.refused
            assert max(fitness for _, fitness in found) == 2


def test_what_nothing_keeps_to():
    gate = Gate([Limit("params", -1)], {"params": lambda arch: float(convolutions(arch))})
    with pytest.raises(InputError, match=r"none of 3 architectures keeps to params<=-1e-06M; they have params from 0M"):
        admitted([SPACE.parse(str(number)) for number in (0, 1, 2)], gate)
    unknown = Gate([Limit("params", 1)], {"params": lambda arch: None})
    with pytest.raises(InputError, match="3 have no known cost"):
        admitted([SPACE.parse(str(number)) for number in (0, 1, 2)], unknown)
    with pytest.raises(InputError, match="two limits params<=1e-06M and params<=2e-06M; give the stricter one"):
        Gate([Limit("params", 1), Limit("params", 2)], {})
    with pytest.raises(InputError, match="nothing keeps to both params>=2e-06M and params<=1e-06M"):
        Gate([Limit("params", 1), Limit("params", 2, lower=True)], {})


def test_limits_at_both_ends():
    limits = [Limit.parse("flops>=20k"), Limit.parse("flops<=40k")]
    gate = Gate(limits, {"flops": lambda arch: 1e4 * convolutions(arch)})
    passed = admitted([SPACE.parse(str(number)) for number in range(0, 15625, 50)], gate)
    assert {convolutions(arch) for arch in passed} == {2, 3, 4}


# --- several objectives


def test_objectives():
    assert parse_objectives("latency:phone, score,params") == ["latency:phone", "params"]
    for text in ("score", "params", "score,params,params", "score,"):
        with pytest.raises(InputError, match="score and one or more costs"):
            parse_objectives(text)


def quality(arch):
    """More of each convolution is better, 3x3 twice as much."""
    return float(sum({2: 1, 3: 2}.get(op, 0) for op in arch.ops))


def test_nsga2_finds_the_front():
    pytest.importorskip("pymoo")
    costs = {"params": lambda arch: float(convolutions(arch))}
    stream = nsga2(costs)(SPACE, quality, 0, "evolution", 20, 3)
    steps = []
    for number in range(1000):
        arch, value = next(stream)
        steps.append(Step(number, Score(str(arch), str(arch), value, "ok", 0.0, "gennas")))
    found = {
        (quality(arch), convolutions(arch)) for arch in (SPACE.parse(s.score.arch) for s in front(steps, SPACE, costs))
    }
    best = {}
    for arch in SPACE:
        best[convolutions(arch)] = max(best.get(convolutions(arch), 0), quality(arch))
    assert found == {(value, cost) for cost, value in best.items()}
    again = nsga2(costs)(SPACE, quality, 0, "evolution", 20, 3)
    assert [str(next(again)[0]) for _ in range(100)] == [step.score.arch for step in steps[:100]]


def test_the_front_is_what_nothing_beats():
    def step(number, arch, value):
        return Step(number, Score(arch, "shared", value, "ok" if value is not None else "failed", 0.0, "gennas"))

    whole = [str(arch) for arch in (SPACE.parse(str(number)) for number in range(11, 60)) if not SPACE.is_cut(arch)]
    texts, equal = whole[:4], whole[4]
    cost = dict(zip(texts, (3.0, 1.0, 3.0, 0.5)))
    steps = [step(0, texts[0], 2.0), step(1, texts[1], 2.0), step(2, texts[2], 3.0), step(3, texts[3], None)]
    cost[equal] = 1.0
    steps.append(step(4, equal, 2.0))
    kept = front(steps, SPACE, {"params": lambda arch: cost[str(arch)]})
    assert [found.score.arch for found in kept] == [texts[2], texts[1]]


def test_a_network_without_a_path_is_not_on_the_front():
    pytest.importorskip("pymoo")
    cut = "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"
    kept = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert SPACE.is_cut(SPACE.parse(cut)) and not SPACE.is_cut(SPACE.parse(kept))
    steps = [Step(i, Score(arch, arch, 1.0 - i, "ok", 0.0, "gennas")) for i, arch in enumerate((kept, cut))]
    costs = {"params": lambda arch: 0.0 if str(arch) == cut else 1.0}
    assert [step.score.arch for step in front(steps, SPACE, costs)] == [kept]


def test_without_pymoo(monkeypatch):
    import sys

    for name in ("pymoo.core.population", "pymoo"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPackageError, match=r"naslib_gennas\[multi\]"):
        nsga2({})


# --- the command


def search(*arguments):
    common = ["--space", "nasbench201", "--preset", "instant", "--finalists", "0", "--engine", "own"]
    return CliRunner().invoke(main, ["search", *common, *map(str, arguments)])


def test_a_limited_search(latencies, tmp_path):
    limits = ["--limit", "latency:phone<=5ms", "--limit", "params<=1M", "--latency-table", latencies]
    out = ["--steps", 30, "--population", 8, "--tournament", 3, "--out", tmp_path / "out"]
    done = search(*limits, *out, "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["limits"] == ["latency:phone<=5 ms", "params<=1M"] and 0 < result["refused"] < result["asked"]
    steps = [json.loads(line)["arch"] for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    archs = [SPACE.parse(text) for text in steps]
    assert len(archs) == 30 and all(convolutions(arch) <= 2 and SPACE.parameters(arch) <= 1e6 for arch in archs)
    for found in result["best"]:
        assert found["costs"]["latency:phone"] == 1 + 2 * convolutions(SPACE.parse(found["arch"]))

    longer = ["--steps", 40, *out[2:], "--resume", "--json"]
    resumed = json.loads(search(*limits, *longer).stdout)
    fresh = json.loads(search(*limits, "--steps", 40, *out[2:-1], tmp_path / "fresh", "--json").stdout)
    assert resumed["best"] == fresh["best"] and resumed["steps"] == 40
    changed = pd.read_csv(latencies).assign(phone=1.0)
    changed.to_csv(latencies, index=False)
    other = search(*limits, *longer)
    assert other.exit_code == 2 and "deployment" in other.stderr
    other = search("--limit", "params<=2M", *longer)
    assert other.exit_code == 2 and "limits" in other.stderr


def test_limits_and_screens():
    done = search(
        "--screen", "instant", "--algorithm", "random", "--steps", 40, "--keep", 4, "--limit", "params<=0.5M", "--json"
    )
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["best"]) == 4 and all(found["costs"]["params"] <= 5e5 for found in result["best"])


def test_a_search_for_the_front(latencies, tmp_path):
    pytest.importorskip("pymoo")
    asked = ["--objective", "score,latency:phone", "--latency-table", latencies, "--limit", "params<=1M"]
    done = search(*asked, "--steps", 40, "--population", 10, "--tournament", 2, "--out", tmp_path / "front", "--json")
    assert done.exit_code == 0, done.stderr
    result = json.loads(done.stdout)
    front_found = [(found["score"], found["costs"]["latency:phone"]) for found in result["front"]]
    assert len(front_found) > 1 and front_found == sorted(front_found, reverse=True)
    assert all(found["costs"]["params"] <= 1e6 for found in result["front"])
    report = CliRunner().invoke(main, ["report", str(tmp_path / "front"), "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert report.exit_code == 0 and "What nothing else beats" in page and "All of them keep to params&lt;=1M" in page
    assert page.count("<circle") >= len(result["front"])
    text = search(*asked, "--steps", 10, "--population", 5, "--tournament", 2).stdout
    assert "front of score and latency:phone" in text and " ms" in text
    write_report([tmp_path / "front"], tmp_path / "page.html", tmp_path / "figures")
    page = (tmp_path / "page.html").read_text()
    points = json.loads(re.search(r'id="points">(.*?)</script>', page, re.DOTALL)[1])["front, front"]
    assert points["arch"] == [found["arch"] for found in result["front"]]
    assert points["values"]["latency:phone"] == pytest.approx([cost for _, cost in front_found], rel=1e-4)
    drawn = re.search(r'<g data-run="front, front"[^>]*>(.*?)</g>', page)[1]
    assert sorted(map(int, re.findall(r'data-i="(\d+)"', drawn))) == list(range(len(front_found)))
    assert (tmp_path / "figures" / "front-front-cell-1.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "params<=1k", "--steps", "3", "--population", "2", "--tournament", "1"], "relax it"),
        (["--limit", "latency:phone<=3ms"], "name it with --latency-table"),
        (["--limit", "latency:phone<=3ms", "--latency-table", "none.csv"], "no latencies at none.csv"),
        (["--objective", "params"], "score and one or more costs"),
        (["--objective", "score,params", "--algorithm", "random"], "searched by NSGA-II"),
        (["--limit", "params<=1M", "--limit", "params<=2M"], "two limits params<=1M and params<=2M"),
        (["--limit", "params<=1M", "--limit", "params>=2M"], "nothing keeps to both"),
        (["--limit", "params<=1M", "--classes", "0"], "at least one class"),
    ],
)
def test_bad_input(arguments, message):
    done = search(*arguments)
    assert done.exit_code == 2 and message in done.stderr and "Traceback" not in done.stderr


# --- latencies from a few that were measured


def test_latencies_are_predicted_from_a_few(capsys):
    asked = []

    def measure(arch):
        asked.append(arch)
        return 1.0 + 2.0 * convolutions(arch) + 0.5 * arch.ops.count(4)

    predicted = PredictedLatency(SPACE, measure, 60, [])
    rng = np.random.default_rng(1)
    others = [SPACE.sample(rng) for _ in range(50)]
    wrong = [abs(predicted(arch) - measure(arch)) / measure(arch) for arch in others]
    assert len(asked) == 60 + 2 * 50 and np.median(wrong) < 0.01
    assert "predicted from 60 that were measured" in capsys.readouterr().err
    assert predicted(others[0]) == predicted(others[0])


def test_models_against_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5)) * [1, 10, 0.1, 3, 0] + 2
    y = 10 + x @ [1, 0.2, 5, 0, 0] + rng.normal(0, 0.1, 30)
    model = Linear.of(x, y)
    z = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    errors = []
    for penalty in 10.0 ** np.arange(-4, 3):
        ridge = linear_model.Ridge(alpha=penalty)
        left_out = []
        for place in range(30):
            ridge.fit(np.delete(z, place, 0), np.delete(y, place))
            left_out.append(abs(ridge.predict(z[place : place + 1])[0] - y[place]) / y[place])
        errors.append((np.median(left_out), penalty))
    best = linear_model.Ridge(alpha=min(errors)[1]).fit(z, y)
    assert model.error == pytest.approx(min(errors)[0], rel=0.1)
    assert [model(row) for row in x[:5]] == pytest.approx(best.predict(z[:5]), rel=1e-3)


def test_a_search_by_predicted_latencies(tmp_path):
    words = ["--limit", "latency<=200ms", "--latency-samples", "10", "--image-size", "8", "--steps", "4"]
    done = search(*words, "--population", "2", "--tournament", "1", "--out", str(tmp_path / "run"))
    assert done.exit_code == 0, done.stderr
    assert "predicted from 10 that were measured" in done.stderr
    kept = (tmp_path / "run" / "latency" / "results.jsonl").read_text().splitlines()
    assert len(kept) == 10
    few = search(*words[:2], "--latency-samples", "3")
    assert few.exit_code == 2 and "at least 10 measured ones, got 3" in few.stderr
