//! What fills a stream: microphone, file, demo.

pub mod decode;
