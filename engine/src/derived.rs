//! What is known of the derived files of a collection's segments: each is looked for once, also when there is none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use siltstone_format::Digest;

/// The derived files of one kind that were opened so far, by the digests of their segments.
#[derive(Debug)]
pub(crate) struct Known<T>(Mutex<HashMap<Digest, Option<Arc<T>>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Known<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Option<Arc<T>>>> {
        // Every entry is whole when it is put in, whatever panics elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a segment, opened by `open` when nobody has looked for it yet.
    pub(crate) fn get(&self, digest: Digest, open: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        self.lock().entry(digest).or_insert_with(|| open().map(Arc::new)).clone()
    }

    /// Forgets which segments had none, and the files of segments that are not listed.
    pub(crate) fn keep(&self, listed: impl Fn(&Digest) -> bool) {
        self.lock().retain(|digest, file| file.is_some() && listed(digest));
    }
}
