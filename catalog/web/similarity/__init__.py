"""Pictures that look alike, for the server: nearest pictures, a map of the vectors, and the rows about them."""
