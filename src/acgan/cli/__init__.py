"""The command line: each file parses the options of one command, calls the library and prints.

Modules here import nothing heavy at the top, so that `acgan --help` is fast.
"""
