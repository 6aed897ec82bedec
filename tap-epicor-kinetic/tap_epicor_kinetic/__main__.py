"""`python -m tap_epicor_kinetic`."""

from .cli import main

main()
