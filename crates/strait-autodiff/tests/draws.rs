//! Draws are Philox4x32-10 with the seed for its key: against an implementation of our own that has the published test
//! vectors, in each law and kind, row by row, and over seeds.

use std::collections::HashSet;
use strait_autodiff::{integers, normal, permutation, strata, uniform};
use tch::{Device, Kind, Tensor};

const CPU: Device = Device::Cpu;

/// Ten rounds of Philox on four words.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let (a, b) = (0xD251_1F53 * u64::from(counter[0]), 0xCD9E_8D57 * u64::from(counter[2]));
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

/// The known answers of Random123 1.14 (`kat_vectors`, philox4x32 with 10 rounds).
#[test]
fn the_generator_has_the_published_answers() {
    let ones = u32::MAX;
    for (counter, key, expected) in [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ] {
        assert_eq!(philox(counter, key), expected);
    }
}

fn words(seed: u64, block: u64) -> [u32; 4] {
    philox([block as u32, (block >> 32) as u32, 0, 0], [seed as u32, (seed >> 32) as u32])
}

const SEEDS: [u64; 4] = [0, 1, 0xa409_3822_299f_31d0, u64::MAX];

/// Places from row 0 and from one beyond 32 bits of blocks, in rows of 3.
const ROWS: [u64; 3] = [0, 5, 6_000_000_001];

#[test]
fn uniform_numbers_are_the_words_of_their_places() {
    for (seed, row) in SEEDS.into_iter().flat_map(|seed| ROWS.map(|row| (seed, row))) {
        let found: Vec<f32> =
            Vec::try_from(uniform(seed, row, &[400, 3], Kind::Float, CPU).unwrap().view([-1])).unwrap();
        for (i, found) in found.into_iter().enumerate() {
            let place = row * 3 + i as u64;
            let word = words(seed, place / 4)[(place % 4) as usize];
            assert_eq!(found, (word >> 8) as f32 / 16_777_216.0, "seed {seed}, place {place}");
        }
        let found: Vec<f64> =
            Vec::try_from(uniform(seed, row, &[400, 3], Kind::Double, CPU).unwrap().view([-1])).unwrap();
        for (i, found) in found.into_iter().enumerate() {
            let place = row * 3 + i as u64;
            let (block, half) = (words(seed, place / 2), 2 * (place % 2) as usize);
            let bits = (u64::from(block[half]) << 32) | u64::from(block[half + 1]);
            assert_eq!(found, (bits >> 11) as f64 / 9_007_199_254_740_992.0, "seed {seed}, place {place}");
        }
    }
}

#[test]
fn normal_numbers_are_those_of_box_and_muller() {
    for (seed, row) in SEEDS.into_iter().flat_map(|seed| ROWS.map(|row| (seed, row))) {
        let pair = |radius: f64, turn: f64| {
            let (r, angle) = ((-2.0 * radius.ln()).sqrt(), std::f64::consts::TAU * turn);
            ([r * angle.cos(), r * angle.sin()], r)
        };
        let two = 2f64.powi(32);
        for (kind, off, last) in [(Kind::Float, 2e-6, 6e-8), (Kind::Double, 2e-15, 2e-16)] {
            let found = normal(seed, row, &[400, 3], kind, CPU).unwrap().to_kind(Kind::Double).view([-1]);
            for (i, found) in Vec::<f64>::try_from(found).unwrap().into_iter().enumerate() {
                let place = row * 3 + i as u64;
                let (both, r) = if kind == Kind::Float {
                    let block = words(seed, place / 4).map(f64::from);
                    let at = if place % 4 < 2 { 0 } else { 2 };
                    pair((block[at] + 0.5) / two, block[at + 1] / two)
                } else {
                    let block = words(seed, place / 2).map(f64::from);
                    let radius = (block[0] + (block[1] + 0.5) / two) / two;
                    pair(radius, (block[2] + block[3] / two) / two)
                };
                let expected = both[(place % 2) as usize];
                // Of the radius r, r^2 = -2 log u is known to the last place of u.
                let tolerance = off * (1.0 + r) + last / r;
                assert!((found - expected).abs() < tolerance, "seed {seed}, place {place}: {found}, {expected}");
            }
        }
    }
}

#[test]
fn integers_and_permutations_are_the_words_of_their_places() {
    for (seed, row) in SEEDS.into_iter().flat_map(|seed| ROWS.map(|row| (seed, row))) {
        for high in [1, 2, 3, 60_000, i64::MAX] {
            let found = integers(seed, row, high, &[200, 3], CPU).unwrap();
            for (i, found) in Vec::<i64>::try_from(found.view([-1])).unwrap().into_iter().enumerate() {
                let place = row * 3 + i as u64;
                let (block, half) = (words(seed, place / 2), 2 * (place % 2) as usize);
                let bits = (u64::from(block[half]) << 32) | u64::from(block[half + 1]);
                assert_eq!(found, ((u128::from(bits) * high as u128) >> 64) as i64);
            }
        }
    }
    assert!(integers(0, 0, 0, &[3], CPU).is_err());
    let mut expected: Vec<i64> = (0..1000).collect();
    for i in 0..999 {
        let (block, half) = (words(9, i / 2), 2 * (i % 2) as usize);
        let bits = (u64::from(block[half]) << 32) | u64::from(block[half + 1]);
        expected.swap(i as usize, i as usize + ((u128::from(bits) * u128::from(1000 - i)) >> 64) as usize);
    }
    assert_eq!(Vec::<i64>::try_from(permutation(9, 1000, CPU).unwrap()).unwrap(), expected);
    assert_eq!(permutation(9, 0, CPU).unwrap().size(), [0]);
    assert_eq!(permutation(9, 1, CPU).unwrap(), Tensor::from_slice(&[0i64]));
}

/// Bits, so that no number is near another by chance: 128 of each draw, over a million seeds in pairs that agree in their
/// lower 32 bits.
#[test]
fn seeds_of_64_bits_draw_other_numbers() {
    let mut seen = HashSet::new();
    for seed in 0..1_000_000u64 {
        assert!(seen.insert(words(seed << 32 | 7, 0)), "seed {seed}");
    }
    let (a, b) =
        (normal(7, 0, &[4], Kind::Float, CPU).unwrap(), normal(1 << 32 | 7, 0, &[4], Kind::Float, CPU).unwrap());
    assert_ne!(a, b);
}

#[test]
fn the_first_rows_are_those_of_any_longer_draw() {
    for kind in [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16] {
        for event in [&[][..], &[1], &[2], &[7], &[3, 5]] {
            let draw = |row: u64, n: i64| {
                let shape = [&[n], event].concat();
                [normal(3, row, &shape, kind, CPU).unwrap(), uniform(3, row, &shape, kind, CPU).unwrap()]
            };
            let long = draw(0, 1000);
            for n in [0, 1, 2, 7, 100, 999] {
                let short = draw(0, n);
                assert!(short.iter().zip(&long).all(|(short, long)| *short == long.narrow(0, 0, n)), "{kind:?} {n}");
                let rest = draw(n as u64, 1000 - n);
                assert!(rest.iter().zip(&long).all(|(rest, long)| *rest == long.narrow(0, n, 1000 - n)));
            }
        }
    }
}

#[test]
fn moments_tails_and_ranges_are_those_of_the_laws() {
    let n = 1_000_000;
    for kind in [Kind::Float, Kind::Double] {
        let x = normal(5, 0, &[n], kind, CPU).unwrap().to_kind(Kind::Double);
        for (power, expected) in [(1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)] {
            let moment = x.pow_tensor_scalar(power).mean(Kind::Double).double_value(&[]);
            // Five standard errors: the variances of the powers are 1, 2, 15, 96.
            let error = 5.0 * ([1.0f64, 2.0, 15.0, 96.0][power as usize - 1] / n as f64).sqrt();
            assert!((moment - expected).abs() < error, "{kind:?}, moment {power}: {moment}");
        }
        // 1,000,000 * P(|x| > 4.5) = 6.8.
        let far = x.abs().gt(4.5).sum(Kind::Int64).int64_value(&[]);
        assert!((1..=20).contains(&far), "{far} beyond 4.5");
        // Neighbours are independent, within a pair and across.
        let along = (x.narrow(0, 0, n - 1) * x.narrow(0, 1, n - 1)).mean(Kind::Double).double_value(&[]);
        assert!(along.abs() < 5e-3, "{along}");
        let u = uniform(5, 0, &[n], kind, CPU).unwrap().to_kind(Kind::Double);
        assert!(u.min().double_value(&[]) >= 0.0 && u.max().double_value(&[]) < 1.0);
        assert!((u.mean(Kind::Double).double_value(&[]) - 0.5).abs() < 5.0 / (12.0 * n as f64).sqrt());
    }
    for kind in [Kind::Half, Kind::BFloat16] {
        let u = uniform(5, 0, &[100_000], kind, CPU).unwrap().to_kind(Kind::Double);
        assert!(u.max().double_value(&[]) < 1.0);
    }
    assert!(normal(0, 0, &[3], Kind::Int64, CPU).is_err());
    assert!(normal(0, 0, &[-3], Kind::Float, CPU).is_err());
}

/// What divides by 1 - t takes them. The last of many parts is no wider than the distance of two floats.
#[test]
fn stratified_numbers_are_below_one() {
    for seed in 0..100 {
        let found = strata(seed, 1 << 20, Kind::Float, CPU).unwrap();
        assert!(found.max().double_value(&[]) < 1.0, "seed {seed}");
    }
    for kind in [Kind::Half, Kind::BFloat16] {
        assert!(strata(0, 5000, kind, CPU).unwrap().max().double_value(&[]) < 1.0, "{kind:?}");
    }
}
