"""Trains runs that albert prepared, on one machine or many, with PyTorch."""
