"""Which published numbers stand beside a measure on a space and data set."""

from __future__ import annotations

from typing import Optional

from ..tables.published import Published, find_published

CIFAR_SPACES = {"nasbench101": "NASBench-101", "nasbench201": "NASBench-201"}
DATA_SETS = {"cifar100": "CIFAR-100", "cifar10": "CIFAR-10", "imagenet16": "ImgNet16"}  # in names of metrics
NDS = {
    "darts": "DARTS",
    "darts_fix": "DARTS-f",
    "amoeba": "Amoeba",
    "enas": "ENAS",
    "enas_fix": "ENAS-f",
    "nasnet": "NASNet",
    "pnas": "PNAS",
    "pnas_fix": "PNAS-f",
    "resnet": "ResNet",
    "resnext_a": "ResNeXt-A",
    "resnext_b": "ResNeXt-B",
}
COLUMNS = {"naswot": "NASWOT"}  # where the paper writes a measure differently
PRESETS = {
    "paper-single": "GenNAS single",
    "paper-combo": "GenNAS combo",
    "paper-search-n": "GenNAS search-N",
    "paper-search-d": "GenNAS search-D",
    "paper-search-r": "GenNAS search-R",
    "rnn-single": "GenNAS single",
    "rnn-combo": "GenNAS combo",
    "rnn-search": "GenNAS search",
}
ITERATIONS = 100
RHO, TAU = "2", "7"


def published_ranking(space: str, metric: str, table: str, kind: str = RHO) -> list[Published]:
    """The row of the paper's Table 2 (Spearman) or 7 (Kendall); empty where the paper has none.

    >>> cells = published_ranking("nasbench101", "cifar10_test", "my.csv")
    >>> [cell.value for cell in cells if cell.column == "GenNAS combo"]
    [0.85]
    """
    place = _place(space, metric)
    if place is None:
        return []
    return [cell for cell in find_published(kind, *place) if cell.value is not None]


def published_value(measure: str, preset: str, cells: list[Published]) -> Optional[Published]:
    """The cell of the same measure (for ``gennas``, of the same preset)."""
    definition = preset.replace("paper-code-", "paper-")
    column = PRESETS.get(definition) if measure == "gennas" else COLUMNS.get(measure, measure)
    return next((cell for cell in cells if cell.column == column), None)


def published_seconds(cell: Published) -> Optional[float]:
    """Seconds an architecture on a GTX 1080 Ti: known for GenNAS only (Table 10, batch 16)."""
    if not cell.column.startswith("GenNAS"):
        return None
    if cell.part == "NASBench-NLP":
        return find_published("text", row="NASBench-NLP", column="GenNAS")[0].value
    row = cell.row if cell.part.startswith("Neural Design Spaces") else cell.part
    seconds = [found.value for found in find_published("10", row=row, column="batch 16, s")]
    return None if not seconds or seconds[0] is None else seconds[0] * ITERATIONS


def _place(space: str, metric: str) -> Optional[tuple[str, str]]:
    """(part, row) of Tables 2 and 7."""
    if space == "nasbench_nlp":
        return "NASBench-NLP", "PTB"
    if space in CIFAR_SPACES:
        row = next((row for name, row in DATA_SETS.items() if metric.startswith(name)), None)
        return None if row is None else (CIFAR_SPACES[space], row)
    name = space.replace("nds_", "", 1)
    data_set = "ImageNet" if name.endswith("_in") else "CIFAR-10"
    row = NDS.get(name[: -len("_in")] if name.endswith("_in") else name)
    return None if row is None or not space.startswith("nds_") else (f"Neural Design Spaces, {data_set}", row)
