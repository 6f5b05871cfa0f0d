"""Perceptual hashes, embedding vectors and the alignment of two pictures; no runs and no tables."""
