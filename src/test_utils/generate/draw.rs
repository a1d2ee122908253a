//! [`Draw`]: numbers that look random and are the same in every run.

/// `SplitMix64`.
pub(super) struct Draw(u64);

impl Draw {
    /// A sequence of its own for a table, a row and an attempt.
    pub(super) fn new(table: &str, number: usize, attempt: usize) -> Self {
        let of_name = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let seed = table.bytes().fold(0xcbf2_9ce4_8422_2325, of_name);
        Self(seed ^ ((number as u64) << 32) ^ attempt as u64)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).unwrap_or_default()
    }
}
