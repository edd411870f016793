use crate::DataError;
use strait_core::Error;
use tch::Tensor;

/// How a sample is an image: channels first, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: i64,
    /// Rows of pixels.
    pub height: i64,
    /// Columns of pixels.
    pub width: i64,
}

/// In which order a file holds the numbers of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// As the data set does.
    Same,
    /// Height, width, channels, where the data set has channels first.
    ChannelsLast,
}

impl Image {
    /// Of samples of a shape: flat or (channels, height, width) as they are, (height, width) for one channel, and
    /// (height, width, channels) turned. A shape that is both is taken as channels first.
    pub(crate) fn layout(self, array: &str, event: &[i64]) -> Result<Layout, DataError> {
        let Self { channels: c, height: h, width: w } = self;
        if event == [c, h, w] || event == [c * h * w] || c == 1 && event == [h, w] {
            Ok(Layout::Same)
        } else if event == [h, w, c] {
            Ok(Layout::ChannelsLast)
        } else {
            Err(DataError::NotAnImage { array: array.to_owned(), event: event.to_vec(), image: [c, h, w] })
        }
    }
}

impl Layout {
    /// A batch as the data set holds it.
    pub(crate) fn load(self, x: &Tensor) -> Result<Tensor, Error> {
        self.turned(x, [0, 3, 1, 2])
    }

    /// A batch as the file holds it.
    pub(crate) fn store(self, x: &Tensor) -> Result<Tensor, Error> {
        self.turned(x, [0, 2, 3, 1])
    }

    fn turned(self, x: &Tensor, axes: [i64; 4]) -> Result<Tensor, Error> {
        Ok(match self {
            Self::Same => x.shallow_clone(),
            Self::ChannelsLast => x.f_permute(axes)?.f_contiguous()?,
        })
    }
}
