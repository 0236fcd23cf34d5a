"""Reports: metrics, tables and findings as HTML, JSON and text."""
