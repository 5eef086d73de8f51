//! What etcd's refusals mean here.

use std::sync::Arc;

use tonic::{Code, Status};

use crate::{Revision, StoreError};

/// Whether the call never left this machine, so that it may be made again elsewhere.
pub(super) fn unsent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether another member may do better.
pub(super) fn elsewhere(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown)
}

/// A refused read, or anything else that changes nothing.
pub(super) fn refused(doing: &'static str, status: Status) -> StoreError {
    known(doing, &status).unwrap_or_else(|| {
        let (reason, source) = said(status);
        StoreError::Unavailable { doing, reason, source }
    })
}

/// A write whose answer is missing: it may have been made.
pub(super) fn in_doubt(status: Status) -> StoreError {
    if let Some(error) = known("commit", &status) {
        return error;
    }
    // etcd refuses these before it proposes them to its log.
    let rejected = unsent(&status) || matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied);
    let rejected = rejected || status.message().contains("too many requests");
    let (reason, source) = said(status);
    if rejected {
        StoreError::Unavailable { doing: "commit", reason, source }
    } else {
        StoreError::Unknown { reason, source }
    }
}

fn known(doing: &'static str, status: &Status) -> Option<StoreError> {
    let said = status.message();
    if said.contains("database space exceeded") || said.contains("no space") {
        let kind = std::io::ErrorKind::StorageFull;
        return Some(StoreError::DiskFull(Arc::new(std::io::Error::new(kind, said.to_owned()))));
    }
    if said.contains("required revision has been compacted") {
        return Some(StoreError::Compacted { asked: Revision::UNSET, oldest: Revision::UNSET });
    }
    if said.contains("required revision is a future revision") {
        return Some(StoreError::Future { asked: Revision::UNSET, current: Revision::UNSET });
    }
    if said.contains("too many operations in txn request") || said.contains("duplicate key given") {
        return Some(StoreError::Invalid(said.to_owned()));
    }
    if said.contains("request is too large") || said.contains("larger than max") {
        return Some(StoreError::Invalid(format!("it is too large to {doing}: {said}")));
    }
    None
}

type Source = Option<Arc<dyn std::error::Error + Send + Sync>>;

fn said(status: Status) -> (String, Source) {
    let reason = match status.message() {
        "" => format!("{:?}", status.code()),
        said => said.to_owned(),
    };
    (reason, Some(Arc::new(status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcds_words_are_understood() {
        let full = refused("read", Status::resource_exhausted("etcdserver: mvcc: database space exceeded"));
        assert!(matches!(full, StoreError::DiskFull(_)));
        let old =
            refused("read", Status::out_of_range("etcdserver: mvcc: required revision has been compacted"));
        assert!(matches!(old, StoreError::Compacted { .. }));
        let slow = refused("read", Status::unavailable("etcdserver: request timed out"));
        assert_eq!(slow.to_string(), "etcd cannot read: etcdserver: request timed out");
    }

    #[test]
    fn a_write_without_an_answer_is_in_doubt() {
        let lost = in_doubt(Status::unavailable("etcdserver: request timed out"));
        assert!(matches!(lost, StoreError::Unknown { .. }));
        let busy = in_doubt(Status::resource_exhausted("etcdserver: too many requests"));
        assert!(matches!(busy, StoreError::Unavailable { .. }));
    }
}
