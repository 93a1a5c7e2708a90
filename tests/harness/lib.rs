//! The harness: a simulated disk, a model, damage, real processes.
