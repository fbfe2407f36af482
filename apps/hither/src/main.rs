//! Hither.
fn main() {}
