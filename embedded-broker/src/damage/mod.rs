//! Damage to every kind of file the broker keeps: each is cut at every byte of its end, and loses single bits. A broker that is started on
//! what is left either says which file it is, or goes on without having lost what was before the damage, and makes nothing up.
//!
//! By default some of all cases are tried, chosen by a seed. `WEIR_DAMAGE_ALL=1 cargo test -p weir-broker --lib damage` tries all.

mod facts;
mod folder;
mod kinds;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk as _, MemoryDisk, RealDisk};
use crate::simulation::random::Random;
use facts::{Damage, Facts};
use kinds::{KINDS, Outcome, kind_of};

/// Cut at every byte of so many at the end.
const CUT_BYTES: usize = 4 * 1024;
/// One bit of each of so many bytes at the end.
const FLIPPED_BYTES: usize = 1024;
/// Bits before that.
const FLIPPED_ELSEWHERE: usize = 32;
/// Of the cuts of a file, and of its bits, by default.
const TRIED: usize = 50;

/// What happens to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// Only so many bytes are left.
    CutAt(usize),
    /// This bit of this byte has changed.
    Flipped(usize, u8),
}

#[test]
fn every_file_is_of_a_known_kind() {
    let (disk, dir) = (MemoryDisk::default(), tempfile::tempdir().unwrap());
    folder::build(Arc::new(disk.clone()), "/data");
    folder::build(Arc::new(RealDisk), dir.path().to_str().unwrap());
    let _locked = RealDisk.lock(dir.path()).unwrap();
    let amid = ["*.cleaned", "*.swap"].map(|kind| folder::amid_compaction(&disk, kind).paths());
    let paths = [disk.paths(), folder::files_below(dir.path())].into_iter().chain(amid).flatten();
    let mut met: Vec<&str> = Vec::new();
    for path in paths {
        let kind = kind_of(&path).unwrap_or_else(|| panic!("{} is of a kind that stands not in KINDS", path.display()));
        met.push(kind.name);
    }
    // What it stands for is gone before a folder can be looked at.
    let missing: Vec<_> = KINDS.iter().map(|kind| kind.name).filter(|name| !met.contains(name) && *name != "*.tmp").collect();
    assert!(missing.is_empty(), "nothing of these kinds is damaged here: {missing:?}");
}

#[test]
fn damage_is_survived_or_told() {
    let whole = MemoryDisk::default();
    folder::build(Arc::new(whole.clone()), "/data");
    let without_snapshots = whole.copy();
    for path in whole.paths().into_iter().filter(|path| kind_of(path).unwrap().name == "*.producers") {
        without_snapshots.remove_file(&path).unwrap();
    }
    // With the one kind of file that is damaged there; `None`: all.
    let folders = [
        (whole.copy(), None),
        // Then everything is read again.
        (without_snapshots, Some("*.log")),
        (folder::amid_compaction(&whole, "*.cleaned"), Some("*.cleaned")),
        (folder::amid_compaction(&whole, "*.swap"), Some("*.swap")),
    ];
    let seed = std::env::var("WEIR_DAMAGE_SEED").ok().map_or(1, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    for (disk, meant) in &folders {
        let facts = Facts::of(disk, &folder::open(Arc::new(disk.copy()), "/data").unwrap());
        let mut cases = Vec::new();
        for path in disk.paths().into_iter().filter(|path| meant.is_none_or(|meant| kind_of(path).unwrap().name == meant)) {
            cases.extend(harms(disk.read(&path).unwrap().len(), &mut random).into_iter().map(|harm| (path.clone(), harm)));
        }
        try_all(disk, &facts, &cases, seed);
    }
}

fn harms(size: usize, random: &mut Random) -> Vec<Harm> {
    let flip = |at: usize, random: &mut Random| Harm::Flipped(at, random.below(8) as u8);
    let mut cuts: Vec<Harm> = (size.saturating_sub(CUT_BYTES)..size).map(Harm::CutAt).collect();
    let tail = size.saturating_sub(FLIPPED_BYTES);
    let mut flips: Vec<Harm> = (tail..size).map(|at| flip(at, random)).collect();
    flips.extend((0..FLIPPED_ELSEWHERE.min(tail)).map(|_| random.below(tail as u64) as usize).map(|at| Harm::Flipped(at, 0)));
    if std::env::var_os("WEIR_DAMAGE_ALL").is_none() {
        for harms in [&mut cuts, &mut flips] {
            while harms.len() > TRIED {
                harms.swap_remove(random.below(harms.len() as u64) as usize);
            }
        }
    }
    cuts.append(&mut flips);
    cuts
}

fn try_all(disk: &MemoryDisk, facts: &Facts, cases: &[(PathBuf, Harm)], seed: u64) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for cases in cases.chunks(cases.len().div_ceil(threads).max(1)) {
            scope.spawn(move || {
                for (path, harm) in cases {
                    let tried = catch_unwind(AssertUnwindSafe(|| try_one(disk, facts, path, *harm)));
                    if let Err(panic) = tried {
                        eprintln!("{}: {harm:?}; WEIR_DAMAGE_SEED={seed} shows it again", path.display());
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}

fn try_one(disk: &MemoryDisk, facts: &Facts, path: &Path, harm: Harm) {
    let disk = disk.copy();
    let mut from = 0;
    disk.corrupt(path, |bytes| match harm {
        Harm::CutAt(size) => {
            bytes.truncate(size);
            from = size;
        }
        Harm::Flipped(at, bit) => {
            bytes[at] ^= 1 << bit;
            from = at;
        }
    });
    let outcome = kind_of(path).unwrap().outcome;
    match folder::open(Arc::new(disk), "/data") {
        Err(error) => {
            assert_eq!(outcome, Outcome::Refuses, "{error}");
            assert!(error.to_string().contains(&*path.to_string_lossy()), "it does not name the file: {error}");
        }
        // The damage may also be none: a hexadecimal digit has two forms.
        Ok(node) => facts.check(&node, &Damage { path, from: if outcome == Outcome::KeepsWhatIsBefore { from } else { usize::MAX } }),
    }
}
