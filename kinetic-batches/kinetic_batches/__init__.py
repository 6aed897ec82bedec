"""Singer messages to Arrow batches: exact values in, one ordered load behind the reading."""
