//! What the SQLite store promises beyond every store's contract, on real files and disks.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and stops")]

mod damaged;
mod disk;
mod files;
mod full_disk;
mod oldest;
mod power;
mod sqlite;
