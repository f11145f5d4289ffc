"""Raw files: tables, arrays and pickles in, ids and features out, before anything is a record."""
