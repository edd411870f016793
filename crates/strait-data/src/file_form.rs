use crate::images::Layout;
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
    /// Of each coordinate: 1 where its whole numbers were dequantised, else 0.
    pub(crate) bin: Option<Tensor>,
}

impl FileForm {
    /// Another of the same.
    pub fn shallow_clone(&self) -> Self {
        let Self { element, layout, bin } = self;
        Self { element: *element, layout: *layout, bin: bin.as_ref().map(Tensor::shallow_clone) }
    }

    /// The type of the file's numbers.
    pub fn element(&self) -> Element {
        self.element
    }

    /// The kind in which put-back samples are held: double for doubles and wide integers, single for the rest.
    pub fn kind(&self) -> Kind {
        match self.element {
            Element::F64 | Element::I64 | Element::U64 | Element::I32 | Element::U32 => Kind::Double,
            _ => Kind::Float,
        }
    }

    /// Samples in the data's own units as the file would hold them: dequantised numbers rounded down to the whole ones that
    /// they came from, others of an integer type rounded, both kept within the type's range, and images in the file's order
    /// of axes.
    ///
    /// # Errors
    /// `Shape` where x does not fit.
    pub fn store(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = match &self.bin {
            Some(bin) => x.f_floor()?.f_where_self(&bin.f_to_device(x.device())?.f_gt(0.0)?, x)?,
            None => x.shallow_clone(),
        };
        let x = match self.element.range() {
            Some((low, high)) => x.f_round()?.f_clamp(low, high)?,
            None => x,
        };
        self.layout.store(&x)
    }
}
