"""Open one workspace's catalog: read tables, describe them, record decisions and rights."""
