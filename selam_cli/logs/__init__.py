"""The log file, and the redaction that everything written passes."""
