//! Quantities as the API server writes them: `1000m` is `1`.

use serde_json::{Value, json};

const NANO: i128 = 1_000_000_000;
const DECIMAL: [(&str, i128); 9] = [
    ("E", NANO * 1_000_000_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("G", NANO * NANO),
    ("M", NANO * 1_000_000),
    ("k", NANO * 1_000),
    ("", NANO),
    ("m", NANO / 1_000),
    ("u", NANO / 1_000_000),
];
const BINARY: [(&str, u32); 6] = [("Ei", 60), ("Pi", 50), ("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Decimal,
    Binary,
}

/// An amount in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Amount(pub(super) i128);

fn split(text: &str) -> Option<(Amount, Base)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-' && c != '+');
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let (unit, base) = match BINARY.iter().find(|(name, _)| *name == suffix) {
        Some((_, bits)) => (NANO << bits, Base::Binary),
        None => match DECIMAL.iter().find(|(name, _)| *name == suffix) {
            Some((_, unit)) => (*unit, Base::Decimal),
            None => {
                let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                (NANO * 10_i128.checked_pow(power)?, Base::Decimal)
            }
        },
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{part}").parse().ok()?;
    let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
    Some((Amount(digits.checked_mul(unit)? / scale), base))
}

/// How much a value says; none: it is no quantity.
pub(super) fn read(value: &Value) -> Option<Amount> {
    split(&text(value)).map(|(amount, _)| amount)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn show(amount: Amount, base: Base) -> String {
    let Amount(nano) = amount;
    if nano == 0 {
        return "0".to_owned();
    }
    if base == Base::Binary && nano % NANO == 0 && (nano / NANO).abs() >= 1024 {
        let whole = nano / NANO;
        if let Some((name, bits)) = BINARY.iter().find(|(_, bits)| whole % (1_i128 << bits) == 0) {
            return format!("{}{name}", whole >> bits);
        }
        return whole.to_string();
    }
    let found = DECIMAL.iter().find(|(_, unit)| nano % unit == 0);
    found.map_or_else(|| format!("{nano}n"), |(name, unit)| format!("{}{name}", nano / unit))
}

/// Writes it as the API server does.
pub(super) fn normal(value: &mut Value) {
    if let Some((amount, base)) = split(&text(value)) {
        *value = json!(show(amount, base));
    }
}

/// The same for all values of a map.
pub(super) fn normal_all(map: &mut Value) {
    map.as_object_mut().into_iter().flat_map(|map| map.values_mut()).for_each(normal);
}

impl Amount {
    /// As a count or in units of CPU.
    pub(super) fn decimal(self) -> String {
        show(self, Base::Decimal)
    }

    /// As bytes.
    pub(super) fn binary(self) -> String {
        show(self, Base::Binary)
    }
}
