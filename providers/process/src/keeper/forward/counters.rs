//! What a forwarder counts.

/// Of all its addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// TCP connections of clients that it took, ever.
    pub(crate) total: u64,
    /// Those that it has now.
    pub(crate) open: usize,
    /// Those that it cut.
    pub(crate) cut: u64,
    /// Those that it reset because no launch took them within the hold time.
    pub(crate) unserved: u64,
    /// Flows of datagrams that it has now.
    pub(crate) flows: usize,
}
