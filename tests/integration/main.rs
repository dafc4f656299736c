//! Tests of the whole program: one binary, because each links all of it.

mod cli;
mod client;
mod fixture;
mod http;
mod isolation;
mod microphone;
mod monitor;
mod program;
mod pulse;
mod scenarios;
mod sse;
