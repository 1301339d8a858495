//! Commands that a person is told to run work where they are: with the options that name the store, the server and the
//! providers.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::built_with::BUILT_WITH;
use super::store_at::StoreAt;

/// What every command that is told begins with.
const BARE: &str = "`landlord-compute ";

/// The options of this command line that other commands need too. Variables of the environment go on by themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hints(String);

impl Hints {
    /// Those that were given.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let configs = BUILT_WITH.iter().map(|built| built.option());
        let named = ["store", "data", "server", "token_file", "ca"].map(str::to_owned);
        let options = named.into_iter().chain(configs);
        let given = options.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine));
        Self(
            given
                .filter_map(|id| Some(format!("--{} {} ", id.replace('_', "-"), value(matches, &id)?)))
                .collect(),
        )
    }

    /// A text whose commands have them, but for those that name a store themselves.
    pub(crate) fn complete(&self, text: &str) -> String {
        let mut parts = text.split(BARE);
        let mut complete = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let command = part.split('`').next().unwrap_or_default();
            let options = if command.contains("--store ") { "" } else { &self.0 };
            complete += &format!("{BARE}{options}{part}");
        }
        complete
    }
}

/// What was given, for a shell: of a URL what is no secret.
fn value(matches: &ArgMatches, id: &str) -> Option<String> {
    let given = matches.get_raw(id)?.next()?;
    let text = match StoreAt::from(given.to_owned()) {
        StoreAt::Database(url) => url.to_string(),
        StoreAt::File(file) => file.to_string_lossy().into_owned(),
    };
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+@:,".contains(&b));
    Some(if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_names_a_store_is_complete() {
        let hints = Hints("--store other.db ".to_owned());
        let told =
            hints.complete("run `landlord-compute migrate --store x.db` once, then `landlord-compute list`");
        assert_eq!(
            told,
            "run `landlord-compute migrate --store x.db` once, then `landlord-compute --store other.db list`"
        );
        assert_eq!(Hints::default().complete("`landlord-compute list`"), "`landlord-compute list`");
    }
}
