"""Access control: sign-in, authentication, allowed hosts and origins, security headers."""
