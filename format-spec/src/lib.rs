//! The on-disk format of siltstone: bytes to values and back.
//!
//! `SPEC.md` beside this crate is the normative text; this crate is its executable half. It is pure: no I/O, no
//! clock, no unsafe code. Decoders are total: any bytes give a value or a [`Flaw`] that names the structure, the
//! field, the place, what was expected and what was found. Every length that is read from bytes is compared with the
//! bytes at hand and with [`limits`] before anything is allocated from it.
//!
//! ```
//! use siltstone_format::{Seed, layout::WitnessSlot};
//!
//! let seed = Seed::new(&[7; 16], 0);
//! let slot = WitnessSlot { collection: [7; 16], sequence: 1, segment: 1, commit: 9, end_bytes: 8192, chain: [0; 32] };
//! let mut bytes = slot.encode(&seed, 0);
//! assert_eq!(WitnessSlot::decode(&bytes, &seed, 0), Ok(slot));
//! bytes[20] ^= 1;
//! let flaw = WitnessSlot::decode(&bytes, &seed, 0).unwrap_err();
//! assert_eq!((flaw.structure, flaw.field, flaw.offset), ("witness slot", "crc", 0));
//! ```
#![deny(missing_docs)]

pub mod attributes;
pub mod backup;
pub mod basis;
pub mod catalogue;
pub mod checksum;
pub mod codes;
pub mod document;
mod flaw;
pub mod follows;
pub mod footer;
pub mod frame;
pub mod frame_builder;
pub mod header;
pub mod identity;
pub mod key_index;
pub mod layout;
pub mod limits;
pub mod manifest;
pub mod mend;
mod metric;
pub mod names;
pub mod payload;
pub mod snapshot;
mod structure;
pub mod witness;

pub use checksum::{Digest, Id, Seed};
pub use flaw::Flaw;
pub use metric::Metric;
pub use structure::{Field, Layout};
