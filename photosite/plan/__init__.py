"""The plan of all photographs that the site serves, made from a seed."""
