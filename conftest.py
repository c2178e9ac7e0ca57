"""What the examples in the docstrings of the package need, which are tests, too."""

import pytest

collect_ignore = ["naslib_gennas/plugin"]  # its examples need a checkout of NASLib


@pytest.fixture(autouse=True)
def folder_of_its_own(request, monkeypatch):
    """Examples may write files."""
    if isinstance(request.node, pytest.DoctestItem):
        monkeypatch.chdir(request.getfixturevalue("tmp_path"))
