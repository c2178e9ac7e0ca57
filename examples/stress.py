"""What breaks: damaged inputs, and commands that are killed at random moments.

    python examples/stress.py fuzz --inputs 20000
    python examples/stress.py kills --count 100
    python examples/stress.py workers --executor dask,ray,processes --count 20 --schedulers 5

``fuzz`` damages good texts and files (bytes flipped, cut out, repeated, exchanged between them, nested) and gives them
to all readers, parsers, presets and run files: each may take them or say in one sentence what is wrong. ``kills`` ends
commands that write with SIGKILL and resumes them until they finish: their scores must be those of a run that nobody
disturbed, each once. ``workers`` ends workers of a cluster that it starts (Dask, Ray, or processes), and its scheduler,
while 2,000 architectures are scored: they must be the scores of one process, each once. Ends with 1 and the cases if
anything else happens.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from naslib_gennas.errors import GenNASError
from naslib_gennas.proxy.presets import load_preset, parse_preset, preset_names
from naslib_gennas.readers import read_frame
from naslib_gennas.report import write_report
from naslib_gennas.runs.run import Run
from naslib_gennas.runs.score_files import read_scores, translations
from naslib_gennas.scoring.ensemble import parse_measures
from naslib_gennas.spaces import SPACES, load_space
from naslib_gennas.tables import load_table

MEMORY = 6 * 2**30  # bytes of address space, so that an allocation without limit is seen
SLOW = 20  # seconds for one input
CELLS = "arch,acc\n" + "".join(f"{i},{90 + i / 10}\n" for i in range(20))
SCORES = "arch,dataset,measure,score,seconds\n" + "".join(f"{i},,naswot,{i / 10},0.1\n" for i in range(20))
Target = Callable[[bytes, Path], object]


def _text(function: Callable[[str], object]) -> Target:
    return lambda data, folder: function(data.decode("utf-8", "surrogateescape"))


def _file(name: str, function: Callable[[Path], object]) -> Target:
    def of_file(data: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(data)
        return function(path)

    return of_file


def _run_files(name: str) -> Target:
    """A run whose file ``name`` is replaced: opened to go on, and drawn as a page."""

    def of_run(data: bytes, folder: Path) -> object:
        run = folder / "run"
        before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
        (run / name).write_bytes(data)
        try:
            write_report([run], folder / "page.html")
            config = json.loads(before["config.json"])
            with Run(run, {k: v for k, v in config.items() if k != "environment"}, resume=True) as opened:
                return len(opened.records)
        finally:
            for path in run.iterdir():
                if path.is_file():
                    path.unlink()
            for other, content in before.items():
                (run / other).write_bytes(content)

    return of_run


def targets(folder: Path) -> list[tuple[str, list[bytes], Target]]:
    """Name, good inputs, and what is done with them."""
    rng = np.random.default_rng(0)
    found: list[tuple[str, list[bytes], Target]] = []
    for name in SPACES.names():
        space = load_space(name)
        texts = [str(space.sample(rng)) for _ in range(3)] if name != "models" and space.size != 0 else []
        texts += [form.example for form in space.forms]
        found.append((f"architecture of {name}", [text.encode() for text in texts], _text(space.parse)))
    presets = [load_preset(name).to_yaml().encode() for name in preset_names()]
    found.append(("preset", presets, _text(lambda text: parse_preset(text, "a.yaml"))))
    measures = [b"rank(params,synflow)", b"aznas(gennas@instant,zen),vote(params,flops)", b"cls@3", b"table:acc"]
    found.append(("measures", measures, _text(parse_measures)))
    rows = [{"arch": str(i), "acc": 90 + i / 10, "error": {"score": 1, "time": 2}} for i in range(9)]
    tables = {
        "t.csv": [CELLS.encode(), CELLS.replace("acc", "test_error").encode()],
        "t.csv.gz": [gzip.compress(CELLS.encode(), mtime=0)],
        "t.json": [json.dumps(rows).encode(), json.dumps({"a": rows}).encode(), json.dumps({"5": {"acc": 3}}).encode()],
        "t.jsonl": ["\n".join(map(json.dumps, rows)).encode()],
        "t.pickle.pbz2": [_nats()],
        "t.pth": [_pickled()],
        "t.tfrecord": [bytes(rng.integers(256, size=200, dtype=np.uint8))],
    }
    for name, contents in tables.items():
        found.append((f"table {name}", contents, _file(name, lambda path: load_table(path, "nasbench201"))))
        found.append((f"reader {name}", contents, _file(name, read_frame)))
    suite = b'{"cifar10": {"(2, 2, 0, 2, 4, 0)": {"gennas": 1}}}'
    scores = {"s.csv": SCORES.encode(), "s.json": suite}
    ours, _ = translations(load_space("nasbench201"))
    for name, content in scores.items():
        found.append((f"scores {name}", [content], _file(name, lambda path: read_scores(path, ours))))
    for name in ("config.json", "results.jsonl", "summary.json", "scores.csv"):
        path = folder / "run" / name
        if path.is_file():
            found.append((f"run file {name}", [path.read_bytes()], _run_files(name)))
    return [(name, good, target) for name, good, target in found if good]


def _nats() -> bytes:
    import bz2
    import pickle

    return bz2.compress(pickle.dumps({"arch2infos": {0: {"200": {"arch_str": "1", "all_results": {}}}}}))


def _pickled() -> bytes:
    import pickle

    return pickle.dumps(
        {"arch2infos": {0: {"full": {"arch_str": "1", "all_results": {("cifar10", 1): {}}}}}}, protocol=2
    )


HOSTILE = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"[" * 5000,
    b'{"a":' * 5000,
    b"9" * 5000,
    b"nan",
    b"-1e999",
    b"&a [*a]",
    b"()" * 500,
)


def damaged(good: list[bytes], draw: random.Random) -> bytes:
    """One of ``good``, changed in up to five places."""
    data = bytearray(draw.choice(good))
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.randint(1, 30))
        how = draw.randrange(7)
        if how == 0 and data:
            data[at % len(data)] = draw.randrange(256)
        elif how == 1:
            del data[at:end]
        elif how == 2:
            data[at:at] = data[at:end] * draw.randint(1, 50)
        elif how == 3:
            other = draw.choice(good)
            start = draw.randrange(len(other) + 1)
            data[at:end] = other[start : start + draw.randint(1, 40)]
        elif how == 4:
            data[at:at] = draw.choice(HOSTILE)
        elif how == 5:
            del data[at:]
        else:
            data[at:end] = str(draw.choice([-1, 0, 10**6, 2**63, 1e-300, 1e300])).encode()
    return bytes(data)


def _fault(message: str) -> str:
    """What is wrong with a message, if anything."""
    if "MemoryError" in message:
        return "out of memory"
    if "\n" in message.strip():
        return "several lines"
    return "" if message.strip() else "empty message"


def fuzz(inputs: int, seed: int, folder: Path) -> list[str]:
    """What was wrong, a line each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    command = [
        sys.executable,
        "-m",
        "naslib_gennas.cli",
        "correlate",
        "--space",
        "nasbench201",
        "--table",
        "t.csv",
        "--all",
    ]
    (folder / "t.csv").write_text(CELLS)
    subprocess.run([*command, "--preset", "tiny", "--out", "run"], cwd=folder, check=True, capture_output=True)
    draw, wrong, outcomes = random.Random(seed), [], Counter()
    everything = targets(folder)
    for number in range(inputs):
        name, good, target = everything[number % len(everything)]
        data = damaged(good, draw)
        started = time.monotonic()
        why = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target(data, folder)
            outcomes["taken"] += 1
        except GenNASError as error:
            outcomes["one sentence"] += 1
            why = _fault(str(error))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            why = f"{type(error).__name__}: {str(error)[:200]}"
        if time.monotonic() - started > SLOW:
            why = why or f"took {time.monotonic() - started:.0f} s"
        if why:
            wrong.append(f"input {number} of seed {seed}, {name}: {why}: {data[:200]!r}")
    print(f"{inputs} damaged inputs to {len(everything)} readers: {dict(outcomes)}, {len(wrong)} wrong")
    return wrong


KILLED = {
    "score": "score --space nasbench201 --sample 60 --preset tiny --workers {workers}",
    "correlate": "correlate --space nasbench201 --table t.csv --all --preset tiny --workers {workers}",
    "benchmark": "benchmark --space nasbench201 --table t.csv --all --measures gennas@tiny,params --workers {workers}",
    "search": "search --space nasbench201 --steps 10 --population 20 --finalists 2 --preset tiny --workers {workers}",
    "task-search": (
        "task-search --space nasbench201 --table t.csv --labelled 9 --steps 9 --population 9 --tournament 3 "
        "--fidelity tiny"
    ),
    "fit": "fit --space nasbench201 --table t.csv --labelled 12 --validate 3",
    "study": (
        "benchmark --suite nbs-zero --table nasbench201:t.csv --measures gennas@tiny,params --sample 40 "
        "--workers {workers}"
    ),
}


def kills(count: int, seed: int, folder: Path, names: list[str], executor: str = "") -> list[str]:
    """What was wrong, a line each."""
    rows = "".join(f"{i},{90 + i / 40}\n" for i in range(40))
    (folder / "t.csv").write_text("arch,acc\n" + rows)
    draw, wrong, done = random.Random(seed), [], Counter()
    references: dict[str, dict[str, object]] = {}
    for number in itertools.count():
        if sum(done.values()) >= count:
            break
        name = draw.choice(names)
        text = KILLED[name].format(workers=draw.choice((1, 2))) + (f" --executor {executor}" if executor else "")
        words = [sys.executable, "-m", "naslib_gennas.cli", *text.split(), "--seed", "0"]
        if name not in references:
            started = time.monotonic()
            subprocess.run([*words, "--out", f"{name}-whole"], cwd=folder, check=True, capture_output=True)
            references[name] = {"scores": _scores(folder / f"{name}-whole"), "seconds": time.monotonic() - started}
        out, resumed = f"{name}-{number}", False
        while sum(done.values()) < count and draw.random() < 0.75:
            process = subprocess.Popen(
                [*words, "--out", out, *(["--resume"] if resumed else [])],
                cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            try:
                process.communicate(timeout=draw.uniform(0.5, 1.0) * float(str(references[name]["seconds"])))
                if process.returncode:
                    wrong.append(f"{text}: exit code {process.returncode} on --resume")
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                done[name] += 1
            resumed = (folder / out / "config.json").exists()
        last = subprocess.run(
            [*words, "--out", out, *(["--resume"] if resumed else [])], cwd=folder, capture_output=True, text=True
        )
        print(f"{sum(done.values())} kills", file=sys.stderr, flush=True)
        if last.returncode:
            wrong.append(f"{text}: exit code {last.returncode}: {last.stderr.strip().splitlines()[-1:]}")
        elif _scores(folder / out) != references[name]["scores"]:
            wrong.append(f"{text}: other scores than without kills in {out}")
    print(f"{sum(done.values())} kills: {dict(done)}, {len(wrong)} wrong")
    return wrong


HANGS = 900  # seconds
SCORED = "score --space nasbench201 --sample 2000 --preset tiny --seed 0"
PORT = {"dask": 18786, "ray": 6399}
WORKING = {"dask": "spawn_main", "ray": "ray::do", "processes": "forkserver"}  # in the command lines of workers


class Cluster:
    """Of two workers on this machine, which can be made anew."""

    def __init__(self, executor: str, folder: Path):
        self.executor, self.folder = executor, folder
        self.processes: list[subprocess.Popen] = []
        self.start()

    @property
    def options(self) -> str:
        if self.executor == "processes":
            return "--executor processes --workers 2"
        return f"--executor {self.executor}:{'tcp://' * (self.executor == 'dask')}127.0.0.1:{PORT[self.executor]}"

    def start(self) -> None:
        if self.executor == "dask":
            address = f"--host 127.0.0.1 --port {PORT['dask']} --no-dashboard"
            self._run(f"distributed.cli.dask_scheduler {address}")
            self._run(f"distributed.cli.dask_worker tcp://127.0.0.1:{PORT['dask']} --nworkers 2 --nthreads 1")
        elif self.executor == "ray":
            os.environ["RAY_AUTH_MODE"] = "disabled"  # of this cluster, which only this machine can reach
            words = f"start --head --num-cpus 2 --port {PORT['ray']} --include-dashboard=false --disable-usage-stats"
            self._ray(words)

    def stop(self) -> None:
        if self.executor == "ray":
            self._ray("stop --force")
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def scheduler_killed(self) -> None:
        """Its process is killed."""
        import psutil

        if self.executor == "dask":
            self.processes[0].kill()
        for process in psutil.process_iter(["name"]) if self.executor == "ray" else ():
            if process.info["name"] == "gcs_server":
                process.kill()

    def workers(self, command: int) -> list[int]:
        """Numbers of the processes that are at work."""
        import psutil

        if self.executor == "ray":
            found = psutil.process_iter()
        else:
            over = command if self.executor == "processes" else self.processes[1].pid
            found = iter(psutil.Process(over).children(recursive=True))
        there = []
        for process in found:
            try:
                if WORKING[self.executor] in " ".join(process.cmdline()):
                    there.append(process.pid)
            except psutil.Error:
                continue
        return there

    def _run(self, words: str) -> None:
        command = [sys.executable, "-m", *words.split()]
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def _ray(self, words: str) -> None:
        subprocess.run([str(Path(sys.executable).with_name("ray")), *words.split()], capture_output=True, check=True)


def cluster_kills(executor: str, count: int, schedulers: int, seed: int, folder: Path) -> list[str]:
    """What was wrong, a line each: after so many workers and schedulers were killed."""
    words = [sys.executable, "-m", "naslib_gennas.cli", *SCORED.split()]
    if not (folder / "whole").exists():
        subprocess.run([*words, "--out", "whole"], cwd=folder, check=True, capture_output=True)
    seconds = math.fsum(record["seconds"] for record in _records(folder / "whole")) / 2
    run = folder / executor
    draw, wrong = random.Random(seed), []
    deaths = ["worker"] * count + ["scheduler"] * schedulers
    draw.shuffle(deaths)
    killed, ends = Counter(), Counter()
    cluster = Cluster(executor, folder)
    try:
        while True:
            resume = ["--resume", "--retry-failed"] if (run / "config.json").exists() else []
            command = [*words, *cluster.options.split(), "--out", executor, *resume]
            process = subprocess.Popen(
                command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            while process.poll() is None and deaths:
                time.sleep(draw.uniform(0.2, 1.0) * seconds / (count + schedulers))
                if not _at_work(run):
                    continue
                if deaths[-1] == "scheduler":
                    cluster.scheduler_killed()
                    killed[deaths.pop()] += 1
                    break
                if there := cluster.workers(process.pid):
                    try:
                        os.kill(draw.choice(there), signal.SIGKILL)
                    except ProcessLookupError:
                        continue
                    killed[deaths.pop()] += 1
            try:
                _, said = process.communicate(timeout=HANGS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                wrong.append(f"after {dict(killed)} it did not end")
                break
            last = said.strip().splitlines()[-1] if said.strip() else ""
            ends[process.returncode] += 1
            if process.returncode not in (0, 1) or "Traceback" in said or "not foreseen" in said:
                wrong.append(f"exit code {process.returncode}: {last}")
            print(f"{dict(killed)}, exit code {process.returncode}: {last}", file=sys.stderr, flush=True)
            if process.returncode == 0:
                break
            cluster.stop()
            cluster.start()
    finally:
        cluster.stop()
    if deaths:
        wrong.append(f"the run had ended before {len(deaths)} kills")
    if _scores(run) != _scores(folder / "whole"):
        wrong.append("other scores than in one process")
    print(f"{executor}: killed {dict(killed)} in 2,000 scores, ends by exit code {dict(ends)}, {len(wrong)} wrong")
    return wrong


def _records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def _at_work(run: Path) -> bool:
    """Whether it has grown in the last moments: a scheduler that starts is not yet one that is at work."""
    file = run / "results.jsonl"
    return file.exists() and time.time() - file.stat().st_mtime < 2.0 and file.stat().st_size > 0


def _scores(run: Path) -> dict[tuple[str, ...], object]:
    """Of every record; ValueError if one appears twice."""
    found: dict[tuple[str, ...], object] = {}
    for file in sorted(run.rglob("results.jsonl")):
        for record in map(json.loads, file.read_text().splitlines()):
            parts = (str(record.get(name)) for name in ("arch", "measure", "step", "task", "digest"))
            key = (str(file.relative_to(run)), *parts)
            if key in found:
                raise ValueError(f"{run} has {key} twice")
            found[key] = record.get("score", record.get("fitness"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("fuzz", "kills", "workers"))
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--executor", default="", help="of the killed commands; dask, ray, processes (or several) of workers"
    )
    parser.add_argument("--schedulers", type=int, default=5, help="that are killed beside the workers")
    parser.add_argument("--commands", default=",".join(KILLED), help="that are killed [default: all]")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "fuzz":
            wrong = fuzz(arguments.inputs, arguments.seed, Path(folder))
        elif arguments.what == "workers":
            wrong = []
            for executor in arguments.executor.split(","):
                schedulers = 0 if executor == "processes" else arguments.schedulers
                wrong += cluster_kills(executor, arguments.count, schedulers, arguments.seed, Path(folder))
        else:
            names = arguments.commands.split(",")
            wrong = kills(arguments.count, arguments.seed, Path(folder), names, arguments.executor)
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
