"""The recipe `copy_detection`: a network that brings copies of one photograph close together."""
