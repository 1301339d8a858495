//! Units: of SI and without a prefix where figures are kept, with one where people read them.

use serde::{Deserialize, Serialize};

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// So many in a second.
    PerSecond,
    /// A time.
    Seconds,
    /// Memory.
    Bytes,
    /// So many.
    Count,
    /// So many times something else, or a share of it.
    Times,
}

impl Unit {
    /// All of them.
    const ALL: [Self; 5] = [Self::PerSecond, Self::Seconds, Self::Bytes, Self::Count, Self::Times];

    /// Its name in the CSV.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::PerSecond => "1/s",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::Count => "count",
            Self::Times => "times",
        }
    }

    pub(crate) fn of_symbol(symbol: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.symbol() == symbol)
    }

    /// A value for people: three digits, with the prefix that suits them.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => scaled(value, &[(1.0, "/s"), (1e3, "k/s"), (1e6, "M/s")]),
            Self::Seconds => scaled(value, &[(1e-9, "ns"), (1e-6, "µs"), (1e-3, "ms"), (1.0, "s")]),
            Self::Bytes => scaled(value, &[(1.0, "B"), (1e3, "kB"), (1e6, "MB")]),
            Self::Count => grouped(value),
            Self::Times => format!("{value:.2} ×"),
        }
    }
}

/// A value in the largest of these units of which it is at least one, or else in the smallest.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // What it is once rounded decides: 999.7 µs are 1.00 ms.
    let value = three_digits(value);
    let fits = units.iter().rev().find(|(size, _)| value.abs() >= *size * (1.0 - 1e-9));
    let (size, name) = fits.or(units.first()).copied().unwrap_or((1.0, ""));
    let value = value / size;
    let decimals = match value.abs() {
        size if size >= 99.95 || size == 0.0 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {name}")
}

fn three_digits(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let step = 10_f64.powi(value.abs().log10().floor() as i32 - 2);
    (value / step).round() * step
}

/// A whole number, with commas between groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let show = |seconds| Unit::Seconds.show(seconds);
        assert_eq!(show(0.0119), "11.9 ms", "not 11.9 thousand µs");
        assert_eq!(show(1.38), "1.38 s", "not 1.38 million µs");
        assert_eq!(show(0.000134), "134 µs");
        assert_eq!(show(0.00000265), "2.65 µs");
        assert_eq!(show(3e-8), "30.0 ns");
        assert_eq!(show(0.0009996), "1.00 ms", "a thousand of a unit is one of the next");
        assert_eq!(show(0.0009994), "999 µs");
        assert_eq!(show(0.0), "0 ns");
    }

    #[test]
    fn rates_and_bytes_have_thousands_and_millions() {
        assert_eq!(Unit::PerSecond.show(610.0), "610 /s");
        assert_eq!(Unit::PerSecond.show(4021.0), "4.02 k/s");
        assert_eq!(Unit::PerSecond.show(942_000.0), "942 k/s");
        assert_eq!(Unit::PerSecond.show(4_650_000.0), "4.65 M/s");
        assert_eq!(Unit::PerSecond.show(63_500_000.0), "63.5 M/s");
        assert_eq!(Unit::Bytes.show(176.0), "176 B");
        assert_eq!(Unit::Bytes.show(3.3), "3.30 B");
        assert_eq!(Unit::Bytes.show(12_200.0), "12.2 kB");
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(Unit::Count.show(610.0), "610");
        assert_eq!(Unit::Count.show(8898.4), "8,898");
        assert_eq!(Unit::Count.show(1_000_000.0), "1,000,000");
    }

    #[test]
    fn each_unit_is_found_by_its_symbol() {
        for unit in Unit::ALL {
            assert_eq!(Unit::of_symbol(unit.symbol()), Some(unit));
        }
        assert_eq!(Unit::of_symbol("µs"), None);
    }
}
