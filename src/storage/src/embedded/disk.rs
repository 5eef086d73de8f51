//! A disk that loses its power: what was synced stays, of what was written since anything may have arrived.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// A file on such a disk, in memory.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// What a power cut leaves for sure.
    synced: Vec<u8>,
    /// What the process reads.
    seen: Vec<u8>,
    /// What was done since the last sync.
    since: Vec<Deed>,
    /// The power is cut by this deed from now.
    cut_in: Option<u64>,
    after_cut: Option<Vec<u8>>,
    rng: StdRng,
}

#[derive(Clone, Debug)]
enum Deed {
    Write { at: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Disk {
    /// A disk that holds this file, and loses its power at that deed.
    pub(super) fn holding(file: Vec<u8>, cut_in: u64, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            seen: file.clone(),
            synced: file,
            since: Vec::new(),
            cut_in: Some(cut_in),
            after_cut: None,
            rng: StdRng::seed_from_u64(seed),
        })))
    }

    /// What the file is after the power was cut; nothing before that.
    pub(super) fn after_cut(&self) -> Option<Vec<u8>> {
        self.0.lock().after_cut.clone()
    }

    pub(super) fn len(&self) -> u64 {
        self.0.lock().seen.len() as u64
    }

    pub(super) fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let at = usize::try_from(offset).map_err(Error::other)?;
        let state = self.0.lock();
        let found = state.seen.get(at..at + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let at = usize::try_from(offset).map_err(Error::other)?;
        self.0.lock().act(Deed::Write { at, bytes: bytes.to_vec() })
    }

    pub(super) fn set_len(&self, len: u64) -> Result<(), Error> {
        let len = usize::try_from(len).map_err(Error::other)?;
        self.0.lock().act(Deed::Resize(len))
    }

    pub(super) fn sync(&self) -> Result<(), Error> {
        let mut state = self.0.lock();
        state.powered()?;
        state.synced = state.seen.clone();
        state.since.clear();
        Ok(())
    }
}

impl State {
    /// Without power nothing is written and nothing is synced.
    fn powered(&self) -> Result<(), Error> {
        match self.after_cut {
            None => Ok(()),
            Some(_) => Err(Error::from(ErrorKind::BrokenPipe)),
        }
    }

    fn act(&mut self, deed: Deed) -> Result<(), Error> {
        self.powered()?;
        deed.apply(&mut self.seen, |_| true);
        self.since.push(deed);
        self.cut_in = self.cut_in.map(|left| left.saturating_sub(1));
        if self.cut_in == Some(0) {
            self.after_cut = Some(self.cut());
            return self.powered();
        }
        Ok(())
    }

    /// Some of what was not synced has arrived, in whatever order, and some of that in part.
    fn cut(&mut self) -> Vec<u8> {
        let mut file = self.synced.clone();
        let mut deeds = self.since.clone();
        for last in (1..deeds.len()).rev() {
            deeds.swap(last, self.rng.random_range(0..=last));
        }
        for deed in deeds {
            match self.rng.random_range(0..3) {
                0 => {}
                1 => deed.apply(&mut file, |_| true),
                _ => deed.apply(&mut file, |_| self.rng.random_bool(0.5)),
            }
        }
        file
    }
}

impl Deed {
    /// Does it, sector by sector as far as they arrive.
    fn apply(&self, file: &mut Vec<u8>, mut arrives: impl FnMut(usize) -> bool) {
        match self {
            Self::Resize(len) => file.resize(*len, 0),
            Self::Write { at, bytes } => {
                if file.len() < at + bytes.len() {
                    file.resize(at + bytes.len(), 0);
                }
                for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                    if arrives(number) {
                        let from = at + number * SECTOR;
                        file[from..from + sector.len()].copy_from_slice(sector);
                    }
                }
            }
        }
    }
}
