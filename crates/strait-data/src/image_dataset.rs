use crate::Splits;
use crate::array_dataset::StoredForm;
use crate::byte_images::LEVELS;
use crate::pictures::Skipped;
use crate::row_store::{RowStore, Stored};
use crate::{ArrayDataset, DataError, Image, Remarks, Scaling};
use std::sync::Arc;
use strait_core::{Seed, Split};
use strait_io::Element;
use tch::{Device, Kind, Tensor};

/// Images in a store of bytes, their split, and their classes.
#[derive(Debug)]
pub(crate) struct Images {
    pub(crate) name: String,
    pub(crate) image: Image,
    pub(crate) rows: Splits<Stored>,
    pub(crate) labels: Splits<Tensor>,
    pub(crate) skipped: Skipped,
}

impl Images {
    /// Level k of a byte becomes (k + u) / 256 with a fresh u uniform on [0, 1) each time that it is taken; one mean for
    /// each pixel and one scale for all.
    pub(crate) fn build(self, flips: bool, (kind, device): (Kind, Device)) -> Result<ArrayDataset, DataError> {
        let Self { name, image, rows, labels, skipped } = self;
        let bin = Tensor::f_full(image.shape(), 1.0 / LEVELS, (Kind::Double, Device::Cpu))?;
        let element = if kind == Kind::Double { Element::F64 } else { Element::F32 };
        let form = StoredForm { element, bin: Some(bin), flips };
        let data = ArrayDataset::stored(&name, &rows, form, Scaling::Overall, (kind, device))?;
        Ok(data.with_labels(&labels)?.with_image(image)?.with_remarks(Remarks { skipped, ..Remarks::default() }))
    }
}

/// Rows `0..n`, of which a share is held out for validation, the same in every run of one seed. Both lists in the order of
/// the draw.
pub(crate) fn hold_out(n: i64, held_out: i64, seed: Seed, of: &str) -> Result<(Vec<i64>, Vec<i64>), DataError> {
    let order = Vec::<i64>::try_from(seed.stream(&format!("split of {of}")).at(0).permutation(n, Device::Cpu)?)?;
    let (validation, train) = order.split_at(held_out as usize);
    Ok((train.to_vec(), validation.to_vec()))
}

/// The values at some places.
pub(crate) fn at(values: &[i64], places: &[i64]) -> Tensor {
    Tensor::from_slice(&places.iter().map(|&place| values[place as usize]).collect::<Vec<_>>())
}

/// Training images of which some are held out for validation, and test images, each a store with the classes of its rows.
pub(crate) fn of_two(
    name: &str,
    image: Image,
    [(train, classes), (test, test_classes)]: [(Arc<dyn RowStore>, Vec<i64>); 2],
    held_out: i64,
    seed: Seed,
) -> Result<Images, DataError> {
    let n = classes.len() as i64;
    if n < 2 {
        return Err(DataError::TooFewRows { array: Split::Train.name().into(), rows: n, needed: 2 });
    }
    let (known, validation) = hold_out(n, held_out.clamp(1, n / 2), seed, name)?;
    let all: Vec<i64> = (0..test_classes.len() as i64).collect();
    let unit = 1.0 / LEVELS;
    let labels =
        Splits { train: at(&classes, &known), validation: at(&classes, &validation), test: at(&test_classes, &all) };
    let counts = format!(
        "{name} ({}x{}x{} in 256 levels, dequantised; {} train, {} validation, {} test)",
        image.channels,
        image.height,
        image.width,
        known.len(),
        validation.len(),
        all.len()
    );
    let rows = Splits {
        train: Stored::new(train.clone(), &known, unit),
        validation: Stored::new(train, &validation, unit),
        test: Stored::new(test, &all, unit),
    };
    Ok(Images { name: counts, image, rows, labels, skipped: Skipped::default() })
}
