use crate::row_store::RowStore;
use crate::{DataError, Image};
use strait_core::Error;
use strait_io::RowFile;
use tch::{Kind, Tensor};

/// Images of one byte a pixel and channel, one after the other, in memory or in files.
#[derive(Debug)]
pub(crate) struct ByteImages {
    parts: Vec<Part>,
    image: Image,
    /// Bytes of a record before its pixels, such as a class.
    before: usize,
}

#[derive(Debug)]
pub(crate) enum Part {
    /// Whole rows.
    Held(Vec<u8>),
    File(RowFile),
}

/// How many levels a byte has: level k of an image is grey k / 256.
pub(crate) const LEVELS: f64 = 256.0;

impl ByteImages {
    pub(crate) fn new(parts: Vec<Part>, image: Image, before: usize) -> Self {
        Self { parts, image, before }
    }

    fn pixels(&self) -> usize {
        self.image.numbers() as usize
    }

    fn record(&self) -> usize {
        self.before + self.pixels()
    }

    fn count_of(&self, part: &Part) -> i64 {
        match part {
            Part::Held(bytes) => (bytes.len() / self.record()) as i64,
            Part::File(rows) => rows.count(),
        }
    }

    pub(crate) fn count(&self) -> i64 {
        self.parts.iter().map(|part| self.count_of(part)).sum()
    }

    /// The part that an image is in, and its number there.
    pub(crate) fn place(&self, mut row: i64) -> Option<(usize, i64)> {
        for (at, part) in self.parts.iter().enumerate() {
            let count = self.count_of(part);
            if row < count {
                return Some((at, row));
            }
            row -= count;
        }
        None
    }

    /// One record, class and all.
    fn read_record(&self, row: i64, to: &mut [u8]) -> Result<(), Error> {
        let must = "one of those that are there";
        let outside = Error::Setting { what: "the number of an image", value: row as f64, must };
        let (part, row) = self.place(row).ok_or(outside)?;
        match &self.parts[part] {
            Part::Held(bytes) => to.copy_from_slice(&bytes[row as usize * to.len()..][..to.len()]),
            Part::File(rows) => rows.read(&[row], to).map_err(Error::other)?,
        }
        Ok(())
    }

    /// A byte before the pixels of each image.
    pub(crate) fn bytes_at(&self, offset: usize) -> Result<Vec<u8>, DataError> {
        let mut record = vec![0; self.record()];
        let mut byte = |row| self.read_record(row, &mut record).map(|()| record[offset]);
        Ok((0..self.count()).map(&mut byte).collect::<Result<_, _>>()?)
    }
}

impl RowStore for ByteImages {
    fn read(&self, rows: &[i64]) -> Result<Tensor, Error> {
        let (mut record, mut bytes) = (vec![0; self.record()], Vec::with_capacity(rows.len() * self.pixels()));
        for &row in rows {
            self.read_record(row, &mut record)?;
            bytes.extend_from_slice(&record[self.before..]);
        }
        self.image.batch(&bytes)
    }
}

impl Image {
    /// Numbers of a sample.
    pub(crate) fn numbers(self) -> i64 {
        self.channels * self.height * self.width
    }

    /// Its shape.
    pub(crate) fn shape(self) -> [i64; 3] {
        [self.channels, self.height, self.width]
    }

    /// (n, C, H, W) of bytes.
    pub(crate) fn batch(self, bytes: &[u8]) -> Result<Tensor, Error> {
        let Self { channels, height, width } = self;
        let n = bytes.len() as i64 / self.numbers().max(1);
        Ok(Tensor::f_from_data_size(bytes, &[n, channels, height, width], Kind::Uint8)?)
    }
}
