"""The documentation: links lead somewhere, every block of code runs, tables are those of the registries."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from naslib_gennas.cli import main
from naslib_gennas.commands import fit
from naslib_gennas.measures import MEASURES
from naslib_gennas.predictors import spectrum_predictor
from naslib_gennas.spaces import load_space

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SMALLER = [  # so that a page takes seconds: what is shown -> what runs instead
    (r"\bT\b", "nb201.csv"),
    (r"nasbench101:nb201.csv", "nasbench101:nb101.csv"),
    (r"(--space nasbench101 .*)nb201.csv", r"\1nb101.csv"),
    (r"--images I\b", "--images my_images.npz"),
    (r"(gennas search .*)--all", r"\1--algorithm random --steps 12"),
    (r"(gennas search .*)--engine naslib", r"\1"),
    (r"(gennas score .*)--all", r"\1 5 77 15000"),
    (r"--keep \S+", "--keep 2"),
    (r"--preset (search-201|fast|mine.yaml)", "--preset tiny"),
    (r"--final-preset \S+", "--final-preset tiny"),
    (r"(gennas search .*--screen \S+(?!.*--finalists).*)", r"\1 --finalists 0"),
    (
        r"(gennas search (?!.*--(screen|algorithm|help)).*)",
        r"\1 --preset tiny --steps 6 --population 3 --tournament 2 --finalists 0 --table nb201.csv",
    ),
    (r"(--space darts_imagenet .*) --preset tiny(.*) --table nb201.csv", r"\1 --preset instant\2"),
    (r"latency<=5ms", "latency<=5s"),
    (r"--sample \d+", "--sample 4"),
    (r"(gennas (correlate|benchmark|score) .*)--sample 4(.*--preset (instant|tiny))", r"\1--sample 12\3"),
    (r"'<arch>'", "5"),
    (r"\"gennas@fast,gennas@best,[^\"]*\"", "gennas@tiny,synflow,naswot,vote"),
    (r"(gennas benchmark --suite .*)", r"\1 --quick"),
    (r"(gennas benchmark --suite table1 .*)", r"\1 --sample 8"),
    (r" --device cuda| --executor \S+", ""),  # neither is at hand
    (r"--workers 2|--threads 2", ""),  # processes have tests of their own
]
ELSEWHERE = {  # run by other tests, or by the continuous integration
    "python3 -m venv": "the environment of every run of .ci/run",
    "pip install": "the same",
    "git clone": "the checkout that NASLIB_HOME names",
    "gennas demo": "test_demo.py",
    "gennas naslib": "tests/plugin/test_runner.py runs these examples",
    "gennas tables convert": "test_tables.py",
    "gennas export '<arch>' --space darts_imagenet": "test_export.py",
    "gennas benchmark --suite table4": "test_suites.py",
}


def blocks(page, language):
    return [code for kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def lines(page):
    """Commands of a page; a backslash continues a line, a number sign ends it."""
    for code in blocks(page, ""):
        for line in code.replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if line:
                yield line


def smaller(line):
    for shown, run in SMALLER:
        line = re.sub(shown, run, line)
    return line


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the files that the pages speak of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spectrum_predictor, "LISTED", 0)  # no whole space is read to fit a predictor
    monkeypatch.setattr(spectrum_predictor, "REFERENCE", 60)
    monkeypatch.setattr(fit, "CANDIDATES", 40)
    rng = np.random.default_rng(0)
    for name, space in (("nb201.csv", "nasbench201"), ("nb101.csv", "nasbench101")):
        archs = list({str(load_space(space).sample(rng)) for _ in range(80)})
        accuracy = [text.count("3x3") + text.count("0") / 10 + rng.normal() / 10 for text in archs]
        columns = ("accuracy", "cifar10_test", "cifar100_test", "imagenet16_test", "cifar10_test_single_run")
        pd.DataFrame({"arch": archs, **dict.fromkeys(columns, accuracy)}).to_csv(name, index=False)
    pd.read_csv("nb201.csv")[["arch", "accuracy"]].to_csv("mine.csv", index=False)
    pd.DataFrame({"index": range(15_625), "pixel3": 9.0}).to_csv("latency.csv", index=False)
    np.savez("my_images.npz", images=rng.integers(0, 256, (64, 32, 32, 3), dtype=np.uint8))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_runs(page, desk, monkeypatch):
    """The blocks of a page one after another, as one program."""
    code = "\n".join(blocks(page, "python"))
    if re.search(r"^(import|from) naslib\b", code, re.MULTILINE):
        pytest.skip("tests/plugin/test_doctests.py runs it")
    monkeypatch.setattr(MEASURES, "_entries", dict(MEASURES._entries))  # what a page registers is of that page
    exec(compile(code, page.name, "exec"), {"__name__": page.stem})


@pytest.mark.parametrize("page", [page for page in PAGES if list(lines(page))], ids=lambda page: page.name)
def test_commands_run(page, desk):
    for line in lines(page):
        if any(line.startswith(start) for start in ELSEWHERE):
            continue
        command = smaller(line)
        words = shlex.split(command)
        assert words[0] == "gennas" or words[0] == "python", f"{page.name}: who runs {line!r}?"
        if words[0] == "python":
            assert (ROOT / words[1]).exists() or words[1] == "-m", f"{page.name}: {line}"
            continue
        words, _, target = " ".join(map(shlex.quote, words[1:])).partition(" '>' ")
        done = CliRunner().invoke(main, shlex.split(words))
        assert done.exit_code == 0, f"{page.name}: {line}\nas {command}\n{done.output}{getattr(done, 'stderr', '')}"
        if target:
            Path(target).write_text(done.stdout, encoding="utf-8")


def test_the_readmes_python_says_what_is_better(capsys):
    (code,) = blocks(ROOT / "README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip() == "True"


def test_the_readme_is_a_door():
    assert len((ROOT / "README.md").read_text(encoding="utf-8")) < 6000


def test_tables_are_those_of_the_registries():
    filled = runpy.run_path(str(ROOT / "docs" / "tables.py"))["filled"]
    made = [page for page in PAGES if "made by tables.py" in page.read_text(encoding="utf-8")]
    assert {page.stem for page in made} == {"presets", "spaces"}
    for page in made:
        text = page.read_text(encoding="utf-8")
        assert filled(text) == text, f"run: python docs/tables.py ({page.name})"


def test_every_page_is_in_the_navigation():
    named = set(re.findall(r"[\w-]+\.md", (ROOT / "mkdocs.yml").read_text(encoding="utf-8")))
    assert named == {page.name for page in PAGES[1:]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    """Every `gennas ...` that is shown, in a block or not."""
    for name, rest in re.findall(r"gennas ([a-z-]+)([^`\n|]*)", page.read_text(encoding="utf-8")):
        if name not in main.commands:
            continue
        command = main.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert option in known or name in ("naslib", "presets", "scores", "tables"), f"{page.name}: {name} {option}"
