//! The figures for people.

use std::fmt;

use super::{Confusion, Evaluation};

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { items, accuracy, token_error_rate, char_error_rate, confusion, model, dataset, .. } = self;
        let noise = self.snr_db.map_or("clean".to_owned(), |snr| format!("noise at {snr} dB"));
        let form = if self.stream { "continuous streams" } else { "clips read alone" };
        write!(
            f,
            "{model} on {dataset}, {items} clips, {noise}: {:.2} % read right, {:.2} % token errors ({:.2} % of \
             characters) on {form}",
            100.0 * accuracy,
            100.0 * token_error_rate,
            100.0 * char_error_rate
        )?;
        if let Some(share) = self.choice_accuracy {
            write!(f, "; {:.2} % when it must choose a word", 100.0 * share)?;
        }
        if let Some(alarms) = self.false_alarms_per_hour {
            write!(f, ", {alarms:.1} false alarms an hour on silence, noise and clicks")?;
        }
        for rate in self.alarms.iter().filter(|rate| rate.alarms > 0) {
            write!(
                f,
                "\n{}: {:.0} false alarms an hour ({} in {:.0} s)",
                rate.sound, rate.per_hour, rate.alarms, rate.secs
            )?;
        }
        write!(f, "\n{:.0} times real time", 1.0 / self.real_time_factor.max(1e-9))?;
        if let Some(latency) = &self.latency {
            let (p50, p95) = (1e3 * latency.p50_secs, 1e3 * latency.p95_secs);
            write!(f, "; words appear {p50:.0} ms (median) and {p95:.0} ms (95 in 100) after their clips' end")?;
        }
        if let Some(background) = &self.background {
            let (hours, alarms) = (background.secs / 3_600.0, background.false_alarms_per_hour);
            write!(
                f,
                "\nbackground, {hours:.2} h: {alarms:.1} false alarms an hour; threshold, missed, alarms an hour:"
            )?;
            for point in &background.det {
                let missed = 100.0 * point.miss_rate;
                write!(f, "\n  {:.3}  {missed:5.2} %  {:.1}", point.threshold, point.false_alarms_per_hour)?;
            }
        }
        write_errors(f, confusion)
    }
}

/// The words that were not always read right, and as what they were read.
fn write_errors(f: &mut fmt::Formatter<'_>, confusion: &Confusion) -> fmt::Result {
    for (index, ((label, row), figures)) in
        confusion.labels.iter().zip(&confusion.counts).zip(confusion.words()).enumerate()
    {
        let reads = confusion.labels.iter().map(String::as_str).chain(["nothing"]);
        let wrong = row.iter().zip(reads).enumerate().filter(|(read, (count, _))| **count > 0 && *read != index);
        let wrong: Vec<String> = wrong.map(|(_, (count, read))| format!("{count} as {read}")).collect();
        let percent = |share: Option<f64>| share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share));
        if !wrong.is_empty() || figures.precision.is_some_and(|precision| precision < 1.0) {
            write!(f, "\n{label}: recall {}, precision {}", percent(figures.recall), percent(figures.precision))?;
        }
        if !wrong.is_empty() {
            write!(f, " ({})", wrong.join(", "))?;
        }
    }
    Ok(())
}
