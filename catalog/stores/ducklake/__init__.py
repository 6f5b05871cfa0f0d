"""Tables in a DuckLake whose metadata lies in SQLite or PostgreSQL."""
