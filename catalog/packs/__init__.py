"""Packs and shards: Parquet files in which every picture is a byte range, their storage and the spool."""
