"""What a release says of itself: the dataset card for people, Croissant for machines."""
