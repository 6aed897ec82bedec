"""Which rows to read, in which order, and how far a run has come. Knows neither HTTP nor Singer."""
