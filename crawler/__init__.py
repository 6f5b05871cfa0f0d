"""The crawler: pictures and their EXIF, from sites and folders into the catalog."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
