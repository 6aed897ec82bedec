"""The tenant behind HTTP: addresses, login, vices, answers, and the control plane."""
