//! The chunks of a session file: where each is, what it holds, and whether it is whole. The one place that takes MCAP apart.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use mcap::{
    MAGIC,
    read::{LinearReader, parse_record},
    records::{ChunkHeader, Record, op},
};

use crate::{Error, Result};

/// Op code and length in front of a record.
const RECORD_HEAD: u64 = 9;
/// The footer with its head, and the magic behind it.
const FOOTER: u64 = RECORD_HEAD + 20 + MAGIC.len() as u64;
/// No record of a session is longer, so that a damaged length asks for no memory.
const LONGEST_RECORD: u64 = 256 << 20;
/// Chunks whose content is kept, so that sound that is read on and on is unpacked once.
const KEPT_CHUNKS: usize = 4;
/// How far into a chunk record the name of its compression lies, and how it reads: the sign by which the next chunk is found
/// behind damage.
const SIGN_AT: usize = RECORD_HEAD as usize + 28;
const SIGN: &[u8] = b"\x04\0\0\0zstd";
/// What stands in front of a chunk's data, the record's head included.
const CHUNK_HEAD: u64 = (SIGN_AT + SIGN.len()) as u64 + 8;

/// A channel of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    /// Its topic.
    pub topic: String,
    /// What its writer said of it.
    pub metadata: BTreeMap<String, String>,
}

/// Where a chunk is and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkEntry {
    pub offset: u64,
    pub len: u64,
    /// Times of its first and last message, nanoseconds since 1970.
    pub start: u64,
    pub end: u64,
    /// Which channels, as an index into `sets`: the same few sets come again and again.
    set: u16,
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub channel: u16,
    pub log_time: u64,
    pub data: Vec<u8>,
}

/// A part of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins in the file, bytes.
    pub offset: u64,
    /// How long it is, bytes.
    pub len: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {}: {}", self.offset, self.offset + self.len, self.what)
    }
}

/// The chunks of a file.
pub(super) struct Chunks {
    file: Mutex<File>,
    pub len: u64,
    /// Whether the file ends as it should, with an index.
    pub is_finished: bool,
    pub channels: BTreeMap<u16, Channel>,
    pub entries: Vec<ChunkEntry>,
    sets: Vec<Box<[u16]>>,
    damage: Mutex<BTreeMap<u64, Damage>>,
    kept: Mutex<Vec<(u64, Arc<[Message]>)>>,
}

impl Chunks {
    /// Opens a file by its index; one without an index, or with a damaged one, by reading all of it.
    pub fn open(path: &Path) -> Result<Self> {
        let io = |error| Error::io(format_args!("cannot read {}", path.display()), &error);
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let mut magic = [0; MAGIC.len()];
        if len < magic.len() as u64 || file.read_exact(&mut magic).is_err() || magic != *MAGIC {
            let message = format!("{} is no session file: it does not begin as an MCAP file does", path.display());
            return Err(Error::invalid(message));
        }
        let mut chunks = Self {
            file: Mutex::new(file),
            len,
            is_finished: false,
            channels: BTreeMap::new(),
            entries: Vec::new(),
            sets: Vec::new(),
            damage: Mutex::default(),
            kept: Mutex::default(),
        };
        match chunks.read_index() {
            Ok(is_finished) => chunks.is_finished = is_finished,
            Err(what) => chunks.note(len.saturating_sub(FOOTER), FOOTER.min(len), what),
        }
        if !chunks.is_finished {
            chunks.scan().map_err(io)?;
        }
        Ok(chunks)
    }

    /// Whether a file ends with the magic of a finished one.
    pub fn has_end(path: &Path) -> Result<bool> {
        let io = |error| Error::io(format_args!("cannot read {}", path.display()), &error);
        let mut file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let mut end = [0; MAGIC.len()];
        if len < 2 * end.len() as u64 {
            return Ok(false);
        }
        file.seek(SeekFrom::End(-(end.len() as i64))).map_err(io)?;
        file.read_exact(&mut end).map_err(io)?;
        Ok(end == *MAGIC)
    }

    /// What could not be read so far, in order.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Whether a chunk holds messages of a channel.
    pub fn holds(&self, entry: &ChunkEntry, channel: u16) -> bool {
        self.sets[usize::from(entry.set)].contains(&channel)
    }

    /// The messages of a chunk; none, and the damage is noted, if it cannot be read.
    pub fn messages(&self, entry: &ChunkEntry) -> Arc<[Message]> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = kept.iter().position(|(offset, _)| *offset == entry.offset) {
            let found = kept.remove(place);
            kept.push(found.clone());
            return found.1;
        }
        let mut bytes = Vec::new();
        let mut messages = Vec::new();
        let done = self
            .bytes(entry.offset, entry.len, &mut bytes)
            .map_err(|error| error.to_string())
            .and_then(|()| unpack(&bytes, |record| messages.extend(message_of(record))));
        if let Err(what) = done {
            self.note(entry.offset, entry.len, what);
            messages.clear();
        }
        let messages: Arc<[Message]> = messages.into();
        if kept.len() == KEPT_CHUNKS {
            kept.remove(0);
        }
        kept.push((entry.offset, messages.clone()));
        messages
    }

    fn note(&self, offset: u64, len: u64, what: String) {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        damage.insert(offset, Damage { offset, len, what });
    }

    fn bytes(&self, offset: u64, len: u64, into: &mut Vec<u8>) -> std::io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        into.resize(len as usize, 0);
        file.read_exact(into)
    }

    /// Reads the index at the end of the file. `Ok(false)` where there is none: the file was not finished.
    fn read_index(&mut self) -> Result<bool, String> {
        let mut bytes = Vec::new();
        if self.len < MAGIC.len() as u64 + FOOTER {
            return Ok(false);
        }
        let footer_at = self.len - FOOTER;
        self.bytes(footer_at, FOOTER, &mut bytes).map_err(|error| error.to_string())?;
        if bytes[FOOTER as usize - MAGIC.len()..] != *MAGIC {
            return Ok(false);
        }
        let damaged = || "the index is damaged".to_owned();
        let Ok(Record::Footer(footer)) = parse_record(op::FOOTER, &bytes[RECORD_HEAD as usize..]) else {
            return Err(damaged());
        };
        if bytes[0] != op::FOOTER || footer.summary_start == 0 || footer.summary_start > footer_at {
            return Err(damaged());
        }
        let len = self.len - MAGIC.len() as u64 - footer.summary_start;
        self.bytes(footer.summary_start, len, &mut bytes).map_err(|error| error.to_string())?;
        let (checked, _crc) = bytes.split_at(bytes.len() - 4);
        if crc32fast::hash(checked) != footer.summary_crc {
            return Err(damaged());
        }
        let records = checked.len() - (RECORD_HEAD as usize + 16);
        for record in LinearReader::sans_magic(&checked[..records]) {
            match record.map_err(|error| error.to_string())? {
                Record::Channel(channel) => self.know(channel),
                Record::ChunkIndex(index) => {
                    let channels: Vec<u16> = index.message_index_offsets.into_keys().collect();
                    let set = self.set(&channels);
                    let (start, end) = (index.message_start_time, index.message_end_time);
                    let (offset, len) = (index.chunk_start_offset, index.chunk_length);
                    if offset.checked_add(len).is_none_or(|end| end > footer.summary_start) || len < RECORD_HEAD {
                        return Err(damaged());
                    }
                    self.entries.push(ChunkEntry { offset, len, start, end, set });
                }
                _ => (),
            }
        }
        Ok(true)
    }

    /// Reads all of the file; what is not whole is noted and passed over.
    fn scan(&mut self) -> std::io::Result<()> {
        (self.entries, self.sets) = (Vec::new(), Vec::new());
        let (mut at, mut bytes) = (MAGIC.len() as u64, Vec::new());
        while at + RECORD_HEAD <= self.len {
            self.bytes(at, RECORD_HEAD, &mut bytes)?;
            let (code, len) = head_of(&bytes);
            let end = len.and_then(|len| at.checked_add(RECORD_HEAD + len)).filter(|&end| end <= self.len);
            let is_known = (op::HEADER..=op::DATA_END).contains(&code);
            let Some(end) = end.filter(|_| is_known) else {
                at = self.skip_damage(at)?;
                continue;
            };
            if code == op::DATA_END || code == op::FOOTER {
                match self.next_chunk(at + 1)? {
                    None => break, // Behind it lies the index only.
                    Some(next) => {
                        self.note(at, next - at, "not a record".into());
                        at = next;
                        continue;
                    }
                }
            }
            if code == op::CHUNK {
                self.bytes(at, end - at, &mut bytes)?;
                if let Err(what) = self.take_chunk(at, &bytes) {
                    // A chunk whose length is damaged swallows those behind it: look for the next right after its head.
                    match self.next_chunk(at + 1)? {
                        Some(next) if next < end => {
                            self.note(at, next - at, what);
                            at = next;
                            continue;
                        }
                        _ => self.note(at, end - at, what),
                    }
                }
            }
            at = end;
        }
        if at != self.len && at + RECORD_HEAD > self.len {
            self.note(at, self.len - at, "the file ends in the middle of a record".into());
        }
        Ok(())
    }

    fn skip_damage(&mut self, at: u64) -> std::io::Result<u64> {
        let next = self.next_chunk(at + 1)?;
        let what = match next {
            Some(_) => "not a record".to_owned(),
            None => "the file ends in the middle of a record".to_owned(),
        };
        let end = next.unwrap_or(self.len);
        self.note(at, end - at, what);
        Ok(end)
    }

    /// The next place at or behind `from` where a chunk begins, by its sign and the agreement of its two lengths.
    fn next_chunk(&self, from: u64) -> std::io::Result<Option<u64>> {
        const WINDOW: u64 = 1 << 20;
        let (mut at, mut bytes) = (from, Vec::new());
        while at < self.len {
            let len = WINDOW.min(self.len - at);
            self.bytes(at, len, &mut bytes)?;
            for place in memmem(&bytes, SIGN) {
                let Some(start) = (at + place as u64).checked_sub(SIGN_AT as u64).filter(|&start| start >= from) else {
                    continue;
                };
                let mut head = Vec::new();
                if start + CHUNK_HEAD > self.len {
                    continue;
                }
                self.bytes(start, CHUNK_HEAD, &mut head)?;
                let (code, len) = head_of(&head);
                let data = head[SIGN_AT + SIGN.len()..].first_chunk().map(|&len| u64::from_le_bytes(len));
                let agrees =
                    len.zip(data).is_some_and(|(len, data)| len == data.saturating_add(CHUNK_HEAD - RECORD_HEAD));
                if code == op::CHUNK && agrees {
                    return Ok(Some(start));
                }
            }
            at += if len == WINDOW { WINDOW - SIGN.len() as u64 } else { len };
        }
        Ok(None)
    }

    /// Enters a chunk that was read whole.
    fn take_chunk(&mut self, offset: u64, bytes: &[u8]) -> Result<(), String> {
        let (mut channels, mut known, mut times) = (Vec::new(), Vec::new(), (u64::MAX, 0));
        unpack(bytes, |record| match record {
            Record::Channel(channel) => known.push(channel),
            Record::Message { header, .. } => {
                times = (header.log_time.min(times.0), header.log_time.max(times.1));
                if !channels.contains(&header.channel_id) {
                    channels.push(header.channel_id);
                }
            }
            _ => (),
        })?;
        known.into_iter().for_each(|channel| self.know(channel));
        channels.sort_unstable();
        let set = self.set(&channels);
        self.entries.push(ChunkEntry { offset, len: bytes.len() as u64, start: times.0, end: times.1, set });
        Ok(())
    }

    fn know(&mut self, channel: mcap::records::Channel) {
        let known = Channel { topic: channel.topic, metadata: channel.metadata };
        self.channels.entry(channel.id).or_insert(known);
    }

    fn set(&mut self, channels: &[u16]) -> u16 {
        let known = self.sets.iter().position(|set| **set == *channels);
        let place = known.unwrap_or_else(|| {
            self.sets.push(channels.into());
            self.sets.len() - 1
        });
        // 65,536 different sets would need a file that no recorder writes; its last set then stands for the others.
        u16::try_from(place).unwrap_or(u16::MAX)
    }
}

fn head_of(bytes: &[u8]) -> (u8, Option<u64>) {
    let len = bytes[1..].first_chunk().map(|&len| u64::from_le_bytes(len)).filter(|&len| len <= LONGEST_RECORD);
    (bytes[0], len)
}

fn message_of(record: Record<'_>) -> Option<Message> {
    let Record::Message { header, data } = record else { return None };
    Some(Message { channel: header.channel_id, log_time: header.log_time, data: data.into_owned() })
}

/// Takes a chunk record apart, its head included, and checks its CRC.
fn unpack(bytes: &[u8], mut each: impl FnMut(Record<'_>)) -> Result<(), String> {
    let body = bytes.get(RECORD_HEAD as usize..).ok_or("the chunk is cut off")?;
    let (code, len) = head_of(bytes);
    if code != op::CHUNK || len != Some(body.len() as u64) {
        return Err("the chunk's head is damaged".into());
    }
    let (header, data) = match parse_record(op::CHUNK, body) {
        Ok(Record::Chunk { header, data }) => (header, data),
        Ok(_) => return Err("the chunk's head is damaged".into()),
        Err(error) => return Err(format!("the chunk is damaged: {error}")),
    };
    let ChunkHeader { uncompressed_size, uncompressed_crc, compression, .. } = header;
    if uncompressed_size > LONGEST_RECORD {
        return Err("the chunk's head is damaged".into());
    }
    // Checked before it is taken apart: a damaged length inside would ask for any amount of memory.
    let records = match compression.as_str() {
        "" => data,
        "zstd" => zstd::bulk::decompress(&data, uncompressed_size as usize)
            .map_err(|error| format!("the chunk is damaged: {error}"))?
            .into(),
        other => return Err(format!("the chunk is compressed with {other}, which is not read here")),
    };
    if records.len() as u64 != uncompressed_size || crc32fast::hash(&records) != uncompressed_crc {
        return Err("the chunk is damaged: its CRC is wrong".into());
    }
    for record in LinearReader::sans_magic(&records) {
        each(record.map_err(|error| format!("the chunk cannot be taken apart: {error}"))?);
    }
    Ok(())
}

/// Where `needle` begins in `bytes`.
fn memmem<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(place, _)| place)
}
