"""Reports, panels and plots, made from saved files only."""
