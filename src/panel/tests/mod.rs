//! Panels on a made-up scene, headless: no text is cut or lies outside its place, and buttons and keys ask for the right things.
