"""TransNAS-Bench-101, micro and macro."""
