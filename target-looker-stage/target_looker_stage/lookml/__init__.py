"""LookML of a Singer catalog and the staged tables: written, compared, checked by running it."""
