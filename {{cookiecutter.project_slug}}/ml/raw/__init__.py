"""Tables as people keep them: text files and Parquet read as columns of text, and text read as typed values."""
