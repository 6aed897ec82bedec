"""Rows of a load as extracts: one .hyper file for each stream, in a folder and in Tableau."""
