"""Retrieval service: embeddings, documents, search and grounded answers."""
