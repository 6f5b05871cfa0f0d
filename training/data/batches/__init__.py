"""Batches of pictures: their memory, and the threads that fill it."""
