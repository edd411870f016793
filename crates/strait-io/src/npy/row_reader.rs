use super::header::Header;
use super::problem::Problem;
use super::{Array, decode};
use crate::{Element, IoError, RowFile, open};
use std::io::BufReader;
use std::path::Path;
use tch::Tensor;

/// A file of one array (n, ...) of which rows are read by their numbers: for more rows than memory holds.
///
/// Rows are read as [`RowFile`] are.
///
/// ```
/// use strait_io::{Element, npy};
/// use tch::{Device, Kind, Tensor};
/// let path = std::env::temp_dir().join(format!("strait-rows-{}.npy", std::process::id()));
/// npy::write(&path, &Tensor::arange(12, (Kind::Double, Device::Cpu)).view([4, 3]), Element::F64)?;
/// let rows = npy::RowReader::open(&path)?;
/// assert_eq!((rows.count(), rows.event()), (4, &[3][..]));
/// assert_eq!(rows.read(&[2, 0])?, Tensor::from_slice2(&[[6.0, 7.0, 8.0], [0.0, 1.0, 2.0]]));
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), strait_io::IoError>(())
/// ```
#[derive(Debug)]
pub struct RowReader {
    file: RowFile,
    header: Header,
    /// Bytes of a row.
    row: usize,
    followed: bool,
}

impl RowReader {
    /// Opens the first array of a file, which must be as long as its header says; no number is read.
    ///
    /// # Errors
    /// As [`super::read`]; `Damaged` also for an array that is stored column by column, of which no row lies together.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let file = open(path)?;
        let found = file.metadata().map_err(IoError::system(path))?.len();
        let checked = || -> Result<(Header, u64, usize, bool), Problem> {
            let (header, start) = Header::read(&mut BufReader::new(&file))?;
            let bytes = header.bytes()?;
            if found < start + bytes {
                return Err(Problem::Damaged("it is cut short".into()));
            }
            if header.shape.is_empty() || header.fortran_order && header.shape.len() > 1 {
                let problem = "it is stored column by column: save it with numpy.ascontiguousarray first";
                return Err(Problem::Damaged(problem.into()));
            }
            let row = header.element.width() as i64 * header.shape[1..].iter().product::<i64>();
            Ok((header, start, row as usize, found > start + bytes))
        };
        let (header, start, row, followed) = checked().map_err(|problem| problem.of(path, ""))?;
        Ok(Self { file: RowFile::of(path, file, start, row, header.shape[0]), header, row, followed })
    }

    /// How many rows there are.
    pub fn count(&self) -> i64 {
        self.file.count()
    }

    /// The shape of one row.
    pub fn event(&self) -> &[i64] {
        &self.header.shape[1..]
    }

    /// The type of the numbers.
    pub fn element(&self) -> Element {
        self.header.element
    }

    /// As [`Array::followed`].
    pub fn followed(&self) -> bool {
        self.followed
    }

    /// The file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Rows by their numbers, (rows, ...), of the kind of [`Element::kind`].
    ///
    /// # Errors
    /// `Range` for a row that is not there, `System` where the file can no longer be read.
    pub fn read(&self, rows: &[i64]) -> Result<Tensor, IoError> {
        let mut bytes = vec![0; rows.len() * self.row];
        self.file.read(rows, &mut bytes)?;
        self.decoded(bytes, rows.len() as i64)
    }

    /// The rows from `start` on, `n` of them.
    ///
    /// # Errors
    /// As `read`.
    pub fn range(&self, start: i64, n: i64) -> Result<Tensor, IoError> {
        if start < 0 || n < 0 || start.saturating_add(n) > self.count() {
            let problem = format!("rows {start} to {} of {}", start.saturating_add(n), self.count());
            return Err(IoError::Range { path: self.path().to_owned(), problem });
        }
        let mut bytes = vec![0; n as usize * self.row];
        self.file.read_range(start, &mut bytes)?;
        self.decoded(bytes, n)
    }

    /// The whole array.
    ///
    /// # Errors
    /// As `read`.
    pub fn all(&self) -> Result<Array, IoError> {
        Ok(Array { values: self.range(0, self.count())?, element: self.element(), followed: self.followed })
    }

    fn decoded(&self, bytes: Vec<u8>, n: i64) -> Result<Tensor, IoError> {
        let shape: Vec<i64> = std::iter::once(n).chain(self.event().iter().copied()).collect();
        let Header { element, big_endian, .. } = self.header;
        decode(bytes, element, big_endian, &shape).map_err(|problem| problem.of(self.path(), ""))
    }
}
