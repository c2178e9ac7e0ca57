"""Conformance suites for whatever can be registered: try your own space, scorer, measure, reader or executor.

    from naslib_gennas.testing import check_space
    check_space("my_space")

All of them work in the same way. ``check_...`` runs every check, and returns those that the thing itself declares as
``unchecked``: a mapping from the name of a check that cannot be applied to the reason. A check that is not declared
must pass, and so must one that is declared although it can be applied. What is wrong is said by an AssertionError.

``..._CHECKS`` lists the single checks, each called with a case, for a test each:

    @pytest.mark.parametrize("check", SPACE_CHECKS)
    def test_my_space(check):
        check(SpaceCase(load_space("my_space")))
"""

from .executors import EXECUTOR_CHECKS, ExecutorCase, check_executor
from .measures import MEASURE_CHECKS, MeasureCase, SmallLanguageModel, SmallNetwork, check_measure
from .networks import same_function
from .readers import READER_CHECKS, ReaderCase, check_reader
from .scorers import SCORER_CHECKS, ScorerCase, check_scorer
from .spaces import SPACE_CHECKS, SpaceCase, check_space
from .suite import Inapplicable

__all__ = [
    "EXECUTOR_CHECKS",
    "MEASURE_CHECKS",
    "READER_CHECKS",
    "SCORER_CHECKS",
    "SPACE_CHECKS",
    "ExecutorCase",
    "Inapplicable",
    "MeasureCase",
    "ReaderCase",
    "ScorerCase",
    "SmallLanguageModel",
    "SmallNetwork",
    "SpaceCase",
    "check_executor",
    "check_measure",
    "check_reader",
    "check_scorer",
    "check_space",
    "same_function",
]
