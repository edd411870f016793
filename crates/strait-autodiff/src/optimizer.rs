//! Fused optimizer kernels. Their state is plain tensors that the caller owns.

use crate::{AutodiffError, ffi};
use std::ptr;
use tch::{Kind, Tensor};

/// Hyper-parameters of one AdamW step (Loshchilov and Hutter, arXiv 1711.05101).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate $\eta$.
    pub lr: f64,
    /// Decay rates $(\beta_1, \beta_2)$ of the moments.
    pub betas: (f64, f64),
    /// Decoupled weight decay $\lambda$.
    pub weight_decay: f64,
    /// $\epsilon$ in the denominator.
    pub eps: f64,
}

/// The state of AdamW for a list of parameters: both moments, and the count of steps taken.
#[derive(Debug)]
pub struct AdamWState {
    /// First moments $m$, one for each parameter.
    pub exp_avg: Vec<Tensor>,
    /// Second moments $v$, one for each parameter.
    pub exp_avg_sq: Vec<Tensor>,
    /// Steps taken, a float scalar on the parameters' device.
    pub step: Tensor,
}

impl AdamWState {
    /// Zero moments for `params`.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn new(params: &[Tensor]) -> Result<Self, AutodiffError> {
        let zeros =
            || params.iter().map(|p| Ok(p.f_detach()?.f_zeros_like()?)).collect::<Result<Vec<_>, AutodiffError>>();
        let device = params.first().map_or(tch::Device::Cpu, Tensor::device);
        Ok(Self {
            exp_avg: zeros()?,
            exp_avg_sq: zeros()?,
            step: Tensor::f_zeros([] as [i64; 0], (Kind::Float, device))?,
        })
    }
}

/// The total gradient norm and what clips it, left on the device: nothing here waits for it.
#[derive(Debug)]
pub struct Clip {
    /// $\lVert g \rVert_2$ over all gradients, before clipping; a scalar.
    pub norm: Tensor,
    /// What gradients are divided by: $\max(1, \lVert g \rVert / c)$.
    pub divisor: Tensor,
    /// 1 where the step is skipped, else 0: where the norm is not finite, or is above $10^{18}$ after clipping, whose square
    /// a second moment in single precision could not hold.
    pub found_inf: Tensor,
}

/// Measures gradients against a maximal norm $c$ (infinity: measure only).
///
/// # Errors
/// libtorch's, when the list is empty.
pub fn clip(grads: &[Tensor], max_norm: f64) -> Result<Clip, AutodiffError> {
    let g = ffi::handles(grads);
    let (mut norm, mut divisor, mut found_inf) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
    // SAFETY: `g` holds live tensors; of the results the first is written on success, the others where it is on the CPU.
    ffi::check(unsafe {
        ffi::strait_clip(g.as_ptr(), g.len(), max_norm, &raw mut norm, &raw mut divisor, &raw mut found_inf)
    })?;
    // SAFETY: on success each that is not null is a fresh tensor that nothing else owns.
    let (norm, rest) = unsafe { (ffi::own(norm), ffi::own_each([divisor, found_inf])) };
    if let [Some(divisor), Some(found_inf)] = rest {
        return Ok(Clip { norm, divisor, found_inf });
    }
    // On another device both norms are computed, which waits for nothing.
    let ordinary = norm.f_ge(LEAST)?.f_logical_and(&norm.f_lt(MOST)?)?;
    let norm = norm.f_where_self(&ordinary, &wide_norm(grads)?.f_to_kind(norm.kind())?)?;
    let divisor = norm.f_div_scalar(max_norm)?.f_clamp_min(1.0)?.f_to_kind(Kind::Float)?;
    let found_inf = norm.f_div(&divisor)?.f_lt(MOST)?.f_logical_not()?.f_to_kind(Kind::Float)?;
    Ok(Clip { norm, divisor, found_inf })
}

/// Between these no norm in single precision has lost anything to squares that overflow or vanish.
const LEAST: f64 = 1e-15;
const MOST: f64 = 1e18;

/// The norm with squares in double precision.
fn wide_norm(grads: &[Tensor]) -> Result<Tensor, AutodiffError> {
    let each = grads.iter().map(|g| Ok(g.f_detach()?.f_to_kind(Kind::Double)?.f_norm()?));
    Ok(Tensor::f_stack(&each.collect::<Result<Vec<_>, AutodiffError>>()?, 0)?.f_norm()?)
}

impl AdamW {
    /// One fused step over all parameters:
    ///
    /// $$ m \leftarrow \beta_1 m + (1-\beta_1) g,\quad v \leftarrow \beta_2 v + (1-\beta_2) g^2,\quad
    ///    p \leftarrow p - \eta\lambda p - \eta \frac{m / (1-\beta_1^k)}{\sqrt{v / (1-\beta_2^k)} + \epsilon} $$
    ///
    /// with $g$ divided by the clip's divisor. Under a clip a step whose gradients are not finite changes neither
    /// parameters nor moments, and gradients are used up: on a device other than the CPU each is overwritten with what it was
    /// divided to. Without one gradients are taken as they are, finite or not. On the CPU a step is the same to the bit on
    /// every processor.
    ///
    /// # Errors
    /// `Count` when the lists differ in length, `Shape` where a tensor does not have the shape of its parameter,
    /// `Strides` where a parameter overlaps itself or leaves gaps in memory, or a moment does not lie as its parameter
    /// does; libtorch's where kinds or devices do not fit.
    ///
    /// ```
    /// use strait_autodiff::{AdamW, AdamWState};
    /// use tch::Tensor;
    /// let p = [Tensor::from_slice(&[1.0f32])];
    /// let mut state = AdamWState::new(&p)?;
    /// let adam = AdamW { lr: 0.1, betas: (0.9, 0.999), weight_decay: 0.0, eps: 1e-8 };
    /// adam.step(&p, &[Tensor::from_slice(&[3.0f32])], &mut state, None)?;
    /// assert!((p[0].double_value(&[0]) - 0.9).abs() < 1e-6); // the first step has length lr
    /// # Ok::<(), strait_autodiff::AutodiffError>(())
    /// ```
    pub fn step(
        &self,
        params: &[Tensor],
        grads: &[Tensor],
        state: &mut AdamWState,
        clip: Option<&Clip>,
    ) -> Result<(), AutodiffError> {
        same_count("parameters against gradients", params.len(), grads.len())?;
        same_count("parameters against moments", params.len(), state.exp_avg.len())?;
        same_count("parameters against second moments", params.len(), state.exp_avg_sq.len())?;
        let (p, g) = (ffi::handles(params), ffi::handles(grads));
        let (m, v) = (ffi::handles(&state.exp_avg), ffi::handles(&state.exp_avg_sq));
        let mut fits = false;
        // SAFETY: four arrays of the same checked length of live tensors; one bool is written.
        ffi::check(unsafe {
            ffi::strait_fits(p.as_ptr(), g.as_ptr(), m.as_ptr(), v.as_ptr(), p.len(), &raw mut fits)
        })?;
        if !fits {
            // The kernel walks memory as far as a parameter goes, and never looks at strides but at those of gradients.
            same_shapes("gradient", params, grads)?;
            same_shapes("first moment", params, &state.exp_avg)?;
            same_shapes("second moment", params, &state.exp_avg_sq)?;
            fill_memory(params)?;
            lie_alike("first moment", params, &state.exp_avg)?;
            lie_alike("second moment", params, &state.exp_avg_sq)?;
        }
        let (divisor, found_inf) =
            clip.map_or((ptr::null_mut(), ptr::null_mut()), |c| (ffi::handle(&c.divisor), ffi::handle(&c.found_inf)));
        // SAFETY: four arrays of the same checked length of live tensors, of checked shapes; null stands for "no
        // clipping".
        ffi::check(unsafe {
            ffi::strait_adamw(
                p.as_ptr(),
                g.as_ptr(),
                m.as_ptr(),
                v.as_ptr(),
                p.len(),
                ffi::handle(&state.step),
                self.lr,
                self.betas.0,
                self.betas.1,
                self.weight_decay,
                self.eps,
                divisor,
                found_inf,
            )
        })
    }
}

/// Moves averages toward parameters, fused: $\bar p \leftarrow \bar p + w (p - \bar p)$.
///
/// # Errors
/// `Count` when the lists differ in length, libtorch's where shapes do not fit.
pub fn lerp(averages: &[Tensor], params: &[Tensor], weight: f64) -> Result<(), AutodiffError> {
    same_count("averages against parameters", averages.len(), params.len())?;
    let (a, p) = (ffi::handles(averages), ffi::handles(params));
    // SAFETY: two arrays of the same checked length of live tensors.
    ffi::check(unsafe { ffi::strait_lerp(a.as_ptr(), p.as_ptr(), a.len(), weight) })
}

fn same_count(what: &'static str, left: usize, right: usize) -> Result<(), AutodiffError> {
    if left == right { Ok(()) } else { Err(AutodiffError::Count { what, left, right }) }
}

fn same_shapes(what: &'static str, params: &[Tensor], tensors: &[Tensor]) -> Result<(), AutodiffError> {
    match params.iter().zip(tensors).position(|(p, x)| p.size() != x.size()) {
        None => Ok(()),
        Some(index) => {
            let (expected, found) = (params[index].size(), tensors[index].size());
            Err(AutodiffError::Shape { what, index, expected, found })
        }
    }
}

/// Refuses a parameter whose entries are not side by side in memory, in whatever order of its axes.
fn fill_memory(params: &[Tensor]) -> Result<(), AutodiffError> {
    for (index, p) in params.iter().enumerate() {
        let mut axes = steps(p);
        axes.sort_unstable();
        let side_by_side = axes.iter().try_fold(1, |next, &(stride, n)| (stride == next).then_some(next * n));
        if side_by_side.is_none() {
            let mut expected = vec![1; p.dim()];
            for (i, n) in p.size().iter().enumerate().skip(1).rev() {
                expected[i - 1] = expected[i] * n;
            }
            return Err(AutodiffError::Strides { what: "parameter", index, expected, found: p.stride() });
        }
    }
    Ok(())
}

fn lie_alike(what: &'static str, params: &[Tensor], tensors: &[Tensor]) -> Result<(), AutodiffError> {
    match params.iter().zip(tensors).position(|(p, x)| steps(p) != steps(x)) {
        None => Ok(()),
        Some(index) => {
            let (expected, found) = (params[index].stride(), tensors[index].stride());
            Err(AutodiffError::Strides { what, index, expected, found })
        }
    }
}

/// Stride and length of each axis along which there is a step to take.
fn steps(x: &Tensor) -> Vec<(i64, i64)> {
    let size = x.size();
    if size.contains(&0) {
        return vec![];
    }
    x.stride().into_iter().zip(size).filter(|&(_, n)| n > 1).collect()
}
