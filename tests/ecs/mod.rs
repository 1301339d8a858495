//! The ECS provider against other people's emulators of ECS.

mod emulated;
mod emulators;
