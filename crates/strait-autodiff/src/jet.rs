//! Taylor mode: a tensor with its first two derivatives along one scalar, usually t.
//!
//! For a function of the operations below, a jet has three advantages over a JVP. It is cheaper, because there is no
//! dual level to enter or leave and one pass gives all orders. It has the second derivative, which libtorch's single
//! forward level cannot give. All of it can be differentiated in reverse mode.

use std::convert::Infallible;
use tch::Tensor;

/// How many derivatives a jet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// The value alone.
    Value,
    /// Value and first derivative.
    First,
    /// Value, first and second derivative.
    Second,
}

/// A tensor with its derivatives along one scalar. A derivative that is absent is zero.
///
/// A combination of several jets has the lowest of their orders; a constant fits any order.
///
/// ```
/// use strait_autodiff::{Jet, Order};
/// use tch::Tensor;
/// let t = Jet::variable(&Tensor::from_slice(&[0.5f64]), Order::Second);
/// let y = t.times(&t).sin(); // sin(t^2)
/// let exact = 2.0 * 0.25f64.cos() - 4.0 * 0.25 * 0.25f64.sin();
/// assert!((y.second().double_value(&[0]) - exact).abs() < 1e-12);
/// ```
#[derive(Debug)]
pub struct Jet {
    /// None of a constant, all derivatives of which are known.
    order: Option<Order>,
    value: Tensor,
    first: Option<Tensor>,
    second: Option<Tensor>,
}

/// The order of what is made of two.
fn lower(a: Option<Order>, b: Option<Order>) -> Option<Order> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn add(a: Option<Tensor>, b: Option<Tensor>) -> Option<Tensor> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

fn product(a: Option<&Tensor>, b: Option<&Tensor>) -> Option<Tensor> {
    Some(a? * b?)
}

fn copy(d: Option<&Tensor>) -> Option<Tensor> {
    d.map(Tensor::shallow_clone)
}

/// A derivative of the shape of its value: views, which are taken of both, must mean the same of both.
fn spread(d: Option<Tensor>, value: &Tensor) -> Option<Tensor> {
    d.map(|d| if d.size() == value.size() { d } else { d.expand_as(value) })
}

impl Jet {
    /// A constant.
    pub fn constant(value: &Tensor) -> Self {
        Self { order: None, value: value.shallow_clone(), first: None, second: None }
    }

    /// The scalar itself: its first derivative is 1.
    pub fn variable(t: &Tensor, order: Order) -> Self {
        let first = (order >= Order::First).then(|| t.ones_like());
        Self { order: Some(order), value: t.shallow_clone(), first, second: None }
    }

    /// A value with a given first derivative, and a second one where the order asks for it.
    ///
    /// # Panics
    /// Where a derivative cannot be broadcast to the shape of the value.
    pub fn with_derivatives(value: Tensor, first: Tensor, second: Option<Tensor>) -> Self {
        let order = if second.is_some() { Order::Second } else { Order::First };
        Self { order: Some(order), first: spread(Some(first), &value), second: spread(second, &value), value }
    }

    /// Of an order, with the derivatives that are not zero, each of the shape of the value.
    pub fn of(order: Order, value: Tensor, first: Option<Tensor>, second: Option<Tensor>) -> Self {
        Self { order: Some(order), value, first, second }
    }

    /// A value that was made of some jets, without derivatives: a constant where they all are.
    pub fn value_of<'a>(parts: impl IntoIterator<Item = &'a Self>, value: Tensor) -> Self {
        let order = parts.into_iter().any(|part| part.order.is_some()).then_some(Order::Value);
        Self { order, value, first: None, second: None }
    }

    /// Without the derivatives that its order has not.
    fn cut(self) -> Self {
        let known = |order: Order, d: Option<Tensor>| d.filter(|_| self.order.is_none_or(|own| own >= order));
        Self { first: known(Order::First, self.first), second: known(Order::Second, self.second), ..self }
    }

    /// The value, and the derivatives up to the last that is not zero: one to three tensors.
    pub fn present(&self) -> Vec<&Tensor> {
        [Some(&self.value), self.first.as_ref(), self.second.as_ref()].into_iter().flatten().collect()
    }

    /// The value, and the derivatives up to an order and to the last that is not zero, all of the shape of the value.
    pub fn up_to(&self, order: Order) -> Vec<Tensor> {
        self.present().into_iter().take(1 + order as usize).map(|d| d.expand_as(&self.value)).collect()
    }

    /// How many derivatives it carries: of a constant none, as there is nothing to carry.
    pub fn order(&self) -> Order {
        self.order.unwrap_or(Order::Value)
    }

    /// The order of a combination of these: the lowest order of those that are not constant.
    ///
    /// ```
    /// use strait_autodiff::{Jet, Order};
    /// use tch::Tensor;
    /// let x = Tensor::from_slice(&[0.5f64]);
    /// let (still, once, twice) = (Jet::constant(&x), Jet::variable(&x, Order::First), Jet::variable(&x, Order::Second));
    /// assert_eq!(Jet::order_of([&twice, &still]), Order::Second);
    /// assert_eq!(Jet::order_of([&twice, &still, &once]), Order::First);
    /// ```
    pub fn order_of<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Order {
        parts.into_iter().fold(None, |order, part| lower(order, part.order)).unwrap_or(Order::Value)
    }

    /// The value.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// The first derivative, of the shape of the value.
    pub fn first(&self) -> Tensor {
        self.derivative(self.first.as_ref())
    }

    /// The second derivative, of the shape of the value.
    pub fn second(&self) -> Tensor {
        self.derivative(self.second.as_ref())
    }

    fn derivative(&self, d: Option<&Tensor>) -> Tensor {
        spread(copy(d), &self.value).unwrap_or_else(|| self.value.zeros_like())
    }

    /// An affine map (or a view): `f` of the value, its linear part `df` of each derivative.
    #[must_use]
    pub fn map(&self, f: impl Fn(&Tensor) -> Tensor, df: impl Fn(&Tensor) -> Tensor) -> Self {
        let Ok(image) = self.try_map(|x| Ok::<_, Infallible>(f(x)), |d| Ok(df(d)));
        image
    }

    /// As [`map`](Self::map), of what may fail.
    ///
    /// # Errors
    /// The first of `f` and `df`.
    pub fn try_map<E>(
        &self,
        f: impl Fn(&Tensor) -> Result<Tensor, E>,
        df: impl Fn(&Tensor) -> Result<Tensor, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            order: self.order,
            value: f(&self.value)?,
            first: self.first.as_ref().map(&df).transpose()?,
            second: self.second.as_ref().map(&df).transpose()?,
        })
    }

    /// The same view of the value and of each derivative.
    #[must_use]
    pub fn view(&self, f: impl Fn(&Tensor) -> Tensor) -> Self {
        self.map(&f, &f)
    }

    /// A linear map to two tensors at once, such as a split.
    #[must_use]
    pub fn unzip(&self, f: impl Fn(&Tensor) -> (Tensor, Tensor)) -> (Self, Self) {
        let pair = |x: Option<&Tensor>| x.map(&f).unzip();
        let ((value, other), (first, other_first), (second, other_second)) =
            (f(&self.value), pair(self.first.as_ref()), pair(self.second.as_ref()));
        let order = self.order;
        (Self { order, value, first, second }, Self { order, value: other, first: other_first, second: other_second })
    }

    /// A linear map of two tensors to one, such as a concatenation.
    #[must_use]
    pub fn zip(&self, other: &Self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Self {
        let both = |a: Option<&Tensor>, b: Option<&Tensor>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(f(&self.derivative(a), &other.derivative(b))),
        };
        Self {
            order: lower(self.order, other.order),
            value: f(&self.value, &other.value),
            first: both(self.first.as_ref(), other.first.as_ref()),
            second: both(self.second.as_ref(), other.second.as_ref()),
        }
        .cut()
    }

    /// The product with a number.
    #[must_use]
    pub fn scale(&self, factor: f64) -> Self {
        self.view(|x| x * factor)
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let value = &self.value + &other.value;
        let sum = |a: Option<&Tensor>, b: Option<&Tensor>| spread(add(copy(a), copy(b)), &value);
        let first = sum(self.first.as_ref(), other.first.as_ref());
        let second = sum(self.second.as_ref(), other.second.as_ref());
        Self { order: lower(self.order, other.order), first, second, value }.cut()
    }

    /// The difference.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let value = &self.value - &other.value;
        let less = |a: Option<&Tensor>, b: Option<&Tensor>| match (a, b) {
            (Some(a), Some(b)) => Some(a - b),
            (None, Some(b)) => Some(-b),
            (a, None) => copy(a),
        };
        let first = spread(less(self.first.as_ref(), other.first.as_ref()), &value);
        let second = spread(less(self.second.as_ref(), other.second.as_ref()), &value);
        Self { order: lower(self.order, other.order), first, second, value }.cut()
    }

    /// The product, broadcast: $(ab)'' = a''b + 2a'b' + ab''$.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        self.bilinear(other, |a, b| a * b)
    }

    /// Any bilinear map, by the same rule: a matrix product, for one.
    #[must_use]
    pub fn bilinear(&self, other: &Self, f: impl Fn(&Tensor, &Tensor) -> Tensor) -> Self {
        let order = lower(self.order, other.order);
        let apply = |a: Option<&Tensor>, b: Option<&Tensor>| Some(f(a?, b?));
        let (a, b) = (Some(&self.value), Some(&other.value));
        let (da, db) = (self.first.as_ref(), other.first.as_ref());
        let second = || {
            let cross = apply(da, db).map(|c| c * 2.0);
            add(add(apply(self.second.as_ref(), b), cross), apply(a, other.second.as_ref()))
        };
        Self {
            order,
            value: f(&self.value, &other.value),
            first: add(apply(da, b), apply(a, db)),
            second: if order == Some(Order::Second) { second() } else { None },
        }
        .cut()
    }

    /// The quotient $q = a / b$, broadcast: $q' = (a' - q b') / b$ and $q'' = (a'' - 2 q' b' - q b'') / b$.
    ///
    /// ```
    /// use strait_autodiff::{Jet, Order};
    /// use tch::Tensor;
    /// let t = Jet::variable(&Tensor::from_slice(&[2.0f64]), Order::Second);
    /// let y = t.over(&t.times(&t)); // 1 / t
    /// assert_eq!((y.value().double_value(&[0]), y.first().double_value(&[0])), (0.5, -0.25));
    /// assert_eq!(y.second().double_value(&[0]), 0.25);
    /// ```
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        let order = lower(self.order, other.order);
        let (q, b) = (&self.value / &other.value, &other.value);
        let less = |a: Option<Tensor>, c: Option<Tensor>| add(a, c.map(|c| -c));
        let db = other.first.as_ref();
        let first = less(copy(self.first.as_ref()), product(Some(&q), db)).map(|rest| rest / b);
        let second = || {
            let turn = add(product(first.as_ref(), db).map(|x| x * 2.0), product(Some(&q), other.second.as_ref()));
            less(copy(self.second.as_ref()), turn).map(|rest| rest / b)
        };
        let second = if order == Some(Order::Second) { second() } else { None };
        Self { order, first: spread(first, &q), second: spread(second, &q), value: q }.cut()
    }

    /// $f(a)$ for a function applied entry by entry, given $f$, $f'$ and $f''$ at the value:
    /// $f(a)'' = f''(a) a'^2 + f'(a) a''$.
    ///
    /// `ddf` is given $f'$.
    #[must_use]
    pub fn compose(&self, f: Tensor, df: impl FnOnce() -> Tensor, ddf: impl FnOnce(&Tensor) -> Tensor) -> Self {
        let Some(da) = &self.first else { return Self { order: self.order, value: f, first: None, second: None } };
        let slope = df();
        let second = (self.order == Some(Order::Second))
            .then(|| add(Some(ddf(&slope) * da.square()), product(Some(&slope), self.second.as_ref())));
        Self { order: self.order, value: f, first: Some(slope * da), second: second.flatten() }
    }

    /// The square root, of something positive.
    #[must_use]
    pub fn sqrt(&self) -> Self {
        let f = self.value.sqrt();
        self.compose(f.shallow_clone(), || 0.5 / &f, |slope| slope / &self.value * -0.5)
    }

    /// The exponential.
    #[must_use]
    pub fn exp(&self) -> Self {
        let f = self.value.exp();
        self.compose(f.shallow_clone(), || f.shallow_clone(), Tensor::shallow_clone)
    }

    /// $e^a - 1$, to its own last places also near 0.
    #[must_use]
    pub fn exp_m1(&self) -> Self {
        let f = self.value.expm1();
        self.compose(f.shallow_clone(), || &f + 1.0, Tensor::shallow_clone)
    }

    /// The sine.
    #[must_use]
    pub fn sin(&self) -> Self {
        let f = self.value.sin();
        self.compose(f.shallow_clone(), || self.value.cos(), |_| f.neg())
    }

    /// The cosine.
    #[must_use]
    pub fn cos(&self) -> Self {
        let f = self.value.cos();
        self.compose(f.shallow_clone(), || self.value.sin().neg(), |_| f.neg())
    }

    /// The hyperbolic tangent.
    #[must_use]
    pub fn tanh(&self) -> Self {
        let f = self.value.tanh();
        self.compose(f.shallow_clone(), || 1.0 - f.square(), |slope| &f * slope * -2.0)
    }

    /// $a \sigma(a)$ with the logistic $\sigma$.
    #[must_use]
    pub fn silu(&self) -> Self {
        let (a, f) = (&self.value, self.value.silu());
        let s = a.sigmoid();
        self.compose(
            f.shallow_clone(),
            || &s + &f * (1.0 - &s),
            // f'' = s (1 - s) (2 + a (1 - 2 s)), written with f' = s + f (1 - s)
            |slope| (1.0 - &s) * (slope + &s - &f * &s),
        )
    }
}
