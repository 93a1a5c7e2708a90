use siltstone_format::backup::BackupIndex;
use siltstone_format::catalogue::Catalogue;
use siltstone_format::manifest::Manifest;
use siltstone_format::snapshot::Snapshot;
use siltstone_format::{Digest, Flaw};

use crate::mend;

/// Catalogues, manifests, snapshots and indexes of backups: each decoder reads the same bytes.
pub fn documents(data: &[u8]) {
    for bytes in [data, &mend::document(data)] {
        check(bytes, Catalogue::decode, Catalogue::encode);
        check(bytes, Manifest::decode, Manifest::encode);
        check(bytes, Snapshot::decode, Snapshot::encode);
        check(bytes, BackupIndex::decode, BackupIndex::encode);
    }
}

fn check<T: PartialEq>(
    bytes: &[u8],
    decode: impl Fn(&[u8]) -> Result<(T, Digest), Flaw>,
    encode: impl Fn(&T) -> Result<Vec<u8>, String>,
) {
    match decode(bytes) {
        Ok((value, _)) => {
            let again = encode(&value).ok().and_then(|bytes| decode(&bytes).ok());
            assert!(again.is_some_and(|(again, _)| again == value), "a document survives a round trip");
        }
        Err(flaw) => {
            assert!(flaw.length > 0, "{flaw}");
            assert!(!flaw.to_string().contains(char::is_control), "a flaw is printable");
            assert!(flaw.to_string().len() < 2000, "a flaw is short");
        }
    }
}
