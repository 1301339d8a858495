//! The simulated engine of the tests, and the rules that it looks at.

#[path = "../../state-machines/tests/it/life/bytes.rs"]
pub(crate) mod bytes;
#[path = "../../state-machines/tests/it/life/moves.rs"]
mod moves;
#[path = "../../state-machines/tests/it/life/rules.rs"]
mod rules;
#[path = "../../state-machines/tests/it/life/world.rs"]
mod world;
