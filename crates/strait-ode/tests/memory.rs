//! Memory does not grow with the number of steps. This test has its own process, since the peak is the process's.
#![cfg(target_os = "linux")]

use strait_core::{Error, VelocityField};
use strait_ode::{Method, Options, TimeGrid};
use tch::{Device, Kind, Tensor};

struct Decay;

impl VelocityField for Decay {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(-x)
    }
}

/// The most memory this process has held so far, in KiB.
fn peak() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn two_hundred_steps_need_no_more_than_five() {
    let x = Tensor::ones([1 << 16, 4], (Kind::Float, Device::Cpu)); // 1 MiB
    for method in [Method::Euler, Method::Heun, Method::Rk4] {
        let run = |steps| method.solve(&Decay, &x, &TimeGrid::uniform(steps).unwrap(), Options::default()).unwrap();
        run(5);
        let before = peak();
        run(200);
        let grown = peak() - before;
        assert!(grown < 32 << 10, "{method}: {grown} KiB more, where 195 states are {} KiB", 195 * 1024);
    }
}
