//! Tests of the whole program: one binary, because each links all of it.

mod browser;
mod cli;
mod client;
mod crowd;
#[cfg(target_os = "linux")]
mod display;
mod exports;
mod fixture;
mod http;
mod isolation;
mod lanes;
mod listener;
#[cfg(target_os = "linux")]
mod load;
mod microphone;
mod microphone_scenarios;
mod monitor;
mod page;
mod page_latency;
mod program;
mod pulse;
mod python;
mod remote;
mod replay;
mod runs;
mod scenarios;
mod screen;
mod sessions;
mod sse;
mod stage;
mod teaching;
#[cfg(unix)]
mod whip;
#[cfg(target_os = "linux")]
mod window;
