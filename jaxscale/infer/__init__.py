"""Inference as pure functions of (model, lane): point, Laplace, importance sampling, HMC, NUTS, cascade."""
