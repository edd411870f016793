//! Seeds: a run has one seed, and every stream of random numbers derives from it by its name.

use crate::Error;
use strait_autodiff as draw;
use tch::{Device, Kind, Tensor};

/// The seed of a run. Streams derive from it by name, so that adding one never shifts another.
///
/// ```
/// use strait_core::Seed;
/// use tch::{Device, Kind};
/// let time = Seed(0).stream("time");
/// let a = time.at(12).uniform(&[4], Kind::Float, Device::Cpu)?; // step 12 of the stream, at any moment
/// assert_eq!(a, time.at(12).uniform(&[4], Kind::Float, Device::Cpu)?);
/// assert_ne!(a, time.at(13).uniform(&[4], Kind::Float, Device::Cpu)?);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

/// A named stream of a seed: one independent set of draws for each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream(u64);

/// The draws of one stream at one step, in order. There is no other state: a resumed run needs only its step.
///
/// The first axis of a drawn tensor is that of rows, and a row depends on the seed, the stream, the step, its number and its
/// shape alone: not on how many are drawn, in which batches, or by how many processes.
///
/// ```
/// use strait_core::Seed;
/// use tch::{Device, Kind};
/// let draws = Seed(0).stream("source").at(0);
/// let all = draws.clone().normal(&[1000, 2], Kind::Float, Device::Cpu)?;
/// let first = draws.clone().normal(&[7, 2], Kind::Float, Device::Cpu)?;
/// assert_eq!(first, all.narrow(0, 0, 7));
/// let second_process = draws.from_row(500).normal(&[500, 2], Kind::Float, Device::Cpu)?;
/// assert_eq!(second_process, all.narrow(0, 500, 500));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    key: u64,
    drawn: u64,
    row: u64,
}

/// Which numbers a seed draws: 1 were libtorch's generator's, 2 are Philox's by row. What was begun with others does not go
/// on with these.
pub const DRAWS_VERSION: u32 = 2;

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that mixes all bits.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Tags of what is mixed in, so that a name, a step and a draw never give the same seed.
const NAME: u64 = 1 << 62;
const STEP: u64 = 2 << 62;
const DRAW: u64 = 3 << 62;

impl Seed {
    /// The stream called `name`.
    pub fn stream(self, name: &str) -> Stream {
        Stream(name.bytes().fold(mix(self.0), |key, byte| mix(key ^ NAME ^ u64::from(byte))))
    }

    /// The seed called `name` below this one, for a part with streams or tensors of its own: parts of one seed that call
    /// theirs alike would draw the same numbers.
    ///
    /// ```
    /// use strait_core::Seed;
    /// let seed = Seed(0);
    /// assert_ne!(seed.below("path"), seed.below("velocity"));
    /// assert_eq!(seed.below("path"), seed.below("path"));
    /// ```
    pub fn below(self, name: &str) -> Seed {
        self.stream(name).at(0).seed()
    }
}

impl Stream {
    /// The draws of step `step`.
    pub fn at(self, step: u64) -> Draws {
        Draws { key: mix(self.0 ^ STEP ^ step), drawn: 0, row: 0 }
    }

    /// A stream below this one.
    pub fn stream(self, name: &str) -> Stream {
        Seed(self.0).stream(name)
    }
}

impl Draws {
    /// These draws from row `row` on; permutations have no rows and stay what they are.
    pub fn from_row(self, row: u64) -> Self {
        Self { row, ..self }
    }

    /// The next raw 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.key ^ DRAW ^ self.drawn)
    }

    /// A seed, of the next raw 64 bits.
    pub fn seed(&mut self) -> Seed {
        Seed(self.bits())
    }

    /// Standard normal numbers of a shape.
    ///
    /// # Errors
    /// libtorch's, when memory runs out or the device is neither the CPU nor CUDA's.
    pub fn normal(&mut self, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(draw::normal(self.bits(), self.row, shape, kind, device)?)
    }

    /// Numbers uniform on $[0, 1)$.
    ///
    /// # Errors
    /// As `normal`.
    pub fn uniform(&mut self, shape: &[i64], kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(draw::uniform(self.bits(), self.row, shape, kind, device)?)
    }

    /// `n` numbers uniform on $[0, 1)$, each in its own n-th part, in order: draws that have no rows.
    ///
    /// # Errors
    /// As `normal`.
    pub fn strata(&mut self, n: i64, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(draw::strata(self.bits(), n, kind, device)?)
    }

    /// Integers uniform on $\lbrace 0, \dots, \text{high} - 1 \rbrace$.
    ///
    /// # Errors
    /// As `normal`; also when `high` is below 1.
    pub fn integers(&mut self, high: i64, shape: &[i64], device: Device) -> Result<Tensor, Error> {
        Ok(draw::integers(self.bits(), self.row, high, shape, device)?)
    }

    /// A uniformly random permutation of $0, \dots, n-1$.
    ///
    /// # Errors
    /// As `normal`.
    pub fn permutation(&mut self, n: i64, device: Device) -> Result<Tensor, Error> {
        Ok(draw::permutation(self.bits(), n, device)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_steps_and_draws_do_not_meet() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..20 {
            for name in ["data", "time", "source", "atad", ""] {
                for step in 0..20 {
                    let mut draws = Seed(seed).stream(name).at(step);
                    for _ in 0..4 {
                        assert!(seen.insert(draws.bits()), "seed {seed}, stream {name}, step {step}");
                    }
                }
            }
        }
    }

    /// What runs start from must stay what it is.
    /// The first 128 bits of what a million seeds draw: neighbours, and seeds that agree in their lower half.
    #[test]
    fn a_million_seeds_draw_as_many_things() {
        let mut seen = std::collections::HashSet::new();
        for number in 0..1_000_000u64 {
            let seed = Seed(if number % 2 == 0 { number } else { 7 | number << 32 });
            let x = seed.stream("sample").at(0).normal(&[4], Kind::Float, Device::Cpu).unwrap();
            let mut bits = [0f32; 4];
            x.copy_data(&mut bits, 4);
            assert!(seen.insert(bits.map(f32::to_bits)), "{seed:?} draws what another draws");
        }
    }

    #[test]
    fn a_seed_below_is_the_first_draw_of_its_stream() {
        let seed = Seed(3);
        assert_eq!(seed.below("map"), Seed(seed.stream("map").at(0).bits()));
        assert_eq!(seed.below("map"), Seed(0xed3d_9304_3d70_2f80));
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let x = Seed(3).stream("x").at(0).normal(&[100_000], Kind::Double, Device::Cpu).unwrap();
        assert!(x.mean(Kind::Double).double_value(&[]).abs() < 0.015);
        assert!((x.std(true).double_value(&[]) - 1.0).abs() < 0.01);
    }
}
