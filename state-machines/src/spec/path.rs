//! Paths such as `containers[0].env.API_KEY`, as errors and changes show them.

/// The longest key and value that an error or a change shows.
const SHOWN: usize = 120;

/// A place in a document. Its path is written out only when a problem is reported there.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The document itself.
    Root,
    /// A named field.
    Field(&'a Place<'a>, &'a str),
    /// An element of a list.
    Index(&'a Place<'a>, usize),
    /// A key that the caller chose.
    Key(&'a Place<'a>, &'a str),
}

impl<'a> Place<'a> {
    pub(super) fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(super) fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Field(parent, name) => field(&parent.path(), name),
            Self::Index(parent, n) => index(&parent.path(), n),
            Self::Key(parent, name) => key(&parent.path(), name),
        }
    }
}

/// The path of a named field of the object at `parent`, which is empty for the document itself.
pub(crate) fn field(parent: &str, name: &str) -> String {
    match parent {
        "" => name.to_owned(),
        parent => format!("{parent}.{name}"),
    }
}

/// The path of an element of the list at `parent`; the index is a number, or a name that is unique there.
pub(crate) fn index(parent: &str, index: impl std::fmt::Display) -> String {
    format!("{parent}[{index}]")
}

/// The path of a key that the caller chose: quoted where it would be misread, cut where it is absurdly long.
pub(crate) fn key(parent: &str, key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/');
    if !key.is_empty() && key.len() <= SHOWN && key.bytes().all(plain) {
        field(parent, key)
    } else {
        index(parent, quoted(key))
    }
}

/// A text in quotes, with control characters escaped, cut where it is absurdly long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
