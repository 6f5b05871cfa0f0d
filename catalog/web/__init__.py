"""The web service of the catalog (aiohttp): SQL, pages, releases."""
