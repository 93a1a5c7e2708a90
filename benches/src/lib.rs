//! What the measurements share: vectors like real ones, and the machine's own speed to compare with.

pub mod data;
pub mod machine;
pub mod passages;
pub mod stats;
