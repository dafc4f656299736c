//! Praat's TextGrid, long form: tiers of intervals that follow each other without a break.

use super::{Mark, MarkKind};

/// The marks as a TextGrid of `len_secs`. Tokens and labels have tiers of their own; a mark that overlaps the one before it goes
/// to a further tier, because the intervals of one tier cannot.
pub fn to_textgrid(marks: &[Mark], len_secs: f64) -> String {
    let len_secs = marks.iter().map(|mark| mark.end_secs).fold(len_secs, f64::max);
    let mut tiers: Vec<(String, Vec<&Mark>)> = Vec::new();
    for (kind, name) in [(MarkKind::Token, "tokens"), (MarkKind::Label, "labels")] {
        let mut of_kind: Vec<Vec<&Mark>> = vec![Vec::new()];
        // An interval has a length.
        for mark in marks.iter().filter(|mark| mark.kind == kind && mark.end_secs > mark.start_secs) {
            let ends_before = |tier: &Vec<&Mark>| tier.last().is_none_or(|last| last.end_secs <= mark.start_secs);
            match of_kind.iter_mut().find(|tier| ends_before(tier)) {
                Some(tier) => tier.push(mark),
                None => of_kind.push(vec![mark]),
            }
        }
        let named = |(i, tier)| (if i == 0 { name.to_owned() } else { format!("{name} {}", i + 1) }, tier);
        tiers.extend(of_kind.into_iter().enumerate().map(named));
    }
    let mut text = format!(
        "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0 \nxmax = {len_secs} \ntiers? <exists> \nsize = {} \nitem []: \n",
        tiers.len()
    );
    for (i, (name, marks)) in tiers.iter().enumerate() {
        let intervals = intervals(marks, len_secs);
        text += &format!(
            "    item [{}]:\n        class = \"IntervalTier\" \n        name = \"{name}\" \n        xmin = 0 \n        xmax = {len_secs} \n        intervals: size = {} \n",
            i + 1,
            intervals.len()
        );
        for (i, (start, end, said)) in intervals.iter().enumerate() {
            text += &format!(
                "        intervals [{}]:\n            xmin = {start} \n            xmax = {end} \n            text = \"{}\" \n",
                i + 1,
                said.replace('"', "\"\"")
            );
        }
    }
    text
}

/// The marks, and empty intervals between them.
fn intervals(marks: &[&Mark], len_secs: f64) -> Vec<(f64, f64, String)> {
    let mut intervals = Vec::new();
    let mut at = 0.0;
    for mark in marks {
        if mark.start_secs > at {
            intervals.push((at, mark.start_secs, String::new()));
        }
        intervals.push((mark.start_secs, mark.end_secs, mark.line()));
        at = mark.end_secs;
    }
    if at < len_secs {
        intervals.push((at, len_secs, String::new()));
    }
    intervals
}

#[cfg(test)]
mod tests {
    use super::{super::marks::tests::examples, *};

    #[test]
    fn intervals_follow_each_other_from_start_to_end() {
        let marks = examples();
        let tokens: Vec<&Mark> = marks.iter().filter(|mark| mark.kind == MarkKind::Token).collect();
        let parts = intervals(&tokens, 2.0);
        assert_eq!(parts.iter().map(|part| part.2.as_str()).collect::<Vec<_>>(), ["", "seven", "", "three", ""]);
        assert_eq!((parts[0].0, parts[4].1), (0.0, 2.0));
        assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn labels_that_overlap_lie_on_tiers_of_their_own() {
        let text = to_textgrid(&examples(), 2.0);
        for name in ["tokens", "labels", "labels 2"] {
            assert!(text.contains(&format!("name = \"{name}\" ")), "{text}");
        }
        assert!(text.contains("size = 3 "), "{text}");
        assert!(text.contains("川の音 \"\"brook\"\", <deep> & wide"), "quotes are doubled");
    }
}
