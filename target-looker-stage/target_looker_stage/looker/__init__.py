"""Looker's API: told after a load, looked at before one, given new LookML."""
