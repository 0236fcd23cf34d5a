"""Pictures of a run from uint8 arrays and plain numbers: sheets, animations, curves; no torch."""
