//! How fixed structures become bytes and come back: one rule for all of them.
//!
//! A fixed structure is its fields in order, little-endian and without gaps, then zeros, then a seeded CRC-32 of
//! everything before it in its last four bytes. Entries (`crc: none`) are covered by the checksum of the table
//! that holds them and have neither zeros nor CRC.

use crate::{Flaw, Seed};

/// A field as `SPEC.md` prints it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name of the field.
    pub name: &'static str,
    /// Bytes from the start of the structure.
    pub offset: usize,
    /// Width in bytes.
    pub width: usize,
    /// Type: `u32`, `bytes[16]`, ...
    pub kind: &'static str,
    /// What it means, with its unit.
    pub meaning: &'static str,
}

/// A structure as `SPEC.md` prints it.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Name of the structure.
    pub name: &'static str,
    /// Length in bytes.
    pub bytes: usize,
    /// Its first eight bytes, if it has a magic.
    pub magic: Option<&'static [u8; 8]>,
    /// Whether its last four bytes are its CRC.
    pub has_crc: bool,
    /// The fields, the magic and the CRC not among them.
    pub fields: Vec<Field>,
}

/// A value that a field can have.
pub(crate) trait Scalar: Copy {
    const WIDTH: usize;
    const KIND: &'static str;
    fn put(self, out: &mut Vec<u8>);
    /// Reads from exactly `WIDTH` bytes.
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! integer {
    ($($ty:ty),*) => {$(
        impl Scalar for $ty {
            const WIDTH: usize = size_of::<$ty>();
            const KIND: &'static str = stringify!($ty);
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )*};
}
integer!(u32, u64, i64);

macro_rules! byte_array {
    ($($n:literal),*) => {$(
        impl Scalar for [u8; $n] {
            const WIDTH: usize = $n;
            const KIND: &'static str = concat!("bytes[", $n, "]");
            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self);
            }
            fn get(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok()
            }
        }
    )*};
}
byte_array!(16, 32);

/// The checks that every fixed structure with a CRC shares: length, magic, CRC, zeros.
pub(crate) fn checked(
    bytes: &[u8],
    layout: (&'static str, usize, &'static [u8; 8]),
    fields_bytes: usize,
    seed: &Seed,
    offset: u64,
) -> Result<(), Flaw> {
    let (name, length, magic) = layout;
    let Some(bytes) = bytes.get(..length) else {
        return Err(Flaw::short(name, offset, length as u64, bytes.len() as u64));
    };
    let (body, tail) = bytes.split_at(length.saturating_sub(4));
    let wrong = |field, expected: String, found: String| {
        Flaw::new(name, field, offset, length as u64, expected, found)
    };
    let (head, rest) = body.split_at(8.min(body.len()));
    if head != magic {
        return Err(wrong("magic", printable(magic), printable(head)));
    }
    let stored = u32::get(tail).unwrap_or(0);
    let computed = seed.crc(offset, body);
    if stored != computed {
        return Err(wrong("crc", format!("{computed:08x}"), format!("{stored:08x}")));
    }
    match rest.iter().skip(fields_bytes).find(|&&byte| byte != 0) {
        Some(byte) => Err(wrong("reserved", "zero".into(), format!("{byte:#04x}"))),
        None => Ok(()),
    }
}

fn printable(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Declares structures: the type, its encoder and decoder, and its `Layout`, from one list of fields.
macro_rules! structures {
    ($(
        $(#[$attr:meta])*
        $name:ident = $title:literal, $size:literal bytes, magic $magic:literal {
            $($field:ident: $ty:ty, $meaning:literal;)*
        }
    )*) => {$(
        $(#[$attr])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $meaning] pub $field: $ty,)*
        }

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $size;
            /// Its first eight bytes.
            pub const MAGIC: &'static [u8; 8] = $magic;
            const FIELDS_BYTES: usize = 0 $(+ <$ty as Scalar>::WIDTH)*;
            const FITS: () = assert!(8 + Self::FIELDS_BYTES + 4 <= $size);

            /// The bytes of this structure when it lies at `offset` in its file.
            pub fn encode(&self, seed: &Seed, offset: u64) -> Vec<u8> {
                let () = Self::FITS;
                let mut out = Vec::with_capacity($size);
                out.extend_from_slice($magic);
                $(self.$field.put(&mut out);)*
                out.resize($size - 4, 0);
                let crc = seed.crc(offset, &out);
                crc.put(&mut out);
                out
            }

            /// The structure at the start of `bytes`, which lie at `offset` in the file.
            ///
            /// # Errors
            /// A [`Flaw`] when bytes are missing, or magic, CRC or reserved zeros are not as they should be.
            pub fn decode(bytes: &[u8], seed: &Seed, offset: u64) -> Result<Self, Flaw> {
                checked(bytes, ($title, $size, $magic), Self::FIELDS_BYTES, seed, offset)?;
                Self::decode_fields(bytes).ok_or_else(|| Flaw::short($title, offset, $size, 0))
            }

            /// The fields as they are, nothing checked; `None` when bytes are missing.
            pub(crate) fn decode_fields(bytes: &[u8]) -> Option<Self> {
                let mut fields = bytes.get(8..)?;
                Some(Self { $($field: take::<$ty>(&mut fields)?),* })
            }

            fn layout() -> Layout {
                let mut offset = 8;
                Layout {
                    name: $title, bytes: $size, magic: Some($magic), has_crc: true,
                    fields: vec![$(field::<$ty>(&mut offset, stringify!($field), $meaning)),*],
                }
            }
        }
    )*};
}

/// Declares entries: fields without magic, zeros or CRC, because the table that holds them is covered as a whole.
macro_rules! entries {
    ($(
        $(#[$attr:meta])*
        $name:ident = $title:literal, $size:literal bytes {
            $($field:ident: $ty:ty, $meaning:literal;)*
        }
    )*) => {$(
        $(#[$attr])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $(#[doc = $meaning] pub $field: $ty,)*
        }

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $size;
            const FITS: () = assert!($size == 0 $(+ <$ty as Scalar>::WIDTH)*);

            /// Appends the bytes of this entry.
            pub fn put(&self, out: &mut Vec<u8>) {
                let () = Self::FITS;
                $(self.$field.put(out);)*
            }

            /// The entry in exactly [`Self::BYTES`] bytes; `None` for any other length.
            pub fn get(bytes: &[u8]) -> Option<Self> {
                if bytes.len() != $size {
                    return None;
                }
                let mut fields = bytes;
                Some(Self { $($field: take::<$ty>(&mut fields)?),* })
            }

            fn layout() -> Layout {
                let mut offset = 0;
                Layout {
                    name: $title, bytes: $size, magic: None, has_crc: false,
                    fields: vec![$(field::<$ty>(&mut offset, stringify!($field), $meaning)),*],
                }
            }
        }
    )*};
}

/// Cuts one value off the front.
pub(crate) fn take<T: Scalar>(bytes: &mut &[u8]) -> Option<T> {
    let (head, rest) = bytes.split_at_checked(T::WIDTH)?;
    *bytes = rest;
    T::get(head)
}

pub(crate) fn field<T: Scalar>(offset: &mut usize, name: &'static str, meaning: &'static str) -> Field {
    let field = Field { name, offset: *offset, width: T::WIDTH, kind: T::KIND, meaning };
    *offset += T::WIDTH;
    field
}

pub(crate) use {entries, structures};
