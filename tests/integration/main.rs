//! Tests of the whole program: one binary, because each links all of it.

mod cli;
mod client;
mod fixture;
mod http;
mod isolation;
mod program;
mod scenarios;
mod sse;
