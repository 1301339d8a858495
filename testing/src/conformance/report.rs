//! What the kit found, as a table.

use std::fmt;

use landlord_state_machines::id::ProviderName;

use super::{Level, Verdict};

/// One clause and how it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The clause's id.
    pub clause: &'static str,
    /// Where it comes from: a heading of CONTRACT.md.
    pub source: &'static str,
    /// How firmly.
    pub level: Level,
    /// What it says.
    pub statement: &'static str,
    /// How it went.
    pub verdict: Verdict,
}

/// Every clause and how it went. Prints as a table: a line a clause, and the reason below where it was not held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConformanceReport {
    /// The provider.
    pub provider: ProviderName,
    /// The clauses in their order.
    pub rows: Vec<Row>,
}

impl ConformanceReport {
    /// Whether no clause is broken.
    pub fn all_held(&self) -> bool {
        self.broken().next().is_none()
    }

    /// The clauses that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::Broken { .. }))
    }

    /// Asserts that no clause is broken, for a test of a provider.
    ///
    /// # Panics
    ///
    /// If one is. The message has the broken clauses and their reasons alone, so that a log that keeps only the end
    /// of what a test printed still says what is wrong.
    #[track_caller]
    pub fn assert_held(&self) {
        let rows: Vec<Row> = self.broken().cloned().collect();
        let held = rows.is_empty();
        let broken = ConformanceReport { provider: self.provider.clone(), rows };
        assert!(held, "{broken}");
    }

    /// The clauses that say nothing about this provider on this platform.
    pub fn not_applicable(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| matches!(row.verdict, Verdict::NotApplicable { .. }))
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Row) -> &str| self.rows.iter().map(|row| text(row).len()).max().unwrap_or(0);
        let (ids, sources) = (width(|row| row.clause), width(|row| row.source));
        writeln!(f, "provider {}", self.provider)?;
        for Row { clause, source, level, statement, verdict } in &self.rows {
            let (word, why) = match verdict {
                Verdict::Held => ("held", None),
                Verdict::Broken { why } => ("BROKEN", Some(why)),
                Verdict::NotApplicable { why } => ("n/a", Some(why)),
            };
            writeln!(f, "{word:<6}  {level:<6}  {clause:<ids$}  {source:<sources$}  {statement}")?;
            for line in why.iter().flat_map(|why| why.lines()) {
                writeln!(f, "{:16}└ {line}", "")?;
            }
        }
        let (broken, unsaid) = (self.broken().count(), self.not_applicable().count());
        let held = self.rows.len() - broken - unsaid;
        write!(f, "{} clauses: {held} held, {broken} broken, {unsaid} not applicable", self.rows.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_an_aligned_table_with_its_reasons() {
        let row = |clause, level, verdict| Row { clause, source: "spec", level, statement: "says", verdict };
        let why = "two are left:\na and b".to_owned();
        let mut report = ConformanceReport {
            provider: ProviderName::new("toy").unwrap(),
            rows: vec![
                row("a.long-one", Level::Must, Verdict::Held),
                row("b", Level::Should, Verdict::Broken { why }),
                row("c", Level::Must, Verdict::NotApplicable { why: "no names".to_owned() }),
            ],
        };
        let table = "\
provider toy
held    MUST    a.long-one  spec  says
BROKEN  SHOULD  b           spec  says
                └ two are left:
                └ a and b
n/a     MUST    c           spec  says
                └ no names
3 clauses: 1 held, 1 broken, 1 not applicable";
        assert_eq!(report.to_string(), table);
        assert!(!report.all_held());
        let said = std::panic::catch_unwind(|| report.assert_held()).unwrap_err();
        let said = said.downcast_ref::<String>().unwrap();
        assert!(said.contains("BROKEN  SHOULD  b") && !said.contains("no names"), "{said}");
        report.rows.remove(1);
        assert!(report.all_held());
        report.assert_held();
    }
}
