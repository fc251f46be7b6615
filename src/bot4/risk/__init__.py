"""Views to targets, or to a refusal with its reason."""
