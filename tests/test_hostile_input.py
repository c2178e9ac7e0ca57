"""The command line with what people and damaged discs give it: one sentence, never a traceback, never exit code 0."""

import bz2
import json
import pickle

import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.spaces import load_space

FILES = {
    "latin.txt": b"\xff\xfe\x00abc",
    "empty.txt": b"",
    "latin.yaml": b"\xff\xfe\x00abc",
    "kind.yaml": b"name: x\ntask:\n  stages:\n  - signals:\n    - {kind: {}}\nfidelity: {}\n",
    "deep.yaml": b"[" * 5000,
    "deep.json": b"[" * 5000 + b"]" * 5000,
    "object.json": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "digits.json": b'[{"arch": "1", "acc": ' + b"9" * 5000 + b"}]",
    "digits.csv": b"arch,acc\n1," + b"9" * 5000 + b"\n2,3\n",
    "list.pickle.pbz2": bz2.compress(pickle.dumps([1, 2, 3])),
    "nameless.pickle.pbz2": bz2.compress(pickle.dumps({"arch2infos": {0: {"200": {"all_results": {}}}}})),
    "number.pickle.pbz2": bz2.compress(pickle.dumps({"arch2infos": 5})),
    "huge.pth": b"\x80\x02X\x00\x00\x00\x20ab",
    "huger.pth": b"\x80\x04\x8e\xff\xff\xff\xff\x00\x00\x00\x00",
    "memo.pth": b"\x80\x02}r\xff\xff\xff\x7f.",
    "memo.anb": b"\x80\x02}r\xff\xff\xff\x7f.",
    "text.anb": b"\x80\x02X\x00\x00\x00\x70ab",
    "flat.csv": b"arch,cifar10_test\n1,90\n2,90\n3,90\n4,90\n",
    "few.csv": b"arch,cifar10_test\n1,90\n2,91\n3,\n4,\n",
    "good.csv": b"arch,acc\n1,90\n2,91\n3,92\n",
}
THIN = json.loads(load_space("nds_resnext_a").example)
THIN["bot_muls"][1] = 1e-300
SCORE = ["score", "--space", "nasbench201"]
CASES = [
    [*SCORE, "5", "--seed", "-1"],
    [*SCORE, "@latin.txt"],
    [*SCORE, "@empty.txt"],
    [*SCORE, "@nowhere.txt"],
    [*SCORE, "5", "--preset", "kind.yaml"],
    [*SCORE, "5", "--preset", "latin.yaml"],
    [*SCORE, "5", "--preset", "deep.yaml"],
    [*SCORE, "5", "--preset", ""],
    *(
        ["tables", "convert", name, "out.csv"]
        for name in FILES
        if not name.endswith(".yaml") and name not in ("good.csv", "digits.csv", "flat.csv", "few.csv")
    ),
    ["correlate", "--space", "nasbench201", "--table", "digits.csv", "--all"],
    ["correlate", "--space", "nasbench201", "--table", "deep.json", "--all"],
    ["benchmark", "--space", "nasbench201", "--table", "good.csv", "--measures", "rank(" * 3000],
    ["benchmark", "--space", "nasbench201", "--table", "good.csv", "--measures", "rank(" * 3000 + ")" * 3000],
    ["benchmark", "--space", "nasbench201", "--table", "good.csv", "--measures", "cls@" + "9" * 5000],
    ["export", "--space", "nasbench201", "5", "--classes", "999999999999", "--out", "net.py"],
    ["export", "--space", "nasbench201", "5", "--classes", "0", "--out", "net.py"],
    *([*SCORE, "5", "--threads", count] for count in ("100000", "0", "-3", "two")),
    *([*SCORE, "5", "--workers", count] for count in ("0", "-1", "1e9")),
    *([*SCORE, "5", "--memory", count] for count in ("0", "-1")),
    *([*SCORE, "5", "--timeout", seconds] for seconds in ("-1", "0", "nan")),
    *([*SCORE, "--sample", count] for count in ("0", "-5", "1000000000000")),
    ["score", "--space", "nds_resnext_a", json.dumps(THIN)],
    [*SCORE, "5", "--device", "cuda:99"],
    *([*SCORE, "5", "--images", name] for name in ("latin.txt", "good.csv", "list.pickle.pbz2", "")),
    *(
        ["score", "--space", name, text]
        for name in ("nasbench101", "nasbench201", "nats_sss")
        for text in ("9" * 5000, "")
    ),
    ["score", "--space", "nasbench_nlp", "{" * 5000],
    ["score", "--space", "", "5"],
    ["score", "--space", "nasbench201:latin.txt", "5"],
    ["report", "latin.txt", "--out", "page.html"],
    ["scores", "show", "latin.txt", "5", "--space", "nasbench201"],
    *(["search", "--space", "nasbench201", "--steps", steps] for steps in ("-1", "0")),
    *(["search", "--space", "nasbench201", "--screen", "instant", "--keep", keep] for keep in ("-5%", "nan%", "many")),
    *(
        ["fit", "--space", "nasbench201", "--labels", name, "--out", "f"]
        for name in ("latin.txt", "deep.json", "empty.txt")
    ),
    [*SCORE, "5", "--out", "/dev/null/x"],
    ["task-search", "--space", "nasbench201", "--table", "good.csv", "--labelled", "-1"],
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("case", CASES, ids=[" ".join(case)[:60] for case in CASES])
def test_one_sentence_and_an_exit_code(files, monkeypatch, case):
    monkeypatch.chdir(files)
    found = CliRunner().invoke(main, case)
    assert found.exit_code in (2, 3), found.output
    assert isinstance(found.exception, SystemExit), found.exception
    message = found.stderr.strip().splitlines()[-1]
    assert "not foreseen" not in found.stderr and "MemoryError" not in found.stderr and 10 < len(message) < 1600
    assert set(path.name for path in files.iterdir()) == set(FILES), "something was written"


@pytest.mark.parametrize("table", ["flat.csv", "few.csv"])
@pytest.mark.parametrize(
    "case",
    [
        ["correlate", "--space", "nasbench201", "--all", "--table"],
        ["benchmark", "--space", "nasbench201", "--all", "--measures", "params", "--table"],
        ["benchmark", "--suite", "nbs-zero", "--measures", "params", "--table", "nasbench201:"],
        ["benchmark", "--suite", "table2", "--method", "synflow", "--table", "nasbench201:"],
        ["fit", "--space", "nasbench201", "--out", "f", "--labels"],
        ["task-search", "--space", "nasbench201", "--labelled", "2", "--table"],
    ],
    ids=" ".join,
)
def test_a_truth_that_ranks_nothing_is_refused_before_anything_is_scored(files, monkeypatch, case, table):
    monkeypatch.chdir(files)
    *words, last = case
    found = CliRunner().invoke(main, [*words, last + table] if last.endswith(":") else [*case, table])
    message = found.stderr.strip().splitlines()[-1]
    assert found.exit_code == 2 and "scoring" not in found.stderr, found.output
    assert len(message) < 600 and ("equal" in message or "at least" in message or "nothing to learn" in message)
    assert set(path.name for path in files.iterdir()) == set(FILES), "something was written"
