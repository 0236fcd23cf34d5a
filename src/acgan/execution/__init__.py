"""Execution: device, precision, layout, threads and processor features."""
