//! What the planner makes of what a cluster shows.

mod drift;
mod failing;
mod late;
mod reading;
mod remnants;
mod rest;
mod told;
