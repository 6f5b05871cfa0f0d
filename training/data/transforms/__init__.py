"""Edits of pictures: the copies, and the degradations of known strength."""
