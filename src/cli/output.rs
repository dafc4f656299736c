//! What the subcommands write: results to the standard output, complaints to the standard error. Neither end need be there: a
//! closed pipe (`| head`) ends the program without a word.

use std::io::{self, Write};

use crate::{Error, ErrorKind};

/// Why a subcommand ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// This is to be told.
    Error(Error),
    /// Something of this kind was told already; the rest was done.
    Told(ErrorKind),
    /// Whoever read the output has closed it.
    PipeClosed,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Writes one line of results.
pub(super) fn line(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::PipeClosed,
        _ => Error::io("cannot write the results", &error).into(),
    })
}

/// Writes one result as a line of JSON.
pub(super) fn json_line(value: &impl serde::Serialize) -> Result<(), Stop> {
    let text = serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("a result cannot be written as JSON: {error}")))?;
    line(&text)
}

/// Tells the user of an error.
pub(super) fn complain(error: &Error) {
    note(&error.message);
}

/// Tells the user something beside the results.
pub(super) fn note(text: &str) {
    // Where even this cannot be written, nobody is there to be told.
    let _ = writeln!(io::stderr(), "seseragi: {text}");
}

/// Rows in columns as wide as they need to be, two blanks apart.
pub(super) fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let pad = |(cell, width): (&String, &usize)| format!("{cell:width$}", width = *width);
    let join = |row: &Vec<String>| row.iter().zip(&widths).map(pad).collect::<Vec<_>>().join("  ");
    rows.iter().map(|row| join(row).trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let rows = [vec!["NAME".to_owned(), "WORDS".to_owned()], vec!["x".to_owned(), String::new()]];
        assert_eq!(table(&rows), ["NAME  WORDS", "x"]);
        assert!(table(&[]).is_empty());
    }
}
