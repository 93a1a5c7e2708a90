//! Deterministic mutations of valid bytes: flips, values at the edges of their types, cuts, copies.

/// A small generator of numbers (SplitMix64), so that a run can be repeated from its seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that begins with `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        b ^ (b >> 31)
    }

    /// A number below `end`, 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.number().checked_rem(end as u64).unwrap_or(0) as usize
    }
}

/// Values at which lengths and counts go wrong.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    63,
    64,
    511,
    512,
    4096,
    65535,
    65536,
    65537,
    0x7fff_ffff,
    0xffff_ffff,
    0x1_0000_0000,
    u64::MAX / 2,
    u64::MAX,
];

/// `bytes` after one to four mutations, most of them within the first `hot` bytes.
pub fn mutated(bytes: &[u8], hot: usize, random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        mutate(&mut out, hot, random);
    }
    out
}

fn mutate(bytes: &mut Vec<u8>, hot: usize, random: &mut Random) {
    let range = if random.below(4) > 0 { hot.min(bytes.len()) } else { bytes.len() };
    let at = random.below(range);
    match random.below(8) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << (random.number() % 8)),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.number() as u8),
        2 | 3 => set(bytes, at & !3, &(edge(random) as u32).to_le_bytes()),
        4 => set(bytes, at & !3, &edge(random).to_le_bytes()),
        5 => bytes.truncate(random.below(bytes.len())),
        6 => {
            let length = random.below(64);
            let copy: Vec<u8> = bytes.iter().skip(random.below(bytes.len())).take(length).copied().collect();
            set(bytes, at, &copy);
        }
        _ => {
            let more = random.below(600);
            bytes.extend(std::iter::repeat_with(|| random.number() as u8).take(more));
        }
    }
}

/// An edge, or a number near one.
fn edge(random: &mut Random) -> u64 {
    let edge = EDGES.get(random.below(EDGES.len())).copied().unwrap_or(0);
    match random.below(4) {
        0 => edge.wrapping_sub(1),
        1 => random.number() >> random.below(64),
        _ => edge,
    }
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
}
