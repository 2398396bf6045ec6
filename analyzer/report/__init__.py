"""Reports as text: the JSON schema, the escapes and one file a format."""
