"""The durable queue between listing and fetching."""
