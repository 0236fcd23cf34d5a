"""The command line: one file a command; each parses, calls the library and prints, no more.

Modules here import nothing heavy at their top, so that `acgan --help` answers at once.
"""
