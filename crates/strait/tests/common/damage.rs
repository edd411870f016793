//! Damage of files, as a function of a seed.

/// Numbers of a seed, one after the other (splitmix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// Words that readers of numbers and texts stumble on.
const WORDS: [&[u8]; 14] = [
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\0\0\0\0\0\0\0\0",
    b"\0\0\0\x80",
    b"nan",
    b"inf",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"null",
    b"{",
    b"]",
    b"\"",
    b"\n",
];

/// One to eight changes of the bytes.
pub(crate) fn mutate(mut bytes: Vec<u8>, other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    for _ in 0..1 + numbers.below(8) {
        // Near the start, where headers are, as often as anywhere.
        let reach = if numbers.below(2) == 0 { bytes.len().min(128) } else { bytes.len() };
        let at = numbers.below(reach);
        match numbers.below(8) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            1 if !bytes.is_empty() => bytes[at] = numbers.next() as u8,
            2 => bytes.truncate(at),
            3 if !bytes.is_empty() => {
                let end = (at + 1 + numbers.below(32)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + 1 + numbers.below(64)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            5 => {
                let word = WORDS[numbers.below(WORDS.len())];
                let end = (at + word.len()).min(bytes.len());
                bytes.splice(at.min(end)..end, word.iter().copied());
            }
            6 => {
                let word = WORDS[numbers.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            _ => {
                let from = numbers.below(other.len());
                let end = (from + 1 + numbers.below(64)).min(other.len());
                let stop = (at + 1 + numbers.below(64)).min(bytes.len());
                bytes.splice(at.min(stop)..stop, other[from.min(end)..end].iter().copied());
            }
        }
    }
    bytes
}
