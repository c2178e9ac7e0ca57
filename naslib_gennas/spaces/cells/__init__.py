"""Spaces of repeated cells: NDS (DARTS, Amoeba, ENAS, NASNet, PNAS) and NAS-Bench-301."""
