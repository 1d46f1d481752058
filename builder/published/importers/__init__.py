"""The importers, one file a source."""
