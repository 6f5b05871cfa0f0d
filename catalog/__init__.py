"""The catalog: schemas, storage, tables, releases. Every other room imports from here, it imports none."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
