mod errors;
mod requests;
