"""Record the scores of presets and measures, and compare two recordings bit for bit.

Run it before and after a change that must not change values:

    python examples/compare_values.py record before.json
    python examples/compare_values.py record after.json
    python examples/compare_values.py compare before.json after.json

Every preset scores three architectures of every space, at one thread; outside of ``WHOLE`` the presets are shortened
to two steps, repeats and images, which runs the same code. Every measure scores three architectures of ``MEASURED``.
It goes through ``gennas score`` alone, so that one copy of this file serves both versions.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from click.testing import CliRunner

from naslib_gennas import load_preset, load_space, preset_names
from naslib_gennas.cli import main

WHOLE = ("nasbench101", "nasbench201", "nasbench_nlp", "transnas101_micro")
MEASURED = ("nasbench101", "nasbench201", "nds_darts_in")
RECURRENT = ("synflow", "grad_norm", "l2_norm", "plain", "snip", "params", "flops", "grasp")
TRAINING = ("cls@1", "rot@1", "jig@1", "col@1")
ARCHITECTURES, SHORT = 3, 2  # of steps, repeats and images
PAPERS = "paper-stage"  # Table 1: twenty presets and more, on one space


def gennas(*words: str) -> list[dict]:
    """The scores that ``gennas score`` prints."""
    result = CliRunner().invoke(main, ["score", "--json", *words])
    if result.exit_code:
        raise SystemExit(f"gennas score {' '.join(words)} ended with {result.exit_code}: {result.output}")
    return json.loads(result.stdout[result.stdout.index("{") :])["scores"]


def names(lister: str) -> list[str]:
    lines = CliRunner().invoke(main, [lister]).stdout.splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def shortened(name: str, folder: Path, space: str) -> str:
    """The preset itself, or a file of it with two steps, repeats and images."""
    preset = load_preset(name)
    if space in WHOLE and not name.startswith("paper-"):
        return name
    cut = ("steps", "average", "repeats", "batch_size")
    changed = preset.with_fidelities(lambda f: {field: min(SHORT, getattr(f, field)) for field in cut})
    path = folder / f"{name}.yaml"
    data = yaml.safe_load(changed.to_yaml())
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return str(path)


def jobs():
    """(key, options of ``gennas score``) of everything that is recorded."""
    folder = Path(tempfile.mkdtemp())
    for space in names("spaces"):
        loaded = load_space(space)
        rng = np.random.default_rng(5)
        drawn = [str(loaded.sample(rng)) for _ in range(ARCHITECTURES)]
        for name in preset_names():
            if load_preset(name).kind != loaded.kind or (name.startswith(PAPERS) and space != "nasbench101"):
                continue
            yield f"{space} {name}", ["--space", space, "--preset", shortened(name, folder, space), *drawn]
        if space in MEASURED:
            plain = [name for name in names("measures") if "(" not in name and "@" not in name and name != "gennas"]
            for measure in [*plain, *(TRAINING if space == "nasbench201" else ())]:
                yield f"{space} measure {measure}", ["--space", space, "--measure", measure, *drawn]
        if loaded.kind == "rnn":
            for measure in RECURRENT:
                words = ["--space", space, "--preset", "rnn-fast", "--measure", measure, *drawn]
                yield f"{space} measure {measure}", words


def record(out: Path, part: int = 0, parts: int = 1) -> None:
    found = json.loads(out.read_text()) if out.exists() else {}
    for number, (key, words) in enumerate(jobs()):
        if number % parts == part and key not in found:
            found[key] = {row["arch"]: [row["score"], row["status"]] for row in gennas(*words)}
            out.write_text(json.dumps(found, indent=0))
            print(key, flush=True)


def compare(before: Path, after: Path) -> int:
    """Prints every difference; 1 if there is one."""
    old, new = (json.loads(path.read_text()) for path in (before, after))
    shared = sorted(set(old) & set(new))
    differing = [
        (key, arch, old[key][arch], new[key].get(arch))
        for key in shared
        for arch in old[key]
        if old[key][arch] != new[key].get(arch)
    ]
    for key, arch, a, b in differing:
        scale = f", relative {abs(a[0] - b[0]) / abs(a[0]):.1e}" if b and a[0] and b[0] is not None else ""
        print(f"{key}: {a} became {b}{scale}: {arch}")
    total = sum(len(old[key]) for key in shared)
    missing = sorted(set(old) ^ set(new))
    print(f"{total} values of {len(shared)} pairs: {total - len(differing)} equal, {len(differing)} differ")
    if missing:
        print(f"in one recording only: {', '.join(missing)}")
    return int(bool(differing))


if __name__ == "__main__":
    action, *rest = sys.argv[1:]
    if action == "record":
        record(Path(rest[0]), *map(int, rest[1:]))
    else:
        sys.exit(compare(*map(Path, rest)))
