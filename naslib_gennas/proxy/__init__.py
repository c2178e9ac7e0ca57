"""The proxy of the paper: signals, tasks and their regression (Sections 3.1 to 3.3)."""
