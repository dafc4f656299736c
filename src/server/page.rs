//! What a browser loads: files of `assets/web`, built into the program. They hold no secrets, so that no token is asked for them;
//! what they do needs one.

use axum::{
    Router,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

/// A page may load, connect to and be framed by nothing but this server.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// One file: where it is served, what it is, and its bytes.
type File = (&'static str, &'static str, &'static [u8]);

/// The row of a file of `assets`.
macro_rules! file {
    ($path:literal, $type:literal, $file:literal) => {
        ($path, $type, include_bytes!(concat!("../../assets/", $file)))
    };
}

/// Every file that is served.
const FILES: &[File] = &[
    file!("/", "text/html; charset=utf-8", "web/index.html"),
    file!("/help", "text/html; charset=utf-8", "web/help.html"),
    file!("/help.html", "text/html; charset=utf-8", "web/help.html"),
    file!("/style.css", "text/css; charset=utf-8", "web/style.css"),
    file!("/icon.svg", "image/svg+xml", "web/icon.svg"),
    file!("/app.js", "text/javascript; charset=utf-8", "web/app.js"),
    file!("/events.js", "text/javascript; charset=utf-8", "web/events.js"),
    file!("/help.js", "text/javascript; charset=utf-8", "web/help.js"),
    file!("/i18n.js", "text/javascript; charset=utf-8", "web/i18n.js"),
    file!("/machine.js", "text/javascript; charset=utf-8", "web/machine.js"),
    file!("/meter.js", "text/javascript; charset=utf-8", "web/meter.js"),
    file!("/view.js", "text/javascript; charset=utf-8", "web/view.js"),
    file!("/whip.js", "text/javascript; charset=utf-8", "web/whip.js"),
    file!("/protocol", "text/html; charset=utf-8", "web/protocol.html"),
    file!("/fonts/inter.otf", "font/otf", "fonts/Inter-Regular-subset.otf"),
    file!("/fonts/inter-semibold.otf", "font/otf", "fonts/Inter-SemiBold-subset.otf"),
    file!("/fonts/noto-japanese.otf", "font/otf", "fonts/NotoSansCJKjp-Regular-subset.otf"),
];

/// Whether `path` is one of the files.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().any(|(served, ..)| *served == path)
}

/// The routes of all files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| router.route(file.0, get(async || serve(file))))
}

fn serve((_path, content_type, bytes): &'static File) -> Response {
    let headers = [
        (header::CONTENT_TYPE, *content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, *bytes).into_response()
}
