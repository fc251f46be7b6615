"""The simulated venue and the generative market."""
