//! What fills a stream: microphone, file, demo.
