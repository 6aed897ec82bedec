"""Stand-in servers for trying the pipeline without an ERP or a BI site."""
