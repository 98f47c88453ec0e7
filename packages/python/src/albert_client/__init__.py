"""Typed client of albert-serve: messages and stubs are in `albert.v1`, made from the protocol files."""

from albert_client.client import AlbertClient

__all__ = ["AlbertClient"]
