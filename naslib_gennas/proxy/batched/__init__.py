"""Training many architectures as one program: the same operation of all of them is one call.

Of spaces that write their networks as expressions. A program is made of the expressions of some architectures
(:mod:`.schedule` orders their operations, :mod:`.program` gives them maps and weights), and :mod:`.training` runs it.
"""

from .layout import Layout, layout_of
from .program import Network
from .training import Training, regress_together

__all__ = ["Layout", "Network", "Training", "layout_of", "regress_together"]
