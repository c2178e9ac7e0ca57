"""Search for the proxy task that ranks a few labelled architectures best (paper, Section 3.2)."""
