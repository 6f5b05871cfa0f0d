"""The web application: SQL over HTTP, the console for people, releases for machines."""
