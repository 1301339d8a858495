//! A JSON or YAML text as a tree of values, within bounds.
//!
//! Both formats end up in the same tree, so that a spec means the same in either.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::UserMessageFormatter;
use serde_saphyr::options::NonFiniteFloatPolicy;

use super::invalid::Invalid;
use super::path::quoted;

/// The longest document that is read, and the most that its YAML aliases may expand to.
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// The deepest that lists and objects may be nested in a document.
pub const MAX_DEPTH: usize = 32;

/// What a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON.
    Json,
    /// YAML 1.2, one document.
    Yaml,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
        })
    }
}

impl Format {
    /// Reads a document as a tree, within the bounds of a spec's document. Its content is not checked.
    ///
    /// # Errors
    /// [`SpecError::TooLarge`], [`SpecError::Malformed`].
    pub fn parse(self, text: &str) -> Result<Value, SpecError> {
        parse(text, self)
    }
}

/// Why a text is not a spec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// It is longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the document is {bytes} bytes long; at most {MAX_DOCUMENT_BYTES} are read")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// It cannot be read as a document, or it is larger or deeper than any spec.
    #[error("this {format} cannot be read: {message}")]
    Malformed {
        /// What it was read as.
        format: Format,
        /// The line, from 1; 0 when the parser did not say.
        line: u64,
        /// The column, from 1; 0 when the parser did not say.
        column: u64,
        /// What is wrong, with line and column.
        message: String,
    },
    /// It is a document, but not a valid spec.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

pub(super) fn parse(text: &str, format: Format) -> Result<Value, SpecError> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(SpecError::TooLarge { bytes: text.len() });
    }
    match format {
        Format::Json => parse_json(text),
        Format::Yaml => parse_yaml(text),
    }
}

/// Reads a document that was within the bounds when it was stored; they may be narrower now.
pub(super) fn parse_stored(text: &str) -> Result<Value, SpecError> {
    serde_json::from_str(text).map_err(malformed_json)
}

fn parse_json(text: &str) -> Result<Value, SpecError> {
    let mut from = serde_json::Deserializer::from_str(text);
    tree(&mut from).and_then(|value| from.end().map(|()| value)).map_err(malformed_json)
}

fn malformed_json(error: serde_json::Error) -> SpecError {
    SpecError::Malformed {
        format: Format::Json,
        line: error.line() as u64,
        column: error.column() as u64,
        message: error.to_string(),
    }
}

fn parse_yaml(text: &str) -> Result<Value, SpecError> {
    let options = serde_saphyr::options! {
        // A snippet of the document would show the values around the mistake.
        with_snippet: false,
        // YAML 1.2: `NO` is a country and `0755` a text, not `false` and a number.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // The bounds are those of `Node`, in the same words as for JSON; the parser's own come after them.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH + 8,
            max_nodes: MAX_DOCUMENT_BYTES,
            max_events: 4 * MAX_DOCUMENT_BYTES,
        },
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |from| tree(from)).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        SpecError::Malformed {
            format: Format::Yaml,
            line,
            column,
            message: error.render_with_formatter(&UserMessageFormatter),
        }
    })
}

/// Reads one value within the bounds of a document.
pub(super) fn tree<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    let room = Cell::new(MAX_DOCUMENT_BYTES);
    Node { depth: 0, room: &room }.deserialize(from)
}

/// Reads the value at `depth` and takes what it costs from `room`, so that aliases cannot multiply it.
#[derive(Clone, Copy)]
struct Node<'r> {
    depth: usize,
    room: &'r Cell<usize>,
}

impl Node<'_> {
    /// A value costs a byte and its text, which is never more than it took to write in JSON.
    fn take<E: Error>(self, text: usize) -> Result<(), E> {
        let left = self.room.get().checked_sub(text + 1);
        self.room.set(left.ok_or_else(|| {
            E::custom(format!("it expands to more than {MAX_DOCUMENT_BYTES} bytes; use fewer aliases"))
        })?);
        Ok(())
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("lists and objects are nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    fn scalar<E: Error>(self, value: Value) -> Result<Value, E> {
        self.take(0)?;
        Ok(value)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, null, a list or an object")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.scalar(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.deserialize(from)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.scalar(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.scalar(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.scalar(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => self.scalar(Value::Number(number)),
            None => Err(E::custom("a number is infinite or not a number; JSON has no such value")),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.take(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        self.take(0)?;
        let inner = self.deeper()?;
        let mut fields = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            self.take(key.len())?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {} is written twice", quoted(&key))));
            }
            fields.insert(key, from.next_value_seed(inner)?);
        }
        Ok(Value::Object(fields))
    }
}
