"""The report of a crawl: one HTML file with the listed and the fetched photos, the failures and their reasons."""

from crawler.report.page import write_report

__all__ = ["write_report"]
