"""The DVC stages, in order: ingest → validate → split → train → evaluate → export. Files in, files out."""
