"""Scrapy spiders: they list photos into the frontier, in a process of their own."""
