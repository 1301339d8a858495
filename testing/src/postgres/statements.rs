//! Which statement a request is about, for a proxy that reads what a client of PostgreSQL sends: one may have a text only once, and
//! a name from then on.

use std::collections::HashSet;

/// The messages of PostgreSQL's protocol that name a statement: one that makes it, with its text, and those that use it and give it
/// up.
const PARSE: u8 = b'P';
const BIND: u8 = b'B';
const CLOSE: u8 = b'C';

/// The statements of one connection whose text has some part.
#[derive(Debug)]
pub struct Statements {
    part: Vec<u8>,
    names: HashSet<Vec<u8>>,
}

/// What a request does with such a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// It only makes it, and gives it a name.
    Make,
    /// It carries it out.
    CarryOut,
    /// It gives its name up.
    GiveUp,
}

impl Statements {
    /// Those that have this part.
    pub fn with(part: &str) -> Self {
        Self { part: part.as_bytes().to_vec(), names: HashSet::new() }
    }

    /// What a whole request does, up to and with `Sync`. None: it is about another statement. Each request of the connection is to
    /// be looked at, in their order.
    pub fn look(&mut self, request: &[u8]) -> Option<Does> {
        let mut does = None;
        for (kind, body) in messages(request) {
            let mut words = body.split(|byte| *byte == 0);
            let mut word = || words.next().unwrap_or_default();
            let now = match kind {
                PARSE => {
                    let (name, text) = (word(), word());
                    if text.windows(self.part.len()).any(|part| part == self.part) {
                        self.names.insert(name.to_vec());
                        Some(Does::Make)
                    } else {
                        self.names.remove(name);
                        None
                    }
                }
                BIND => {
                    let _portal = word();
                    self.names.contains(word()).then_some(Does::CarryOut)
                }
                CLOSE => {
                    let is_ours = word().strip_prefix(b"S").is_some_and(|name| self.names.remove(name));
                    is_ours.then_some(Does::GiveUp)
                }
                _ => None,
            };
            does = now.or(does);
        }
        does
    }
}

/// The messages of a request, each with its kind.
fn messages(mut request: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, rest) = request.split_first()?;
        let length = usize::try_from(u32::from_be_bytes(*rest.first_chunk()?)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        request = rest;
        Some((*kind, message.get(4..)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, words: &[&str]) -> Vec<u8> {
        let body: Vec<u8> = words.iter().flat_map(|word| [word.as_bytes(), &[0]].concat()).collect();
        let length = u32::try_from(body.len() + 4).expect("it is short").to_be_bytes();
        [&[kind], &length[..], &body].concat()
    }

    fn request(messages: &[(u8, &[&str])]) -> Vec<u8> {
        let messages = messages.iter().flat_map(|(kind, words)| message(*kind, words));
        messages.chain(message(b'S', &[])).collect()
    }

    #[test]
    fn a_statement_is_known_by_its_name_once_it_has_one() {
        let mut statements = Statements::with("happened AS");
        let mut does = |messages: &[(u8, &[&str])]| statements.look(&request(messages));
        let (ours, other) = ("WITH happened AS ()", "SELECT 1");
        assert_eq!(does(&[(PARSE, &["", ours]), (BIND, &["", ""])]), Some(Does::CarryOut));
        assert_eq!(does(&[(PARSE, &["", other]), (BIND, &["", ""])]), None);
        assert_eq!(does(&[(PARSE, &["s1", ours])]), Some(Does::Make));
        assert_eq!(does(&[(BIND, &["", "s1"])]), Some(Does::CarryOut));
        assert_eq!(does(&[(BIND, &["", "s2"])]), None);
        assert_eq!(does(&[(CLOSE, &["Ss1"])]), Some(Does::GiveUp));
        assert_eq!(does(&[(BIND, &["", "s1"])]), None);
    }

    #[test]
    fn what_is_no_whole_message_is_about_nothing() {
        assert_eq!(Statements::with("x").look(&[0, 0, 0, 8, 4, 210, 22, 47]), None);
        assert_eq!(Statements::with("x").look(b"P"), None);
    }
}
