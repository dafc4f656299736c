use super::*;

#[test]
fn every_label_speaks_both_languages() {
    for label in ALL {
        assert!(!label.en.is_empty() && !label.ja.is_empty(), "{label:?}");
        assert!(label.en.is_ascii(), "English in plain letters: {}", label.en);
        assert!(label.ja == label.en || !label.ja.is_ascii(), "{label:?} is not Japanese");
    }
    assert_eq!(OPEN.line(Language::Both), "接続 Open");
    assert_eq!(OPEN.pair(Language::English), ("Open", None));
}
