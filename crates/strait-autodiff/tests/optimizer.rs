//! The fused kernels against their equations.

use strait_autodiff::{AdamW, AdamWState, AutodiffError};
use tch::{Kind, Tensor};

/// Autograd returns the gradient of a convolution's weights in the layout of its input.
#[test]
fn a_step_does_not_depend_on_how_a_gradient_lies_in_memory() -> Result<(), AutodiffError> {
    tch::manual_seed(0);
    let options = (Kind::Double, tch::Device::Cpu);
    let start = Tensor::randn([4, 3, 3, 3], options);
    let adam = AdamW { lr: 0.1, betas: (0.9, 0.99), weight_decay: 0.01, eps: 1e-8 };
    let run = |lay: fn(&Tensor) -> Tensor| {
        tch::manual_seed(1);
        let p = [start.copy()];
        let mut state = AdamWState::new(&p)?;
        for _ in 0..3 {
            adam.step(&p, &[lay(&Tensor::randn([4, 3, 3, 3], options))], &mut state, None)?;
        }
        let [p] = p;
        Ok::<_, AutodiffError>(p)
    };
    let plain = run(Tensor::shallow_clone)?;
    let channels_last = run(|g| g.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]))?;
    assert_eq!(plain, channels_last);
    assert_ne!(plain, start);
    Ok(())
}
