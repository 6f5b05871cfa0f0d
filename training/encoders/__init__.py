"""Encoders that a user brings: TF.js and ONNX graphs and safetensors, kept in the workspace as one ONNX form."""
