"""Credentials at rest: an encrypted file, opened for one command at a time."""
