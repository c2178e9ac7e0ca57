"""The study of NAS-Bench-Suite-Zero, repeated on tables at hand with GenNAS in it.

Krishnakumar et al., "NAS-Bench-Suite-Zero: Accelerating Research on Zero Cost Proxies", NeurIPS 2022.
"""

from .result import StudyResult, StudyRow
from .run import NAME, StudySettings, run_study, text_of

__all__ = ["NAME", "StudyResult", "StudyRow", "StudySettings", "run_study", "text_of"]
