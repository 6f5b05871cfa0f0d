"""What the site serves, made from a seed."""
