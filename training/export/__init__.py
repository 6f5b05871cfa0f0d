"""Weights, ONNX files with their parity check, model cards."""
