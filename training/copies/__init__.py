"""The recipe `copy_detection`: an embedder that maps copies of one photograph to similar vectors."""
