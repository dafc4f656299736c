//! Numbers as people read them: with units, in a width that does not jump.

/// `h:mm:ss` of a duration in seconds; a dash where there is none.
pub fn clock(secs: f64) -> String {
    if !secs.is_finite() || secs < 0.0 {
        return "–".to_owned();
    }
    let whole = secs as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

/// `m:ss.t` of a place on a stream's clock in seconds, with hours where there are any.
pub fn moment(secs: f64) -> String {
    let tenths = (secs.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, secs) = (tenths / 36_000, tenths / 600 % 60, tenths / 10 % 60);
    match hours {
        0 => format!("{minutes}:{secs:02}.{}", tenths % 10),
        _ => format!("{hours}:{minutes:02}:{secs:02}.{}", tenths % 10),
    }
}

/// A whole number with a space between thousands.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// A whole number in at most five signs, for narrow places.
pub fn short_count(number: u64) -> String {
    match number {
        0..100_000 => number.to_string(),
        100_000..1_000_000 => format!("{:.0}k", number as f64 / 1e3),
        1_000_000..100_000_000 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{:.0}M", number as f64 / 1e6),
    }
}

/// A share (0 to 1) in percent, with one decimal.
pub fn percent(share: f32) -> String {
    if share.is_finite() { format!("{:.1} %", share * 100.0) } else { "–".to_owned() }
}

/// Four significant digits of a loss.
pub fn loss(loss: f32) -> String {
    match loss {
        loss if !loss.is_finite() => "–".to_owned(),
        loss if loss >= 100.0 => format!("{loss:.1}"),
        loss if loss >= 10.0 => format!("{loss:.2}"),
        loss if loss >= 1.0 => format!("{loss:.3}"),
        loss => format!("{loss:.4}"),
    }
}

/// A learning rate.
pub fn rate(rate: f64) -> String {
    if rate > 0.0 { format!("{rate:.2e}") } else { "–".to_owned() }
}

/// A level, dBFS. Exact silence has no level.
pub fn dbfs(level: f32) -> String {
    if level.is_finite() && level > -200.0 { format!("{level:.1} dBFS") } else { "−∞ dBFS".to_owned() }
}

/// Bytes in a unit that keeps the number short.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([clock(0.0), clock(3_725.9), clock(f64::INFINITY)], ["0:00:00", "1:02:05", "–"]);
        assert_eq!([moment(0.04), moment(83.46), moment(3_659.96)], ["0:00.0", "1:23.5", "1:01:00.0"]);
        assert_eq!([count(7), count(1_234), count(12_345_678)], ["7", "1\u{a0}234", "12\u{a0}345\u{a0}678"]);
        assert_eq!([99_999, 123_456, 1_234_567].map(short_count), ["99999", "123k", "1.2M"]);
        assert_eq!([percent(0.9731), percent(f32::NAN)], ["97.3 %", "–"]);
        assert_eq!([loss(123.46), loss(1.23456), loss(0.012_34), loss(f32::NAN)], ["123.5", "1.235", "0.0123", "–"]);
        assert_eq!([rate(0.0012), rate(0.0)], ["1.20e-3", "–"]);
        assert_eq!([dbfs(-23.44), dbfs(f32::NEG_INFINITY)], ["-23.4 dBFS", "−∞ dBFS"]);
        assert_eq!([bytes(12), bytes(2_048), bytes(3 << 20)], ["12 B", "2.0 KiB", "3.0 MiB"]);
    }
}
