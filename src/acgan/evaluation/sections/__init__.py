"""The chapters of a report: each turns evidence into figures, tables and pictures."""
