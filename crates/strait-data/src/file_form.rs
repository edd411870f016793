//! How samples are written back in the form of the file that their data came from: element type, layout and whole numbers.

use crate::columns::Look;
use crate::image_layout::Layout;
use crate::normalise::move_to;
use strait_core::Error;
use strait_io::Element;
use tch::{Kind, Tensor};

/// How a data set's file holds its samples, so that new ones can be written as it does.
///
/// ```no_run
/// use strait_core::{Dataset, Seed, Split};
/// use strait_data::{FileOptions, from_file};
/// use tch::{Device, Kind};
/// let data = from_file("mine.npz".as_ref(), &FileOptions::default(), Seed(0), Kind::Float, Device::Cpu)?;
/// let z = data.points(Split::Test, 100, &mut Seed(0).stream("points").at(0))?; // or samples of a flow
/// let x = data.form().store(&data.denormalise(&z)?)?;
/// strait_io::npz::write("samples.npz".as_ref(), &[("samples", &x, data.form().element())])?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileForm {
    pub(crate) element: Element,
    pub(crate) layout: Layout,
    /// Which coordinates hold multiples of a number, where any does.
    pub(crate) grid: Option<Grid>,
}

/// What is farther from the mean than so many scales is no sample, but a model that failed.
const FARTHEST: f64 = 1e4;

/// Coordinates whose numbers are multiples of a bin, such as whole ones.
#[derive(Debug)]
pub(crate) struct Grid {
    /// Of each coordinate; 0: any number.
    pub(crate) bin: Tensor,
    /// The least and the greatest number of each coordinate, where they are known.
    pub(crate) range: Option<[Tensor; 2]>,
    /// Whether noise uniform on $[0, \text{bin})$ was added, so that a sample is rounded down and not to the nearest.
    pub(crate) dequantised: bool,
}

impl Grid {
    /// The columns of whole numbers that a look has found, if any. Pixels share one range, as they share one unit.
    pub(crate) fn of(look: &Look, dequantised: bool) -> Result<Option<Self>, Error> {
        let whole = || look.columns.iter().filter(|column| column.whole);
        if whole().next().is_none() {
            return Ok(None);
        }
        let (least, greatest) = whole()
            .fold((f64::MAX, f64::MIN), |(low, high), column| (low.min(column.least), high.max(column.greatest)));
        let table = look.event.len() == 1;
        let of = |value: &dyn Fn(&crate::columns::Column) -> f64| -> Result<Tensor, Error> {
            let values: Vec<f64> = look.columns.iter().map(value).collect();
            Ok(Tensor::f_from_slice(&values)?.f_view(&look.event[..])?)
        };
        let bin = of(&|column| f64::from(u8::from(column.whole)))?;
        let range = [
            of(&|column| if table { column.least } else { least })?,
            of(&|column| if table { column.greatest } else { greatest })?,
        ];
        Ok(Some(Self { bin, range: Some(range), dequantised }))
    }

    fn shallow_clone(&self) -> Self {
        let Self { bin, range, dequantised } = self;
        let range = range.as_ref().map(|ends| ends.each_ref().map(Tensor::shallow_clone));
        Self { bin: bin.shallow_clone(), range, dequantised: *dequantised }
    }

    /// Samples (B, ...) at the multiples that they stand for, within the range.
    fn put_back(&self, x: &Tensor) -> Result<Tensor, Error> {
        let place = |tensor: &Tensor| move_to(tensor, x.kind(), x.device());
        let bin = place(&self.bin)?;
        let on = bin.f_gt(0.0)?;
        let step = bin.f_where_self(&on, &bin.f_ones_like()?)?;
        let count = x.f_div(&step)?;
        let count = if self.dequantised { count.f_floor()? } else { count.f_round()? };
        let mut value = count.f_mul(&step)?;
        if let Some([least, greatest]) = &self.range {
            value = value.f_clamp_tensor(Some(&place(least)?), Some(&place(greatest)?))?;
        }
        Ok(value.f_where_self(&on, x)?)
    }
}

impl FileForm {
    /// Another of the same.
    pub fn shallow_clone(&self) -> Self {
        let Self { element, layout, grid } = self;
        Self { element: *element, layout: *layout, grid: grid.as_ref().map(Grid::shallow_clone) }
    }

    /// The type of the file's numbers.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Whether columns hold whole numbers that were not dequantised.
    pub fn has_whole(&self) -> bool {
        self.grid.as_ref().is_some_and(|grid| !grid.dequantised)
    }

    /// The kind in which put-back samples are held: double for doubles and wide integers, single for the rest.
    pub fn kind(&self) -> Kind {
        match self.element {
            Element::F64 | Element::I64 | Element::U64 | Element::I32 | Element::U32 => Kind::Double,
            _ => Kind::Float,
        }
    }

    /// Samples x in the data's own units, which are z in units of the training, with those beyond the largest number of the file's
    /// type at that number: a law whose data come near it has samples beyond. What no law of the data has is infinite.
    pub(crate) fn within_type(&self, x: Tensor, z: &Tensor) -> Result<Tensor, Error> {
        let Some(largest) = self.element.largest().filter(|_| x.numel() > 0) else { return Ok(x) };
        let size = x.f_abs()?;
        if size.f_max()?.f_double_value(&[])? <= largest {
            return Ok(x);
        }
        let held = z.f_abs()?.f_le(FARTHEST)?.f_logical_or(&size.f_le(largest)?)?;
        Ok(x.f_clamp(-largest, largest)?.f_where_self(&held, &(x.f_sign()? * f64::INFINITY))?)
    }

    /// Samples in the data's own units as the file would hold them: columns of whole numbers as whole numbers, whatever their
    /// type (rounded down where they were dequantised, else to the nearest) and within the range that the training points
    /// have; numbers of an integer type within that of the type; and images in the file's order of axes.
    ///
    /// # Errors
    /// `Shape` where x does not fit.
    pub fn store(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = match &self.grid {
            Some(grid) => grid.put_back(x)?,
            None => x.shallow_clone(),
        };
        let x = match self.element.range() {
            Some((low, high)) => x.f_round()?.f_clamp(low, high)?,
            None => x,
        };
        self.layout.store(&x)
    }
}
