"""Trains the models of the Dynamic Offers example and writes them as an ONNX model repository."""
