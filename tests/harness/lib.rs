//! The harness: a simulated disk, a model, damage, real processes.

pub mod aftermath;
pub mod anatomy;
pub mod answers;
pub mod attack;
pub mod clock;
pub mod damage;
pub mod events;
pub mod fixture;
pub mod lying_disk;
pub mod model;
pub mod proof;
pub mod rng;
pub mod sim_disk;
pub mod workload;
