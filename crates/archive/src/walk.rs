//! Goes through an archive's log from its first event to its last, and hands out each event once it has been held against everything before it.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use tact_domain::envelope::Hash;

use crate::segment::{Head, Item, Reading};
use crate::tally::{Flaw, Tally};
use crate::{Damage, Entry, FORMAT, Manifest, SegmentFile};

/// Read at once from a file.
const BUFFER: usize = 256 * 1024;

/// On its way through an archive's log.
#[derive(Debug)]
pub struct Walk<'a> {
    folder: PathBuf,
    manifest: &'a Manifest,
    /// The number of the segment that comes next.
    next: usize,
    open: Option<Open<'a>>,
    chain: Hash,
    pub(crate) tally: Tally,
    /// Whether something before was damaged: what comes cannot be held against it then.
    broken: bool,
}

#[derive(Debug)]
struct Open<'a> {
    entry: &'a SegmentFile,
    lines: Reading<BufReader<File>>,
}

impl<'a> Walk<'a> {
    /// At the beginning.
    pub fn new(folder: &Path, manifest: &'a Manifest) -> Self {
        Self { folder: folder.to_owned(), manifest, next: 0, open: None, chain: [0; 32], tally: Tally::default(), broken: false }
    }

    /// The next event, the hash of its leaf and what contradicts its place by its own word; none behind the last one. After damage the
    /// walk goes on with the next segment.
    ///
    /// # Errors
    /// [`Damage`], once for each segment that has any.
    pub fn step(&mut self) -> Result<Option<(Entry, Hash, Option<Flaw>)>, Damage> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(entry) = self.manifest.log.segments.get(self.next) else { return self.end().map(|()| None) };
                self.next += 1;
                self.open = Some(self.begin(entry)?);
                continue;
            };
            let (file, expected) = (&open.entry.file, self.tally.last + 1);
            let damage = |position, problem| Damage { file: file.clone(), position, problem };
            // What should be the segment's last line is no event's.
            let placed = |position: Option<u64>| position.filter(|position| *position <= open.entry.last);
            let next = open.lines.next(expected).map_err(|(position, problem)| damage(placed(position), problem));
            let item = next.and_then(|item| match item {
                Item::Event(entry) if self.broken && entry.position == expected => Ok(Item::Event(entry)),
                Item::Event(entry) => match self.tally.fits(&entry) {
                    Ok(()) => Ok(Item::Event(entry)),
                    Err(problem) => Err(damage(Some(expected), problem)),
                },
                Item::End(end) => {
                    let counted = self.tally.last + 1 - open.entry.first;
                    let last = (end.last, end.count) == (self.tally.last, counted) && end.last == open.entry.last;
                    let root = self.broken || end.root == hex::encode(self.tally.tree.root());
                    let chain = open.entry.chain == hex::encode(open.lines.chain);
                    match (last, root, chain) {
                        (true, true, true) => Ok(Item::End(end)),
                        (false, ..) => Err(damage(
                            None,
                            format!("it ends with event {} of {counted}, and should with {}", self.tally.last, open.entry.last),
                        )),
                        _ => Err(damage(None, "its last line does not fit its events".to_owned())),
                    }
                }
            });
            match item {
                Ok(Item::Event(entry)) => {
                    let (leaf, flaw) = self.tally.take(&entry);
                    return Ok(Some((entry, leaf, flaw.filter(|_| !self.broken))));
                }
                Ok(Item::End(_)) => {
                    self.chain = open.lines.chain;
                    self.open = None;
                }
                Err(damage) => {
                    self.broken = true;
                    self.open = None;
                    return Err(damage);
                }
            }
        }
    }

    fn begin(&mut self, entry: &'a SegmentFile) -> Result<Open<'a>, Damage> {
        let begun = self.look(entry);
        if let Err(damage) = begun {
            self.broken = true;
            return Err(damage);
        }
        begun
    }

    fn look(&mut self, entry: &'a SegmentFile) -> Result<Open<'a>, Damage> {
        let damage = |problem: String| Damage { file: entry.file.clone(), position: None, problem };
        // After damage the next segment still says where it begins.
        let before = if self.broken { entry.first.saturating_sub(1) } else { self.tally.last };
        self.tally.last = before;
        if entry.first != before + 1 {
            let problem =
                format!("it begins with event {}, and events {} to {} are missing", entry.first, before + 1, entry.first - 1);
            // The segment itself may be whole: it is looked at next.
            self.next -= 1;
            return Err(Damage { position: Some(before + 1), ..damage(problem) });
        }
        let path = self.folder.join(&entry.file);
        let missing = format!("it is missing, with events {} to {}", entry.first, entry.last);
        let file = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Damage { position: Some(entry.first), ..damage(missing) });
            }
            file => file.map_err(|error| damage(error.to_string()))?,
        };
        let (lines, head) = Reading::begin(BufReader::with_capacity(BUFFER, file)).map_err(|(_, problem)| damage(problem))?;
        let Manifest { archive, network, .. } = self.manifest;
        let Head { previous, .. } = &head;
        let wanted = Head {
            format: FORMAT,
            archive: *archive,
            network: network.clone(),
            first: entry.first,
            previous: if self.broken { previous.clone() } else { hex::encode(self.chain) },
        };
        if head != wanted {
            return Err(damage(format!("its first line says {head:?}, and should say {wanted:?}")));
        }
        Ok(Open { entry, lines })
    }

    fn end(&mut self) -> Result<(), Damage> {
        let log = &self.manifest.log;
        let holds = log.last == self.tally.last && log.root == hex::encode(self.tally.tree.root());
        if self.broken || holds {
            return Ok(());
        }
        self.broken = true;
        let problem = format!(
            "it says that the log has {} events with root {}, and there are {} with root {}",
            log.last,
            log.root,
            self.tally.last,
            hex::encode(self.tally.tree.root())
        );
        Err(Damage { file: crate::manifest::NAME.to_owned(), position: None, problem })
    }

    /// The last hash of the chain, once the walk has come to its end.
    pub(crate) fn chain(&self) -> Hash {
        self.chain
    }
}
