"""Files to tables and tables to files; nothing is computed here."""
