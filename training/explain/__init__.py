"""Where in a picture a model looks: Grad-CAM heat maps of finished models."""
