"""Images, charts, curves and animations as files."""
