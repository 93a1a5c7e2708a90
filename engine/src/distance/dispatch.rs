//! Chooses, at run time, the instruction set that the canonical sums run on.
//!
//! One binary runs on every x86-64 processor, so code for wider registers is compiled under `#[target_feature]` and
//! entered only where the processor has it. Calling such a function elsewhere is undefined behaviour; this is the one
//! file of the module that may use `unsafe`, and it rests on one invariant: an [`InstructionSet`] exists only if
//! this processor has it. On aarch64 NEON is part of the baseline and needs no choice.
#![allow(unsafe_code)]

use super::canonical::{product, squared_difference, sum};

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstructionSet(Kind);

/// The instruction sets that this build knows, whether or not the processor has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What every processor of the target has.
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kind {
    /// All of them, widest registers first.
    pub(super) const ALL: &[Kind] = &[
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2,
        Kind::Baseline,
    ];
}

impl InstructionSet {
    /// The widest that this processor has. Cheap: the standard library asks the processor once and remembers.
    pub(super) fn best() -> Self {
        Kind::ALL.iter().find_map(|&kind| Self::detect(kind)).unwrap_or(Self(Kind::Baseline))
    }

    /// This one, if the processor has it. The only way to make a value other than the baseline.
    pub(super) fn detect(kind: Kind) -> Option<Self> {
        let present = match kind {
            Kind::Baseline => true,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => std::arch::is_x86_feature_detected!("avx512f"),
        };
        present.then_some(Self(kind))
    }

    /// The canonical dot product; `None` if the lengths differ.
    pub(super) fn dot(self, a: &[f32], b: &[f32]) -> Option<f64> {
        if a.len() != b.len() {
            return None;
        }
        Some(match self.0 {
            Kind::Baseline => sum(a, b, product),
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { dot_avx2(a, b) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { dot_avx512(a, b) },
        })
    }

    /// The canonical squared distance; `None` if the lengths differ.
    pub(super) fn squared_euclidean(self, a: &[f32], b: &[f32]) -> Option<f64> {
        if a.len() != b.len() {
            return None;
        }
        Some(match self.0 {
            Kind::Baseline => sum(a, b, squared_difference),
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { squared_euclidean_avx2(a, b) },
            // SAFETY: a value of this kind comes from `detect`, which asked the processor.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { squared_euclidean_avx512(a, b) },
        })
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, product)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn squared_euclidean_avx2(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, squared_difference)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn dot_avx512(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, product)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn squared_euclidean_avx512(a: &[f32], b: &[f32]) -> f64 {
    sum(a, b, squared_difference)
}
