use super::FeatureMap;
use std::path::Path;
use strait_core::Error;
use tch::{CModule, Device, IValue, Tensor, no_grad};

/// Samples at a time.
const PART: i64 = 64;

/// A network of one's own as a [`FeatureMap`], a `TorchScript` file: its `forward` takes images (n, 3, H, W) of numbers from 0 to
/// 255, and gives features (n, f). A network that wants another size or scale does that within.
///
/// Of images within $[0, 1]$ of one channel or three; one channel stands for all three. It runs on the CPU, in single precision.
/// Only with the Inception network of Heusel et al. (arXiv 1706.08500) is the Frechet distance in its features the one called
/// FID.
#[derive(Debug)]
pub struct TorchScript {
    name: String,
    module: CModule,
}

impl TorchScript {
    /// From a file, under a name.
    ///
    /// # Errors
    /// Those of libtorch, within `Other`, where the file is not there or is no `TorchScript`.
    ///
    /// ```
    /// let error = strait_metrics::features::TorchScript::load("inception", "nowhere.pt".as_ref()).unwrap_err();
    /// assert!(error.to_string().contains("nowhere.pt"));
    /// ```
    pub fn load(name: &str, path: &Path) -> Result<Self, Error> {
        // libtorch's own words are many lines, and do not always say which file.
        let unread = |why: &str| Error::other(std::io::Error::other(format!("{}: {why}", path.display())));
        std::fs::metadata(path).map_err(|error| unread(&error.to_string()))?;
        let mut module = CModule::load_on_device(path, Device::Cpu).map_err(|_| unread("it is no TorchScript file"))?;
        module.set_eval();
        Ok(Self { name: name.into(), module })
    }

    fn part(&self, x: &Tensor) -> Result<Tensor, Error> {
        let x = (x.to_kind(tch::Kind::Float) * 255.0).f_expand([-1, 3, -1, -1], false)?;
        match self.module.forward_is(&[IValue::Tensor(x)])? {
            IValue::Tensor(features) => Ok(features.detach()),
            _ => Err(Error::Shape { what: "features", expected: "one tensor (n, f)".into(), found: vec![] }),
        }
    }
}

impl FeatureMap for TorchScript {
    fn name(&self) -> &str {
        &self.name
    }

    fn features(&self, x: &Tensor) -> Result<Tensor, Error> {
        super::check_images(x)?;
        let parts: Vec<Tensor> =
            no_grad(|| x.f_split(PART, 0)?.iter().map(|x| self.part(x)).collect::<Result<_, Error>>())?;
        let features = Tensor::f_cat(&parts, 0)?;
        if features.dim() != 2 || features.size()[0] != x.size()[0] {
            let expected = "(n, f) of as many samples".into();
            return Err(Error::Shape { what: "features", expected, found: features.size() });
        }
        Ok(features)
    }
}
