use super::*;
use crate::ErrorKind;

fn folder_with(files: &[impl AsRef<Path>]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    folder
}

fn scan(files: &[impl AsRef<Path>]) -> Result<Listing> {
    let folder = folder_with(files);
    Listing::scan(&[folder.path().to_path_buf()])
}

#[test]
fn labels_may_have_spaces_and_any_script() {
    let listing =
        scan(&["turn on/a_07.wav", "はい/b_08.FLAC", "いいえ/c_09.ogg", "はい/notes.txt", ".git/x.wav"]).unwrap();
    assert_eq!(listing.labels, ["turn on", "いいえ", "はい"]);
    assert_eq!(listing.files.len(), 3);
    assert_eq!(listing.files[0].label, Some(0));
}

#[test]
fn a_limit_takes_as_many_of_each_label_and_leaves_what_is_not_learnt_from() {
    let names: Vec<_> =
        ["a", "b", "c"].iter().flat_map(|label| (5..15).map(move |n| format!("{label}/x_{n}.wav"))).collect();
    let mut listing = scan(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let count = |listing: &Listing, is_learnt: bool| {
        let files = listing.files.iter().filter(|file| (file.split == Split::Train) == is_learnt);
        files.fold([0; 3], |mut counts, file| {
            counts[file.label.unwrap()] += 1;
            counts
        })
    };
    let others = count(&listing, false);
    listing.limit(7);
    assert_eq!((count(&listing, true), count(&listing, false)), ([3, 2, 2], others));
    listing.limit(100);
    assert_eq!(count(&listing, true), [3, 2, 2]);
}

#[test]
fn folders_with_an_underscore_are_background() {
    let listing = scan(&["yes/a_07.wav", "no/b_08.wav", "_background_noise_/rain.wav"]).unwrap();
    assert_eq!(listing.labels, ["no", "yes"]);
    assert_eq!(listing.files.iter().filter(|file| file.label.is_none()).count(), 1);
}

#[test]
fn another_sets_clips_are_background_without_its_test_split() {
    let mut listing = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
    let other = folder_with(&["cat/x_02.wav", "cat/x_07.wav", "dog/x_08.wav", "dog/x_03.wav"]);
    listing.add_background(other.path(), false).unwrap();
    let added: Vec<_> = listing.files[2..].iter().map(|file| file.path.file_name().unwrap().to_str()).collect();
    assert_eq!(added, [Some("x_07.wav"), Some("x_08.wav")]);
    assert_eq!((listing.labels.len(), listing.files[2].label), (2, None));
    // What says one of the words, in its folder's name or its own, is no background.
    let speaking = folder_with(&["yes/z_07.wav", "well/oh-yes-of-course_08.wav", "well/yesterday_09.wav"]);
    let before = listing.files.len();
    listing.add_background(speaking.path(), false).unwrap();
    let added: Vec<_> = listing.files[before..].iter().map(|file| file.path.file_name().unwrap().to_str()).collect();
    assert_eq!(added, [Some("yesterday_09.wav")]);
    listing.files.truncate(before);
    let loose = folder_with(&(0..100).map(|at| format!("{at}.wav")).collect::<Vec<_>>());
    listing.add_background(loose.path(), false).unwrap();
    assert!((60..=95).contains(&(listing.files.len() - 4)), "{} files", listing.files.len());
    let none = folder_with(&[] as &[&str]);
    assert!(listing.add_background(none.path(), false).unwrap_err().message.contains("is empty"));
}

#[test]
fn fillers_are_the_words_of_a_set_that_are_no_labels() {
    let mut listing = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
    let other = folder_with(&["cat/x_02.wav", "cat/x_07.wav", "dog/x_08.wav", "yes/x_08.wav"]);
    (10..50).for_each(|at| std::fs::write(other.path().join(format!("dog/x_{at}.wav")), b"").unwrap());
    listing.add_fillers(other.path(), None).unwrap();
    listing.add_fillers(other.path(), None).unwrap();
    assert_eq!(
        (&listing.labels[..], &listing.fillers[..]),
        (&["no", "yes"].map(String::from)[..], &["cat", "dog"].map(String::from)[..])
    );
    assert_eq!(listing.outputs(), ["no", "yes", "cat", "dog"]);
    let added = || listing.files[2..].iter().filter(|file| file.set == 1);
    assert!(
        added().all(|file| matches!((file.label, file.split), (Some(2 | 3), Split::Train) | (None, Split::Validation)))
    );
    assert_eq!(added().filter(|file| file.label == Some(2)).count(), 1, "not what is kept for the test");
    assert!(added().any(|file| file.label.is_none()), "what is held back tells how often a label is heard in them");
    let mut some = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
    some.add_fillers(other.path(), Some(&["dog".into(), "yes".into(), "bird".into()])).unwrap();
    assert_eq!(some.fillers, ["dog"], "those that are known and there");
    // As background they would be none of the words, and so no fillers either.
    let before = listing.files.len();
    let speaking = folder_with(&["cat/z_07.wav", "bird/z_08.wav"]);
    listing.add_background(speaking.path(), false).unwrap();
    assert_eq!(listing.files.len(), before + 1);
    let loose = folder_with(&["a.wav"]);
    some.add_fillers(loose.path(), Some(&["dog".into()])).unwrap();
    assert!(some.add_fillers(loose.path(), None).unwrap_err().message.contains("no words to be fillers"));
    let texts = folder_with(&["wavs/a.wav"]);
    std::fs::write(texts.path().join("metadata.csv"), "a|Good morning.|Good morning.\n").unwrap();
    assert!(listing.add_fillers(texts.path(), None).unwrap_err().message.contains("cannot be fillers"));
}

#[test]
fn single_words_among_the_background_can_be_a_set_of_their_own() {
    let sentences: Vec<_> = (0..20).map(|at| format!("sentence-{at}.wav")).collect();
    let other = folder_with(&[&["cat/x_07.wav".to_owned(), "dog/x_08.wav".to_owned()], &sentences[..]].concat());
    for words_apart in [false, true] {
        let mut listing = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
        listing.add_background(other.path(), words_apart).unwrap();
        let added = listing.files[2..].iter();
        let (sentences, words): (Vec<_>, Vec<_>) = added.partition(|file| file.path.parent() == Some(other.path()));
        assert!(sentences.len() > 9 && sentences.iter().all(|file| file.set == 1));
        assert!(words.len() == 2 && words.iter().all(|file| file.set == 1 + usize::from(words_apart)));
    }
}

#[test]
fn several_datasets_share_their_labels_and_keep_their_splits() {
    let (first, second) = (folder_with(&["one/a_00.wav", "two/a_09.wav"]), folder_with(&["two/x.wav", "three/y.wav"]));
    let listing = Listing::scan(&[first.path().to_path_buf(), second.path().to_path_buf()]).unwrap();
    assert_eq!(listing.labels, ["one", "three", "two"]);
    assert_eq!(listing.files.iter().find(|file| file.path.ends_with("one/a_00.wav")).unwrap().split, Split::Test);
    assert_eq!(listing.files.iter().filter(|file| file.label == Some(2)).count(), 2);
}

#[test]
fn unusable_folders_are_named_with_what_to_do() {
    let message = |files: &[&str]| scan(files).unwrap_err().message;
    assert!(message(&[]).contains("is empty: make one folder for each label"));
    assert!(message(&["a.wav"]).contains("is empty"));
    assert!(message(&["one/a.wav"]).contains("one label only (one)"));
    assert!(message(&["_noise/a.wav"]).contains("no labelled sound files"));
    assert!(message(&["one/a_00.wav", "two/a_01.wav"]).contains("add more clips"));
    let missing = find("no-such-set", &[]).unwrap_err();
    assert_eq!(missing.kind, ErrorKind::NotFound);
    assert!(missing.message.contains("no-such-set does not exist"));
}

#[test]
fn names_are_looked_up_in_the_known_folders() {
    let known = folder_with(&["demo/one/a.wav"]);
    let folders = [known.path().to_path_buf()];
    assert_eq!(find("demo", &folders).unwrap(), known.path().join("demo"));
    let path = known.path().join("demo").display().to_string();
    assert_eq!(find(&path, &[]).unwrap(), known.path().join("demo"));
    assert!(find("other", &folders).unwrap_err().message.contains("known names: demo"));
    assert!(find(&format!("{path}/one/a.wav"), &[]).unwrap_err().message.contains("is a file"));
}
