"""The server's inside: receivers, inbox, decoding, journal, archive, stream and metrics."""
