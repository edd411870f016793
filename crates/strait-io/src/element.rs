use tch::Kind;

/// The type of the numbers of an array on disk.
///
/// ```
/// use strait_io::Element;
/// use tch::Kind;
/// assert_eq!(Element::U16.kind(), Kind::Int); // libtorch computes with no unsigned integers but bytes
/// assert_eq!(Element::of(Kind::Float), Some(Element::F32));
/// assert!(Element::U8.is_integer() && !Element::F16.is_integer());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// True or false, one byte.
    Bool,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits; numbers from 2^63 on are refused.
    U64,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// IEEE half precision.
    F16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl Element {
    /// The kind of tensor that holds every number of this type.
    pub fn kind(self) -> Kind {
        match self {
            Self::Bool => Kind::Bool,
            Self::U8 => Kind::Uint8,
            Self::I8 => Kind::Int8,
            Self::I16 => Kind::Int16,
            Self::U16 | Self::I32 => Kind::Int,
            Self::U32 | Self::U64 | Self::I64 => Kind::Int64,
            Self::F16 => Kind::Half,
            Self::F32 => Kind::Float,
            Self::F64 => Kind::Double,
        }
    }

    /// The type that a tensor's kind is written as; None for kinds that NumPy has not.
    pub fn of(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Bool => Self::Bool,
            Kind::Uint8 => Self::U8,
            Kind::Int8 => Self::I8,
            Kind::Int16 => Self::I16,
            Kind::Int => Self::I32,
            Kind::Int64 => Self::I64,
            Kind::Half => Self::F16,
            Kind::Float => Self::F32,
            Kind::Double => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub fn width(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether every number of this type is whole.
    pub fn is_integer(self) -> bool {
        !matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// The least and the greatest number that a tensor of [`Self::kind`] and a double hold, where the type is an integer's.
    pub fn range(self) -> Option<(f64, f64)> {
        Some(match self {
            Self::Bool => (0.0, 1.0),
            Self::U8 => (0.0, 255.0),
            Self::U16 => (0.0, 65_535.0),
            Self::U32 => (0.0, 4_294_967_295.0),
            Self::I8 => (-128.0, 127.0),
            Self::I16 => (-32_768.0, 32_767.0),
            Self::I32 => (-2_147_483_648.0, 2_147_483_647.0),
            // The greatest double below 2^63.
            Self::U64 => (0.0, 9_223_372_036_854_774_784.0),
            Self::I64 => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),
            Self::F16 | Self::F32 | Self::F64 => return None,
        })
    }

    /// The greatest finite number of the type, where it is a floating-point one.
    pub fn largest(self) -> Option<f64> {
        match self {
            Self::F16 => Some(65_504.0),
            Self::F32 => Some(f64::from(f32::MAX)),
            Self::F64 => Some(f64::MAX),
            _ => None,
        }
    }

    /// NumPy's name of the type, little-endian.
    pub fn descr(self) -> &'static str {
        match self {
            Self::Bool => "|b1",
            Self::U8 => "|u1",
            Self::U16 => "<u2",
            Self::U32 => "<u4",
            Self::U64 => "<u8",
            Self::I8 => "|i1",
            Self::I16 => "<i2",
            Self::I32 => "<i4",
            Self::I64 => "<i8",
            Self::F16 => "<f2",
            Self::F32 => "<f4",
            Self::F64 => "<f8",
        }
    }

    /// Of NumPy's name without its byte order: `f8`, `float64`, or the letter `d`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "b1" | "?" | "bool" => Self::Bool,
            "u1" | "B" | "uint8" => Self::U8,
            "u2" | "H" | "uint16" => Self::U16,
            "u4" | "I" | "uint32" => Self::U32,
            "u8" | "Q" | "uint64" => Self::U64,
            "i1" | "b" | "int8" => Self::I8,
            "i2" | "h" | "int16" => Self::I16,
            "i4" | "i" | "int32" => Self::I32,
            "i8" | "q" | "int64" => Self::I64,
            "f2" | "e" | "float16" => Self::F16,
            "f4" | "f" | "float32" => Self::F32,
            "f8" | "d" | "float64" => Self::F64,
            _ => return None,
        })
    }
}
