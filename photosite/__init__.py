"""The embedded default: a photo site of our own, and a camera that renders what it serves.

Everything here is made by computation, so it may ship and its truth is known: which settings made
the pixels, which pictures are copies of which, which EXIF block is a lie.
"""
