"""What is photographed."""
