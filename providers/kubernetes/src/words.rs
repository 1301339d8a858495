//! The words of a platform, without what a tenant's spec has in secret.

use std::error::Error as StdError;

/// The longest piece of another system's words that is kept, in characters.
const WORDS: usize = 1_000;

/// The beginning of a long text.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(WORDS).collect()
}

/// A cause of a refusal. The server repeats the value that it refuses, which may be a whole pod with its environment.
pub(super) fn of_cause(field: &str, message: &str) -> String {
    let said = without_values(message);
    match field {
        "" => said,
        field => format!("{field}: {said}"),
    }
}

/// A text without the values that it repeats, as in `Invalid value: "v": must be no more than 63 characters`.
pub(super) fn without_values(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(line_without_values).collect();
    lines.join("\n")
}

fn line_without_values(line: &str) -> String {
    if let Some((before, value)) = line.split_once(" value: ") {
        let after = match value.find("supported values: ") {
            Some(at) => &value[at..],
            // The last part says what is wrong; a value may have colons itself.
            None => value.rsplit_once(": ").map_or("", |(_, after)| after),
        };
        return match after {
            "" => format!("{before} value"),
            after => format!("{before} value: {after}"),
        };
    }
    match line.split_once(", got ") {
        Some((before, _)) => before.to_owned(),
        None => line.to_owned(),
    }
}

/// An error and its causes, in their own words.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        // Some repeat the words of what caused them.
        if !words.iter().any(|before| before.contains(&text)) {
            words.push(text);
        }
    }
    shortened(&words.join(": "))
}

/// An error, what caused it, what caused that, and so on.
pub(super) fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
