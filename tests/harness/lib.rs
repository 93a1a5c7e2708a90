//! The harness: a simulated disk, a model, damage, real processes.

pub mod answers;
pub mod clock;
pub mod damage;
pub mod fixture;
pub mod rng;
pub mod sim_disk;
