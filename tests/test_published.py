"""The published numbers: complete, parsed, and the same as printed at places picked by hand."""

from __future__ import annotations

import re

import pytest

from naslib_gennas.tables.published import find_published, published


def one(*place):
    (cell,) = find_published(*place)
    return cell


@pytest.mark.parametrize(
    "place, value",
    [
        ((1, "NASBench-101, CIFAR-10, one signal in one stage", "stage 3", "Dot 100%"), 0.81),
        ((1, "NASBench-101, CIFAR-10, one signal in one stage", "stage 1", "Sin1D L"), 0.13),
        ((2, "NASBench-101", "CIFAR-10", "GenNAS search-N"), 0.87),
        ((2, "NASBench-NLP", "PTB", "jacob_cov"), 0.56),
        ((2, "Neural Design Spaces, ImageNet", "ResNeXt-A", "GenNAS combo"), 0.84),
        ((3, "NASBench-201", "ImgNet16", "GenNAS-N"), 45.59),
        ((4, "ImageNet, DARTS space", "GenNAS-combo", "FLOPs, M"), 559),
        ((5, "random seeds", "DARTS", "seed 1"), 0.899),
        ((6, "initialisation, NASBench-101", "weights Kaiming, bias Zero", "task 7"), 0.770),
        ((7, "NASBench-201", "CIFAR-100", "GenNAS combo"), 0.63),
        ((8, "Neural Design Spaces, CIFAR-10", "ResNeXt-B", "GenNAS search-R"), 71),
        ((9, "NASBench-101, 1,000 other architectures", "GenNAS-N", "top 50%"), 0.85),
        ((10, "GTX 1080 Ti", "PNAS-f", "batch 96, GB"), 7.45),
        (("EProxy", None, "mean", "EProxy"), 0.73),
        (("AZ-NAS", "NASBench-201", "CIFAR-10", "AZ-NAS"), 0.741),
    ],
)
def test_value(place, value):
    assert one(*place).value == value


def test_all_tables_are_there():
    assert {cell.table for cell in published()} >= {str(number) for number in range(1, 11)}
    assert len({(c.table, c.part, c.row, c.column) for c in published()}) == len(published())


def test_cells_that_are_no_numbers():
    words = {cell.printed for cell in published() if cell.value is None}
    assert {"OOM", "–", "-"} <= words
    assert not [text for text in words if re.fullmatch(r"[\d.]+%?", text)]


def test_deviation_and_marks():
    cell = one(3, "NASBench-201", "CIFAR-10", "GenNAS-N")
    assert (cell.value, cell.std, cell.mark) == (94.18, 0.10, "t")
    assert one(2, "NASBench-101", "CIFAR-10", "GenNAS search-N").mark == "†s"


@pytest.mark.parametrize("table", [5, 6])
def test_averages_agree_with_their_row(table):
    for average in find_published(table, column="average"):
        row = [c.value for c in find_published(table, average.part, average.row) if c is not average]
        assert len(row) == 10
        assert average.value == pytest.approx(sum(row) / 10, abs=0.0021)


def test_contradiction_is_kept():
    rho, tau = one(2, "NASBench-101", "ImgNet", "NASWOT"), one(7, "NASBench-101", "ImgNet", "NASWOT")
    assert (rho.value, tau.value) == (0.21, 0.36)
    assert "contradicts" in rho.note and "contradicts" in tau.note


def test_against_the_papers_text(shared):
    """Every number of the tables stands in the text of the paper, except those that a note explains."""
    text = (shared.parent / "paper" / "gennas.txt").read_text(encoding="utf-8")
    for cell in published():
        if cell.table.isdigit() and cell.value is not None and not cell.note:
            number = cell.printed.split("±")[0].rstrip("%†‡§st")
            assert number in text, cell
