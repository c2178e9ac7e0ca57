"""Everything that is registered passes the conformance suite of its kind; what cannot be checked is listed here."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import os
import pickle
import struct
import sys
import types
from functools import partial

import pandas as pd
import pytest
import torch
from torch import nn

from naslib_gennas.executors import EXECUTORS
from naslib_gennas.measures import MEASURES
from naslib_gennas.proxy.presets import load_preset
from naslib_gennas.readers.registry import FOLDER, READERS
from naslib_gennas.scoring import (
    EnsembleScorer,
    GenNASScorer,
    MeasuredNetworks,
    MeasureScorer,
    TableScorer,
    measure_scorers,
    parse_measure,
)
from naslib_gennas.spaces import SPACES, load_space
from naslib_gennas.spaces.modules.space import ModuleSpace
from naslib_gennas.tables.table import Table
from naslib_gennas.testing import (
    EXECUTOR_CHECKS,
    MEASURE_CHECKS,
    READER_CHECKS,
    SCORER_CHECKS,
    SPACE_CHECKS,
    ExecutorCase,
    MeasureCase,
    ReaderCase,
    ScorerCase,
    SmallNetwork,
    SpaceCase,
    check_space,
)


def each(checks):
    return pytest.mark.parametrize("check", checks, ids=lambda check: check.__name__)


@pytest.mark.parametrize("name", SPACES.names())
@each(SPACE_CHECKS)
def test_space_conforms(check, name):
    assert check(SpaceCase(load_space(name))) is None  # nothing is left unchecked


class Modules(ModuleSpace):
    """One that says what ``check_space`` cannot find."""

    unchecked = {"check_registration": "its networks are given, so that no name stands for it"}


def test_a_space_of_modules_conforms():
    assert check_space(Modules(MODULES)) == Modules.unchecked


class Staged(nn.Module):
    """Three stages of convolution, BatchNorm and ReLU: (b, 3, s, s) -> (b, 10). A blind one does not see its images."""

    def __init__(self, width: int = 6, blind: bool = False):
        super().__init__()
        self.blind = blind
        widths = [3, width, 2 * width, 4 * width]
        self.stages = nn.Sequential(*(self.stage(a, b, a > 3) for a, b in zip(widths, widths[1:])))
        self.classifier = nn.Linear(widths[-1], 10)

    @staticmethod
    def stage(inputs: int, outputs: int, halves: bool) -> nn.Sequential:
        conv = nn.Conv2d(inputs, outputs, 3, 2 if halves else 1, 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())

    def forward(self, x):
        return self.classifier(self.stages(0 * x if self.blind else x).mean(dim=(2, 3)))


def made(width: int, blind: bool = False) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Staged(width, blind)


MODULES = {"blind": made(6, blind=True), "seeing": made(6), "wide": made(9)}
TINY = load_preset("tiny").with_fidelity(channels=4, input_size=8, batch_size=4, steps=10)
TINY_RNN = load_preset("rnn-fast").with_fidelity(hidden=8, embedding=8, steps=10)
TWIN = "|skip_connect~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|none~0|none~1|skip_connect~2|"  # node 1 is node 0
CELLS = (TWIN, "1462")
DISCONNECTED = "0"
ROWS = [str(load_space("nasbench201").parse(text)) for text in (*CELLS, "5")]
TABLE = Table(pd.DataFrame({"arch": ROWS, "accuracy": [3.0, 1.0, 2.0]}), load_space("nasbench201"), name="three cells")


def recipe(*nodes):
    """A recurrent cell from (name, operation, inputs)."""
    return json.dumps({name: {"op": op, "input": list(inputs)} for name, op, inputs in nodes})


SIMPLE = recipe(("node_0", "linear", ("x", "h_prev_0")), ("h_new_0", "activation_tanh", ("node_0",)))
NAMED_OTHERWISE = recipe(("node_7", "linear", ("h_prev_0", "x")), ("h_new_0", "activation_tanh", ("node_7",)))
SATURATED = recipe(  # a sigmoid of a sigmoid of a sigmoid
    *(("node_0", "linear", ("x", "h_prev_0")), ("node_1", "activation_sigm", ("node_0",))),
    *(("node_2", "linear", ("node_1",)), ("node_3", "activation_sigm", ("node_2",))),
    *(("node_4", "linear", ("node_3",)), ("h_new_0", "activation_sigm", ("node_4",))),
)
BUILT = {"check_models": "the space builds the networks"}
SEPARATE = {"check_equal_keys": "every network is scored by itself, whatever they have in common"}


def gennas(space, preset, seed):
    return GenNASScorer(space, preset, seed)


def gennas_of_modules(seed):
    return GenNASScorer.for_modules(MODULES, TINY, seed=seed)


def measure_of_cells(name, seed):
    return MeasureScorer(name, MeasuredNetworks(load_space("nasbench201"), seed, batch_size=4, image_size=8))


def measure_of_modules(seed):
    return MeasureScorer("snip", MeasuredNetworks(ModuleSpace(MODULES), seed, batch_size=4, image_size=8))


def ensemble(seed):
    members = measure_scorers(["gennas", "params"], gennas("nasbench201", TINY, seed), batch_size=4, image_size=8)
    return EnsembleScorer(parse_measure("rank(gennas,params)"), members)


def column(seed):
    return TableScorer(TABLE, "accuracy")


SCORERS = {
    "gennas-nasbench201": ScorerCase(
        partial(gennas, "nasbench201", TINY), CELLS, order=(DISCONNECTED, "1462"), unchecked=BUILT
    ),
    "gennas-nasbench101": ScorerCase(
        partial(gennas, "nasbench101", TINY),
        ["4:33:02", "4:33:20"],
        order=("7:2772d:21121", "7:9fd37:12200"),
        unchecked=BUILT,
    ),
    "gennas-nasbench_nlp": ScorerCase(
        partial(gennas, "nasbench_nlp", TINY_RNN),
        [NAMED_OTHERWISE, SATURATED],
        order=(SATURATED, SIMPLE),
        unchecked=BUILT,
    ),
    "gennas-modules": ScorerCase(
        gennas_of_modules,
        list(MODULES),
        order=("blind", "seeing"),
        unchecked={"check_equal_keys": "a module has no twin"},
    ),
    "naswot": ScorerCase(partial(measure_of_cells, "naswot"), CELLS, order=("5", "1462"), unchecked=BUILT | SEPARATE),
    "params": ScorerCase(
        partial(measure_of_cells, "params"), CELLS, order=(DISCONNECTED, "1462"), unchecked=BUILT | SEPARATE
    ),
    "snip-modules": ScorerCase(measure_of_modules, list(MODULES), order=("blind", "seeing"), unchecked=SEPARATE),
    "ensemble": ScorerCase(
        ensemble,
        CELLS,
        order=(DISCONNECTED, "1462"),
        relative=True,
        unchecked=BUILT | SEPARATE | {"check_score_many": "its values are ranks within a set"},
    ),
    "table": ScorerCase(
        column,
        CELLS,
        order=("1462", "5"),
        failing="99",
        unchecked=BUILT | {"check_equal_keys": "every row is its own", "check_seed": "a table has no seed"},
    ),
}


@pytest.mark.parametrize("name", SCORERS)
@each(SCORER_CHECKS)
def test_scorer_conforms(check, name):
    check(SCORERS[name])


BLIND_AND_SEEING = (partial(Staged, 6, True), partial(Staged, 6))
NARROW_AND_WIDE = (partial(SmallNetwork, 4), partial(SmallNetwork, 16))
ONE_AND_THREE = (partial(SmallNetwork, 1), partial(SmallNetwork, 3))
WIDE_IS_BETTER = ("params", "flops", "l2_norm", "expressivity", "az_nas")
FEW_UNITS = ("swap",)  # six images have 64 patterns, which larger networks have all
WITHOUT_ORDER = {
    "grasp": "it has either sign",
    "plain": "it has either sign",
    "progressivity": "it compares blocks, which the two networks do not have",
    "trainability": "it compares blocks, which the two networks do not have",
    "fisher": "blind networks have large values before their BatchNorms",
}


def measure_case(name):
    if name == "gennas":
        reason = "a scorer of its own computes it, see above"
        others = [check.__name__ for check in MEASURE_CHECKS if check.__name__ != "check_facts"]
        return MeasureCase(name, unchecked=dict.fromkeys(others, reason))
    if name in WITHOUT_ORDER:
        return MeasureCase(name, unchecked={"check_order": WITHOUT_ORDER[name]})
    if name in FEW_UNITS:
        return MeasureCase(name, tuple(partial(SmallNetwork, width) for width in (1, 2, 3)), ONE_AND_THREE)
    return MeasureCase(name, order=NARROW_AND_WIDE if name in WIDE_IS_BETTER else BLIND_AND_SEEING)


@pytest.mark.parametrize("name", MEASURES.names())
@each(MEASURE_CHECKS)
def test_measure_conforms(check, name):
    check(measure_case(name))


@pytest.fixture(scope="module")
def executors():
    return {name: ExecutorCase(EXECUTORS[name]) for name in EXECUTORS.names()}  # which keep what is computed once


ENGINES = {"dask": "distributed", "ray": "ray"}
QUICK = ("check_results", "check_errors")  # of engines, whose processes take long to start


@pytest.mark.parametrize("name", EXECUTORS.names())
@each(EXECUTOR_CHECKS)
def test_executor_conforms(check, name, executors):
    """GENNAS_ENGINES=dask,ray checks them in full, which takes minutes."""
    if name in ENGINES:
        pytest.importorskip(ENGINES[name])
        if name not in os.environ.get("GENNAS_ENGINES", "") and (name == "ray" or check.__name__ not in QUICK):
            pytest.skip("only with GENNAS_ENGINES=dask,ray")
    declared = check(executors[name])
    unlimited = name in ENGINES and check.__name__ == "check_time_limit"
    assert name in ("here", "auto") or unlimited or declared is None


RECORDS = [{"arch": text, "accuracy": 90.0 + place / 4} for place, text in enumerate(ROWS)]
CSV = pd.DataFrame(RECORDS).to_csv(index=False).encode()
JSON, JSON_LINES = json.dumps(RECORDS).encode(), "\n".join(map(json.dumps, RECORDS)).encode()


def nats_results(place):
    """What NATS-Bench keeps of an architecture, results by schedule."""
    trial = {"eval_acc1es": {"ori-test@0": 10.0, "ori-test@199": 90.0 + place}, "params": 1.5, "flop": 200.0}
    return {"200": {"arch_str": ROWS[place], "all_results": {("cifar10", 777): trial}}}


def nats(places):
    return bz2.compress(pickle.dumps({"arch2infos": {place: nats_results(place) for place in places}}))


def tfrecord():
    """NAS-Bench-101's layout: two runs of one cell, three evaluations each, in protocol buffers' own encoding."""
    crc32c = pytest.importorskip("crc32c", reason="tfrecord is not installed").crc32c

    def framed(content):
        def masked(part):
            crc = crc32c(part)
            return ((crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF).to_bytes(4, "little")

        length = len(content).to_bytes(8, "little")
        return length + masked(length) + content + masked(content)

    accuracies = [struct.pack("<BdBd", 4 << 3 | 1, accuracy, 5 << 3 | 1, accuracy) for accuracy in (0.1, 0.5, 0.9)]
    evaluations = b"".join(bytes([1 << 3 | 2, len(body)]) + body for body in accuracies)
    raw = base64.b64encode(evaluations + bytes([2 << 3, 100])).decode()  # and the number of parameters
    run = ["hash", 108, "0110000100010000", "input,conv3x3-bn-relu,maxpool3x3,output", raw]
    return 2 * framed(json.dumps(run).encode())


def analog():
    """As the package analog-nasbench has it: records of a class of its own module, by NASLib's compact form."""
    name = "analognasbench.data"
    module = types.ModuleType(name)
    module.Architecture = type("Architecture", (), {"__module__": name})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "analognasbench", types.ModuleType("analognasbench"))
        patch.setitem(sys.modules, name, module)
        records = {}
        for place in range(3):
            record = records[(place, 0, 2, 3, 4, 2)] = module.Architecture()
            record.baseline_accuracy = 90.0 + place
        return pickle.dumps(records)


def parquet():
    pytest.importorskip("pyarrow")
    return pd.DataFrame(RECORDS).to_parquet()


FILES = {
    ".anb": analog,
    ".csv": lambda: CSV,
    ".csv.gz": lambda: gzip.compress(CSV),
    ".tsv": lambda: CSV.replace(b",", b"\t"),
    ".tsv.gz": lambda: gzip.compress(CSV.replace(b",", b"\t")),
    ".parquet": parquet,
    ".jsonl": lambda: JSON_LINES,
    ".jsonl.gz": lambda: gzip.compress(JSON_LINES),
    ".json": lambda: JSON,
    ".json.gz": lambda: gzip.compress(JSON),
    ".pth": lambda: bz2.decompress(nats(range(3))),
    ".pickle.pbz2": lambda: nats(range(3)),
    ".tfrecord": tfrecord,
}


@pytest.mark.parametrize("ending", READERS.names())
@each(READER_CHECKS)
def test_reader_conforms(check, ending, tmp_path):
    path = tmp_path / f"table{ending}"
    if ending == FOLDER:
        path = tmp_path / "NATS-tss-simple"
        path.mkdir()
        for place in range(3):
            (path / f"{place:06d}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(nats_results(place))))
    else:
        path.write_bytes(FILES[ending]())
    cut = {"check_truncated_file": "a line of CSV that was cut is a line of CSV"}
    check(ReaderCase(path, unchecked=cut if ending in (".csv", ".tsv") else {}))
