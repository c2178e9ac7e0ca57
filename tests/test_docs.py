"""The documentation: links lead somewhere, the README's Python runs, and it stays short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readmes_python_runs(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip() == "True"


def test_the_readme_is_a_door():
    assert len((ROOT / "README.md").read_text(encoding="utf-8")) < 6000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_options_exist(page):
    """Every `gennas ...` that is shown."""
    from naslib_gennas.cli import main

    for line in re.findall(r"gennas ([a-z-]+)([^`\n|]*)", page.read_text(encoding="utf-8")):
        name, rest = line
        if name not in main.commands:
            continue
        command = main.commands[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", rest):
            assert option in known or name in ("naslib", "presets", "scores", "tables"), f"{page.name}: {name} {option}"
