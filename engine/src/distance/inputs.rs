//! Vectors that are hard on float arithmetic, from a seed, for the module's tests.

/// A small reproducible generator (splitmix64): a failing test fails again.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.bits() % bound as u64) as usize
    }

    /// In -1..1, with all 24 bits of the significand in use.
    pub(super) fn signed(&mut self) -> f32 {
        ((self.bits() >> 39) as f32 + 0.5) / (1_u32 << 24) as f32 - 1.0
    }

    /// A finite value of any exponent, denormals and both zeros included.
    pub(super) fn any_finite(&mut self) -> f32 {
        let value = f32::from_bits(self.bits() as u32);
        if value.is_finite() { value } else { f32::from_bits(self.bits() as u32 & 0x807f_ffff) }
    }

    fn vector(&mut self, dims: usize, mut element: impl FnMut(&mut Self) -> f32) -> Vec<f32> {
        (0..dims).map(|_| element(self)).collect()
    }
}

/// Kinds of pairs, by what they provoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    Uniform,
    AnyBits,
    /// Sums overflow f32, to either sign.
    Overflowing,
    /// Sums come close to overflow.
    NearlyOverflowing,
    Tiny,
    Denormal,
    /// Products and squares around the least denormal, where rounding costs everything.
    Underflowing,
    /// Magnitudes far apart, whose products are ordinary.
    Unbalanced,
    /// The exact dot product is nearly zero, its terms are not.
    Cancelling,
    Equal,
    /// Each element differs by at most one unit in the last place.
    OneUlpApart,
    /// Large terms first, then many that each get lost, all to the same side.
    Absorbing,
    /// Differences and products all of one sign.
    Positive,
    ZeroRow,
}

impl Pair {
    pub(super) const ALL: [Pair; 14] = [
        Pair::Uniform,
        Pair::AnyBits,
        Pair::Overflowing,
        Pair::NearlyOverflowing,
        Pair::Tiny,
        Pair::Denormal,
        Pair::Underflowing,
        Pair::Unbalanced,
        Pair::Cancelling,
        Pair::Equal,
        Pair::OneUlpApart,
        Pair::Absorbing,
        Pair::Positive,
        Pair::ZeroRow,
    ];

    /// Two vectors of `dims` elements.
    pub(super) fn make(self, dims: usize, random: &mut Random) -> (Vec<f32>, Vec<f32>) {
        let scaled = |random: &mut Random, scale: f32| random.vector(dims, |r| r.signed() * scale);
        match self {
            Pair::Uniform => (scaled(random, 1.0), scaled(random, 1.0)),
            Pair::AnyBits => {
                (random.vector(dims, Random::any_finite), random.vector(dims, Random::any_finite))
            }
            Pair::Overflowing => (scaled(random, 3.4e38), scaled(random, 3.4e38)),
            Pair::NearlyOverflowing => (scaled(random, 1.8e19), scaled(random, 1.8e19)),
            Pair::Tiny => (scaled(random, 2e-38), scaled(random, 2e-38)),
            Pair::Denormal => {
                let denormal = |r: &mut Random| f32::from_bits(r.bits() as u32 & 0x8000_00ff);
                (random.vector(dims, denormal), random.vector(dims, denormal))
            }
            Pair::Underflowing => {
                let scale = 2.0_f32.powi(-73 - random.below(4) as i32);
                (scaled(random, scale), scaled(random, scale))
            }
            Pair::Unbalanced => (scaled(random, 1e30), scaled(random, 1e-30)),
            Pair::Cancelling => {
                let (mut a, mut b) = (scaled(random, 1.0), scaled(random, 1.0));
                let half = dims / 2;
                for i in 0..half {
                    a[half + i] = a[i];
                    b[half + i] = -b[i] * (1.0 + random.signed() * 1e-6);
                }
                (a, b)
            }
            Pair::Equal => {
                let a = scaled(random, 1.0);
                (a.clone(), a)
            }
            Pair::OneUlpApart => {
                let a = scaled(random, 1.0);
                let b = a.iter().map(|x| [*x, x.next_up(), x.next_down()][random.below(3)]).collect();
                (a, b)
            }
            Pair::Absorbing => {
                let small = (2.0_f32.powi(-24) * (0.9 + 0.09 * random.signed())).sqrt();
                let sign = [1.0, -1.0][random.below(2)];
                let a: Vec<f32> = (0..dims).map(|i| if i < 16 { 1.0 } else { small }).collect();
                let b = a.iter().map(|x| x * sign).collect();
                (a, b)
            }
            Pair::Positive => {
                (random.vector(dims, |r| r.signed().abs()), random.vector(dims, |r| r.signed().abs()))
            }
            Pair::ZeroRow => (scaled(random, 1.0), vec![[0.0, -0.0][random.below(2)]; dims]),
        }
    }
}

/// Says something on the terminal even when the test passes; the test harness swallows `eprintln!`.
pub(super) fn report(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{line}");
}
