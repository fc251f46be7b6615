"""The declared features: a plain module here holds FEATURES, its declarations; kernels stand beside."""
