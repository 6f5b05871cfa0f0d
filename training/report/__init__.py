"""Reports, panels and plots; made from saved files alone."""
