//! The hash of features: FNV-1a over 64 bits, five lines that will never change, and a last mix (the finaliser of
//! MurmurHash3), because the low bits of FNV alone are not even.

#[derive(Clone, Copy, Debug)]
pub(super) struct Hash(u64);

impl Hash {
    /// Each sort of feature starts elsewhere, so that a word and a piece with the same letters do not meet.
    pub(super) fn word() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325).u32(1)
    }

    pub(super) fn pair() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325).u32(2)
    }

    pub(super) fn piece() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325).u32(3)
    }

    pub(super) fn stem() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325).u32(5)
    }

    pub(super) fn byte() -> Hash {
        Hash(0xCBF2_9CE4_8422_2325).u32(4)
    }

    /// One step: four bytes at once, since the final mix evens out what that costs.
    pub(super) fn u32(self, value: u32) -> Hash {
        Hash((self.0 ^ u64::from(value)).wrapping_mul(0x0000_0100_0000_01B3))
    }

    pub(super) fn u64(self, value: u64) -> Hash {
        self.u32((value & 0xFFFF_FFFF) as u32).u32((value >> 32) as u32)
    }

    pub(super) fn text(self, text: &str) -> Hash {
        text.chars().fold(self, |hash, c| hash.u32(c as u32))
    }

    pub(super) fn finish(self) -> u64 {
        let mut x = self.0;
        x = (x ^ (x >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        x = (x ^ (x >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        x ^ (x >> 33)
    }
}
