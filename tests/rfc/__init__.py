"""RFC 5798, RFC 3768 where version 2 differs, and what RFC 9568 changes: row by row, each with its tests."""
