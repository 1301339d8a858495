mod errors;
mod lease;
mod requests;
