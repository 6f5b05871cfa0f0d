"""What people should look at: doubtful labels, implausible EXIF, open items."""
