"""Features to signals: technical and learned."""
