"""The embedded demo: a photo site, and a renderer for the photographs that it serves.

All pictures are computed, so they may be distributed, and the ground truth exists: the settings of each
picture, the copies of each photograph, the damaged EXIF blocks.
"""
