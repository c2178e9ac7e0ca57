"""Every registered search space passes the conformance suite."""

import pytest

from naslib_gennas.spaces import SPACES
from naslib_gennas.testing import SPACE_CHECKS, load_space


@pytest.mark.parametrize("name", SPACES.names())
@pytest.mark.parametrize("check", SPACE_CHECKS, ids=lambda check: check.__name__)
def test_space_conforms(check, name):
    check(load_space(name), 0)
