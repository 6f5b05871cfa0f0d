"""Packs and shards: Parquet files in which every picture is a byte range, their storage and the spool."""

from catalog.renamed_functions import call_as

call_as(__name__, "list_packs")
