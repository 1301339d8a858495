//! Commands that a person is told to run work where they are: with the options that name the store, the server and the
//! providers.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::built_with::BUILT_WITH;

/// What every command that is told begins with.
const BARE: &str = "`landlord-compute ";

/// The options of this command line that other commands need too. Variables of the environment go on by themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints(String);

impl Hints {
    /// Those that were given.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let configs = BUILT_WITH.iter().map(|built| built.option());
        let named = ["store", "server", "token_file", "ca"].map(str::to_owned);
        let options = named.into_iter().chain(configs);
        let given = options.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Self(
            given
                .filter_map(|id| Some(format!("--{} {} ", id.replace('_', "-"), value(matches, &id)?)))
                .collect(),
        )
    }

    /// A text whose commands have them.
    pub(crate) fn complete(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(BARE, &format!("{BARE}{}", self.0))
    }
}

/// A path, for a shell.
fn value(matches: &ArgMatches, id: &str) -> Option<String> {
    let text = matches.get_raw(id)?.next()?.to_string_lossy().into_owned();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+@:,".contains(&b));
    Some(if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) })
}
