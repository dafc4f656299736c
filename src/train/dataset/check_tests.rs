use std::path::Path;

use super::*;
use crate::ErrorKind;
use crate::train::dataset::{Listing, Loader};
use crate::train::test_data::write_wav;

/// Ten tones, told apart by `number`.
fn tone(number: usize, secs: f32) -> Vec<f32> {
    let step = 0.1 + 0.05 * number as f32;
    (0..(8_000.0 * secs) as usize).map(|at| 0.5 * (at as f32 * step).sin()).collect()
}

fn write(root: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A folder with the tones `names` and the tables `tables`.
fn dataset(names: &[&str], tables: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in names.iter().enumerate() {
        write_wav(&folder.path().join(name), 8_000, &tone(number, 0.5));
    }
    tables.iter().for_each(|(name, text)| write(folder.path(), name, text));
    folder
}

fn report(folder: &tempfile::TempDir) -> Report {
    check(folder.path(), &|_, _| {}).unwrap()
}

fn message(folder: &tempfile::TempDir) -> String {
    let error = check(folder.path(), &|_, _| {}).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid, "{error}");
    error.message
}

#[test]
fn a_folder_of_everything_wrong_is_told_file_by_file() {
    let folder = dataset(&["はい/a.wav", "turn on/b.wav", "turn on/c.wav", "_unknown_/other.wav"], &[]);
    let root = folder.path();
    std::fs::copy(root.join("turn on/b.wav"), root.join("turn on/copy.wav")).unwrap();
    write_wav(&root.join("はい/loud.wav"), 16_000, &[tone(9, 0.2), vec![1.0; 40]].concat());
    write_wav(&root.join("はい/silent.wav"), 8_000, &[0.0; 4_000]);
    write_wav(&root.join("はい/short.wav"), 8_000, &[0.5; 20]);
    write(root, "はい/text.wav", "not a sound");
    write(root, "はい/notes.txt", "no sound, and not named as one");
    write(root, "はい/empty.flac", "");
    let report = report(&folder);
    assert_eq!((report.items, report.background, report.labels.len()), (5, 1, 2));
    assert_eq!(report.labels["turn on"], 3);
    assert_eq!(report.sample_rates_hz[&16_000], 1);
    assert_eq!(report.train + report.validation + report.test, 5);
    let faults: Vec<Fault> = report.skipped.iter().map(|skipped| skipped.fault).collect();
    assert_eq!(faults, [Fault::Unreadable, Fault::Unreadable, Fault::TooShort, Fault::Silent]);
    assert!(
        matches!(&report.problems[..], [
        Problem::Duplicate { path: copy, same_as, .. },
        Problem::Clipped { path, samples: 40 },
    ] if path.ends_with("loud.wav") && copy.ends_with("copy.wav") && same_as.ends_with("b.wav")),
        "{report:?}"
    );
    let text = report.to_string();
    for part in ["clipped ", "duplicate ", "silent: its peak", "less than 20 ms", "はい 2", "16000 Hz 1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
    assert_eq!((&json["form"], &json["problems"][0]["kind"]), (&"folders".into(), &"duplicate".into()));
}

#[test]
fn every_malformed_dataset_has_its_message() {
    /// Sound files, tables with their texts, and a part of the message.
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);
    const CSV: &str = "filename,fold,target,category\n";
    let cases: [Case; 24] = [
        (&[], &[], "is empty: make one folder for each label"),
        (&["a.wav"], &[], "is empty: make one folder for each label"),
        (&["only/a.wav"], &[], "has one label only (only)"),
        (&["_background_noise_/a.wav"], &[], "no labelled sound files"),
        (&[], &[("yes/a.wav", "x"), ("no/b.wav", "x")], "none of the 2 clips"),
        (&["audio/a.wav"], &[("meta/esc50.csv", "name,fold\na.wav,1\n")], "has no column filename; it has: name, fold"),
        (&["audio/a.wav"], &[("esc50.csv", CSV)], "is empty: it was read as an ESC-50 table"),
        (
            &["audio/a.wav"],
            &[("esc50.csv", "filename,fold,category\na.wav,9,dog\n")],
            "fold is \"9\"; allowed are 1 to 5",
        ),
        (&[], &[("esc50.csv", "filename,fold,category\n../a.wav,1,dog\n")], "is no file name inside the dataset"),
        (&["wavs/a.wav"], &[("metadata.csv", "a,no bars\n")], "1 columns; a line is id|text"),
        (&["wavs/a.wav"], &[("metadata.csv", "b|text\n")], "missing: line 1 of metadata.csv names it"),
        (&["wav/a.wav"], &[("transcript_utf8.txt", "a text without a colon\n")], "no colon; a line is id:text"),
        (&["clips/a.wav"], &[("validated.tsv", "client_id\tpath\nx\ta.wav\n")], "has no column sentence"),
        (&["talk.wav"], &[("talk.txt", "0,5\tyes\n")], "start, end and label with tabs"),
        (&["talk.wav"], &[("talk.txt", "0.1\tsoon\tyes\n")], "\"soon\" is no time"),
        (&["talk.wav"], &[("talk.txt", "0.3\t0.1\tyes\n")], "from 0.3 s to 0.1 s is no part of a recording"),
        (&["talk.wav"], &[("talk.txt", "7\t8\tyes\n8\t9\tno\n")], "lies behind the end at 0.500 s"),
        (&["audio/a.wav"], &[("esc50.csv", "filename,fold,category\na.wav,1, \n")], "category is empty"),
        (
            &["audio/a.wav"],
            &[("esc50.csv", "filename,fold,category\nb.wav,1,dog\n")],
            "missing: line 2 of esc50.csv names it",
        ),
        (&["wavs/a.wav"], &[("metadata.csv", "a|text|more|still more\n")], "4 columns"),
        (&["wavs/a.wav"], &[("metadata.csv", "a|…\n")], "the text \"…\" has no letter"),
        (&["wavs/a.wav"], &[("metadata.csv", "../a|text\n")], "is no file name inside the dataset"),
        (&["wav/a.wav"], &[("transcript_utf8.txt", "a: \n")], "the text is empty"),
        (
            &["clips/a.wav"],
            &[("train.tsv", "client_id\tpath\tsentence\nx\tgone.mp3\thello\n")],
            "missing: line 2 of train.tsv names it",
        ),
    ];
    for (names, tables, expected) in cases {
        let message = message(&dataset(names, tables));
        assert!(message.contains(expected), "expected \"{expected}\" in \"{message}\"");
    }
    let one_letter = dataset(&["wavs/a.wav"], &[("metadata.csv", "a|Aaa!\n")]);
    let error = Listing::scan(&[one_letter.path().to_path_buf()]).unwrap_err();
    assert!(error.message.contains("fewer than two different letters"), "{error}");
    let latin = dataset(&["wavs/a.wav"], &[]);
    write(latin.path(), "metadata.csv", b"a|caf\xe9\n");
    assert!(message(&latin).contains("is not UTF-8 text: save it as UTF-8"));
    let error = check(Path::new("no-such-folder"), &|_, _| {}).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}

#[test]
fn esc50_has_its_folds_and_lists_bad_lines() {
    let table = "\u{feff}filename,fold,target,category\na.wav,1,0,dog\nb.wav,4,0,dog\nc.wav,5,1,\"rain, light\"\nd.wav,2,1\n\
                 gone.wav,2,1,rain\n";
    let folder = dataset(&["audio/a.wav", "audio/b.wav", "audio/c.wav"], &[("meta/esc50.csv", table)]);
    let report = report(&folder);
    assert_eq!((report.train, report.validation, report.test), (1, 1, 1));
    assert_eq!(report.labels.keys().collect::<Vec<_>>(), ["dog", "rain, light"]);
    let reasons: Vec<&str> = report.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(reasons, ["line 5: 3 columns; the first line names 4", "missing: line 6 of esc50.csv names it"]);
    // The same table is what training reads.
    let listing = Listing::scan(&[folder.path().to_path_buf()]).unwrap();
    let loaded = Loader::new(listing, 8_000).finish().unwrap();
    assert_eq!((loaded.clips.len(), loaded.skipped.len()), (3, 2));
}

#[test]
fn texts_are_told_by_their_characters_and_not_learnt_as_labels() {
    let jsut = dataset(
        &["basic5000/wav/A_1.wav", "basic5000/wav/A_2.wav"],
        &[("basic5000/transcript_utf8.txt", "A_1:水を。\nA_2:水: 時刻\nA_3:\n")],
    );
    let report_of_jsut = report(&jsut);
    assert_eq!((report_of_jsut.form, report_of_jsut.items, report_of_jsut.characters[&'水']), (Form::Jsut, 2, 2));
    assert_eq!(report_of_jsut.skipped[0].reason, "line 3: the text is empty");
    let listing = Listing::scan(&[jsut.path().to_path_buf()]).unwrap();
    assert_eq!((listing.labels.len(), listing.tokens()), (2, &[" ", "を", "刻", "時", "水"].map(String::from)[..]));
    let words = dataset(&["yes/a_07.wav", "no/b_08.wav"], &[]);
    let error = Listing::scan(&[jsut.path().to_path_buf(), words.path().to_path_buf()]).unwrap_err();
    assert!(error.message.contains("has texts beside labels"), "{error}");

    let lj = dataset(&["wavs/L1.wav"], &[("metadata.csv", "L1|Dr. \"No\"|doctor no\n")]);
    assert_eq!(report(&lj).characters.keys().collect::<String>(), " cdnort");

    let row = |speaker: &str, name: &str| format!("{speaker}\t{name}\tsay \"{name}\n");
    let header = "client_id\tpath\tsentence\n";
    let voice = dataset(
        &["clips/a.wav", "clips/b.wav", "clips/c.wav"],
        &[
            ("train.tsv", &format!("{header}{}", row("s1", "a.wav"))),
            ("dev.tsv", &format!("{header}{}", row("s2", "b.wav"))),
            ("test.tsv", &format!("{header}{}", row("s3", "c.wav"))),
        ],
    );
    let report_of_voice = report(&voice);
    assert_eq!((report_of_voice.train, report_of_voice.validation, report_of_voice.test), (1, 1, 1));
    assert_eq!((report_of_voice.speakers, report_of_voice.characters[&'"']), (3, 3));
}

#[test]
fn a_speaker_is_in_one_split_and_added_files_move_none() {
    let rows = |speakers: usize| -> String {
        (0..speakers).flat_map(|s| [0, 1].map(|take| format!("speaker{s}\tclip{s}_{take}.wav\ttext\n"))).collect()
    };
    let names = |speakers: usize| -> Vec<String> {
        (0..speakers).flat_map(|s| [0, 1].map(|take| format!("clips/clip{s}_{take}.wav"))).collect()
    };
    let splits = |speakers: usize| -> HashMap<String, BTreeSet<String>> {
        let names = names(speakers);
        let table = format!("client_id\tpath\tsentence\n{}", rows(speakers));
        let folder = dataset(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[("validated.tsv", &table)]);
        let mut splits: HashMap<String, BTreeSet<String>> = HashMap::new();
        for item in Survey::of(folder.path()).unwrap().items {
            splits.entry(item.speaker.unwrap()).or_default().insert(format!("{:?}", item.split));
        }
        splits
    };
    let (few, many) = (splits(20), splits(30));
    assert!(many.values().all(|splits| splits.len() == 1), "{many:?}");
    assert!(few.iter().all(|(speaker, split)| many[speaker] == *split));
    assert_eq!(many.values().flatten().collect::<BTreeSet<_>>().len(), 3, "all splits occur");
}

#[test]
fn label_tracks_cut_recordings_into_clips() {
    let folder = tempfile::tempdir().unwrap();
    let recording: Vec<f32> = (0..10).flat_map(|number| tone(number, 0.5)).collect();
    write_wav(&folder.path().join("talk.wav"), 8_000, &recording);
    let lines =
        (0..10).map(|at| format!("{}\t{}\t{}\n", 0.5 * at as f32, 0.5 * at as f32 + 0.4, ["turn on", "はい"][at % 2]));
    let wrong = "2\t1\tbackwards\n0\tx\tno time\n0\t1\t \n\\\t100\t200\n9\t9.5\tbehind\n0\t0.3\t_hum\n";
    write(folder.path(), "talk.txt", lines.collect::<String>() + wrong);
    let report = report(&folder);
    assert_eq!((report.form, report.items, report.background), (Form::LabelTracks, 10, 1));
    assert_eq!(report.labels["turn on"], 5);
    let faults: Vec<Fault> = report.skipped.iter().map(|skipped| skipped.fault).collect();
    assert_eq!(faults, [Fault::BadLine, Fault::BadLine, Fault::BadLine, Fault::TooShort]);
    assert!(report.skipped[0].reason.contains("line 11: from 2 s to 1 s is no part"), "{report:?}");
    let listing = Listing::scan(&[folder.path().to_path_buf()]).unwrap();
    let loaded = Loader::new(listing, 8_000).finish().unwrap();
    assert_eq!((loaded.clips.len(), loaded.background.len()), (10, 1));
    assert!(loaded.clips.iter().all(|clip| clip.samples.len() == 3_200));
}

#[test]
fn the_digits_and_the_wake_words_are_summarised() {
    let Some(data) = std::env::var_os("SESERAGI_DATA") else {
        eprintln!("SESERAGI_DATA is not set: the real sets are not checked");
        return;
    };
    let report = check(&Path::new(&data).join("spoken-digits"), &|_, _| {}).unwrap();
    assert_eq!((report.items, report.labels.len(), report.test, report.speakers), (2_500, 10, 250, 5));
    assert!(report.skipped.is_empty() && report.imbalance == 1.0, "{report}");
    let report = check(&Path::new(&data).join("wake-words"), &|_, _| {}).unwrap();
    assert_eq!((report.items, report.labels.len()), (1_124, 3), "{report}");
}
