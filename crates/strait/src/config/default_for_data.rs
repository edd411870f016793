//! The default config for a user's own data: its sizes follow from the dimension and the number of samples.

use super::{
    CompareConfig, Config, CouplingConfig, DataConfig, EvaluateConfig, InterpolantConfig, LevelConfig, LogConfig,
    MlpConfig, ObjectiveConfig, PhaseConfig, RanksConfig, SourceConfig, VERSION, VelocityConfig,
};
use strait_optim::{Decay, LevelName, Spans, Times};

/// Up to this dimension pairs are those of optimal transport; above it, optimal pairs are hardly nearer than
/// random ones.
const PAIRED: i64 = 32;
/// Pairs of the pool, and how many are assigned at once: nearer to optimal transport than pairs of a batch, and cheaper in all.
const POOL: (i64, i64) = (1 << 18, 1024);
/// A file is split at most to this share of its rows for training.
const TRAINED: f64 = 0.7;

/// A flow map by MeanFlow on the linear path, for `rows` samples of `d` numbers each: between the pairs of a pool in few
/// dimensions, a quarter of a batch off the diagonal; in many between independent ones, three quarters off it.
pub fn default_for_data(data: DataConfig, d: i64, rows: i64) -> Config {
    let few = d <= PAIRED;
    let (width, rate) = match d {
        ..=16 => (128, 2e-3),
        17..=256 => (256, 1e-3),
        _ => (512, 5e-4),
    };
    let trained = (rows as f64 * TRAINED) as i64;
    let batch = trained.clamp(2, 256);
    let pool = CouplingConfig::Pool { pairs: POOL.0, batch: trained.clamp(2, POOL.1) };
    let level = LevelConfig {
        level: LevelName::Velocity,
        objective: ObjectiveConfig::MeanFlow { power: 0.0, epsilon: 1e-3 },
        plus: vec![],
        steps: 1,
        batch,
        parts: 1,
        times: Times::Uniform,
        spans: Spans { off_diagonal: if few { 0.25 } else { 0.75 }, from_start: 0.0 },
        noise: 0.0,
        condition_drop: 0.0,
        rate,
        warm_up: 100,
        decay: Decay::Cosine,
        betas: (0.9, 0.999),
        weight_decay: 0.0,
        clip: Some(1.0),
    };
    Config {
        version: VERSION,
        seed: 0,
        data,
        source: SourceConfig::Normal,
        coupling: if few { pool } else { CouplingConfig::Independent },
        interpolant: InterpolantConfig::Linear,
        velocity: VelocityConfig::Mlp(MlpConfig {
            hidden: vec![width; 3],
            activation: super::ActivationConfig::Silu,
            time_octaves: 0,
            map: true,
            ema_half_lives: vec![100.0, 1000.0],
        }),
        phase: vec![PhaseConfig { name: "map".into(), iterations: 10_000, fresh: vec![], level: vec![level] }],
        evaluate: EvaluateConfig::default(),
        compare: CompareConfig::default(),
        ranks: RanksConfig::default(),
        log: LogConfig::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_and_count_gets_a_config_that_holds() {
        for (d, rows) in [(1, 10), (2, 3), (2, 5000), (16, 300), (17, 300), (784, 60_000), (100_000, 50)] {
            let data = DataConfig { file: Some("x.npz".into()), ..DataConfig::default() };
            let config = default_for_data(data, d, rows);
            config.check().unwrap();
            assert!(config.is_flow_map() && config.default_solver() == "map");
            assert!(config.phase[0].level[0].batch <= rows.max(2), "{d} {rows}");
        }
    }
    #[test]
    fn sizes_follow_the_dimension_and_the_number_of_rows() {
        for (d, rows, width, rate, batch, pool, off_diagonal) in [
            (1, 10, 128, 2e-3, 7, true, 0.25),
            (16, 300, 128, 2e-3, 210, true, 0.25),
            (17, 366, 256, 1e-3, 256, true, 0.25),
            (32, 5000, 256, 1e-3, 256, true, 0.25),
            (33, 5000, 256, 1e-3, 256, false, 0.75),
            (256, 2, 256, 1e-3, 2, false, 0.75),
            (257, 60_000, 512, 5e-4, 256, false, 0.75),
        ] {
            let config = default_for_data(DataConfig::default(), d, rows);
            let level = &config.phase[0].level[0];
            assert_eq!((level.rate, level.batch, level.spans.off_diagonal), (rate, batch, off_diagonal), "{d} {rows}");
            let at_once = if rows == 5000 { 1024 } else { batch.max(rows * 7 / 10) };
            let pairs = CouplingConfig::Pool { pairs: 1 << 18, batch: at_once };
            assert_eq!(config.coupling, if pool { pairs } else { CouplingConfig::Independent }, "{d} {rows}");
            let VelocityConfig::Mlp(mlp) = &config.velocity else { panic!("{:?}", config.velocity) };
            assert!(mlp.map && mlp.hidden == [width; 3], "{d} {rows}: {mlp:?}");
        }
    }
}
