//! Objects of a store, read in ranges. What is there is listed once, and must stay as it was listed.
//!
//! ```text
//! root  s3://bucket/extract                      one listing ─► key ─► size, entity tag, moment of its last change
//! path  s3://bucket/extract/patients.parquet     every read asks for bytes of *that* object, or fails
//! ```

mod ranges;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use self::ranges::{gathered, requests};
use super::courier::Courier;
use super::identity::Identity;
use super::store::{Entry, FileStore, StoredFile, length_of};
use crate::policy::ScanPermit;
use crate::problem::StoreProblem;

/// Most bytes of a request.
pub(super) const REQUEST_BYTES_MAX: u64 = 8 << 20;
/// Requests for a file's ranges that are under way at the same time.
const REQUESTS_AT_ONCE: usize = 8;
/// Files whose heads are read at the same time.
const OPENED_AT_ONCE: usize = 8;
/// Most objects of an extract.
const OBJECTS_MAX: usize = 1_000_000;

/// The objects below a prefix.
pub(crate) struct ObjectFiles {
    store: Arc<dyn ObjectStore>,
    courier: Arc<Courier>,
    root: PathBuf,
    prefix: Key,
    /// By path, once they have been listed
    listed: Mutex<Option<Arc<Listing>>>,
}

type Listing = BTreeMap<PathBuf, ObjectMeta>;

impl fmt::Debug for ObjectFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A store's own text could show what it was configured with.
        f.debug_struct("ObjectFiles").field("root", &self.root).finish_non_exhaustive()
    }
}

impl ObjectFiles {
    /// The objects below `prefix`, whose paths begin with `root`.
    pub(crate) fn new(store: Arc<dyn ObjectStore>, root: PathBuf, prefix: Key) -> io::Result<Self> {
        Ok(Self { store, courier: Arc::new(Courier::start()?), root, prefix, listed: Mutex::default() })
    }

    /// What is there now, below a folder.
    fn list(&self, folder: &Path) -> io::Result<Listing> {
        let (store, prefix) = (Arc::clone(&self.store), self.key(folder)?);
        let found: Vec<ObjectMeta> = self.courier.fetch(async move {
            let prefix = (!prefix.as_ref().is_empty()).then_some(prefix);
            store.list(prefix.as_ref()).take(OBJECTS_MAX + 1).try_collect().await
        })?;
        if found.len() > OBJECTS_MAX {
            return Err(StoreProblem::TooMany.into());
        }
        let path = |object: ObjectMeta| {
            let below: Option<PathBuf> = object
                .location
                .prefix_match(&self.prefix)
                .map(|parts| parts.map(|part| part.as_ref().to_owned()).collect());
            below.map(|below| (self.root.join(below), object))
        };
        Ok(found.into_iter().filter_map(path).collect())
    }

    /// The key of a path.
    fn key(&self, path: &Path) -> io::Result<Key> {
        let below = path.strip_prefix(&self.root).map_err(|_| StoreProblem::Missing)?;
        let part = |part: std::path::Component<'_>| part.as_os_str().to_string_lossy().into_owned();
        let parts = std::iter::once(self.prefix.as_ref().to_owned()).chain(below.components().map(part));
        let key = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
        Key::parse(key).map_err(|_| StoreProblem::Missing.into())
    }

    /// What was there when it was first asked for.
    fn listing(&self) -> io::Result<Arc<Listing>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listing) = &*listed {
            return Ok(Arc::clone(listing));
        }
        let listing = Arc::new(self.list(&self.root)?);
        *listed = Some(Arc::clone(&listing));
        Ok(listing)
    }
}

/// The objects of a listing that lie in a folder or below it.
fn below<'l>(listing: &'l Listing, folder: &'l Path) -> impl Iterator<Item = (&'l PathBuf, &'l ObjectMeta)> {
    listing.range(folder.to_path_buf()..).take_while(move |(path, _)| path.starts_with(folder))
}

impl FileStore for ObjectFiles {
    fn open(&self, _permit: &ScanPermit, path: &Path) -> io::Result<Arc<dyn StoredFile>> {
        let listing = self.listing()?;
        let meta = listing.get(path).cloned().ok_or(StoreProblem::Missing)?;
        Ok(Arc::new(ObjectFile { store: Arc::clone(&self.store), courier: Arc::clone(&self.courier), meta }))
    }

    fn entries(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let listing = self.listing()?;
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        let mut is_there = false;
        for (path, _) in below(&listing, folder) {
            let Ok(rest) = path.strip_prefix(folder) else { continue };
            is_there = true;
            let mut parts = rest.components();
            let Some(name) = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned()) else { continue };
            // Some tools write an empty object in a folder's name; it comes before what is in the folder.
            let entry = Entry { path: folder.join(&name), is_folder: parts.next().is_some(), name: name.clone() };
            entries.insert(name, entry);
        }
        if is_there { Ok(entries.into_values().collect()) } else { Err(StoreProblem::Missing.into()) }
    }

    fn identity(&self, path: &Path) -> io::Result<Identity> {
        if self.listing()?.contains_key(path) {
            let (store, key) = (Arc::clone(&self.store), self.key(path)?);
            let found = self.courier.fetch(async move {
                let options = GetOptions { head: true, ..GetOptions::default() };
                store.get_opts(&key, options).await.map(|found| found.meta)
            })?;
            return Ok(Identity::of_object(&found));
        }
        let listing = self.list(path)?;
        let objects: Vec<(String, Identity)> = below(&listing, path)
            .map(|(path, object)| (path.display().to_string(), Identity::of_object(object)))
            .collect();
        if objects.is_empty() { Err(StoreProblem::Missing.into()) } else { Ok(Identity::Objects(objects)) }
    }

    fn opened_at_once(&self) -> usize {
        OPENED_AT_ONCE
    }
}

/// One object, as it was when it was listed.
struct ObjectFile {
    store: Arc<dyn ObjectStore>,
    courier: Arc<Courier>,
    meta: ObjectMeta,
}

impl fmt::Debug for ObjectFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectFile").field("key", &self.meta.location.as_ref()).finish_non_exhaustive()
    }
}

impl StoredFile for ObjectFile {
    fn size(&self) -> u64 {
        self.meta.size
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let end = offset.checked_add(length as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        let read = self.read_many(std::slice::from_ref(&(offset..end)))?;
        read.into_iter().next().ok_or_else(|| StoreProblem::Garbled.into())
    }

    fn read_many(&self, ranges: &[Range<u64>]) -> io::Result<Vec<Bytes>> {
        if ranges.iter().any(|range| range.end > self.meta.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let requests = requests(ranges);
        let (store, meta) = (Arc::clone(&self.store), self.meta.clone());
        let asked = requests.clone();
        let read: Vec<Bytes> = self.courier.fetch(async move {
            let get = |range: Range<u64>| get(Arc::clone(&store), meta.clone(), range);
            stream::iter(asked.into_iter().map(get)).buffered(REQUESTS_AT_ONCE).try_collect().await
        })?;
        let answered: Vec<(Range<u64>, Bytes)> = requests.into_iter().zip(read).collect();
        ranges.iter().map(|range| gathered(range, &answered)).collect()
    }

    fn window_bytes(&self) -> u64 {
        REQUEST_BYTES_MAX
    }

    fn is_far_away(&self) -> bool {
        true
    }

    fn check_unchanged(&self) -> io::Result<()> {
        let (store, meta) = (Arc::clone(&self.store), self.meta.clone());
        self.courier.fetch(async move {
            let options = GetOptions { head: true, if_match: meta.e_tag.clone(), ..GetOptions::default() };
            let found = store.get_opts(&meta.location, options).await.map_err(gone)?;
            is_same(&meta, &found.meta)
        })
    }
}

/// What happened to a request.
#[derive(Debug)]
pub(super) enum Failed {
    Store(object_store::Error),
    Problem(StoreProblem),
}

impl From<object_store::Error> for Failed {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

async fn get(store: Arc<dyn ObjectStore>, meta: ObjectMeta, range: Range<u64>) -> Result<Bytes, Failed> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let wanted = length_of(&range).map_err(|_| Failed::Problem(StoreProblem::Garbled))?;
    let options =
        GetOptions { if_match: meta.e_tag.clone(), range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let found = store.get_opts(&meta.location, options).await.map_err(gone)?;
    is_same(&meta, &found.meta)?;
    let bytes = found.bytes().await?;
    if bytes.len() == wanted { Ok(bytes) } else { Err(Failed::Problem(StoreProblem::Garbled)) }
}

/// An object that is not there was there when it was listed.
fn gone(error: object_store::Error) -> Failed {
    match error {
        object_store::Error::NotFound { .. } => Failed::Problem(StoreProblem::Changed),
        error => Failed::Store(error),
    }
}

/// A store that does not look at `if_match` is held to what it answers.
fn is_same(listed: &ObjectMeta, found: &ObjectMeta) -> Result<(), Failed> {
    let same = match (&listed.e_tag, &found.e_tag) {
        (Some(one), Some(other)) => one == other,
        _ => listed.last_modified.timestamp() == found.last_modified.timestamp(),
    };
    if same && listed.size == found.size { Ok(()) } else { Err(Failed::Problem(StoreProblem::Changed)) }
}
